//! Settings that can be switched off.
//!
//! Hidden, and public for the settings of `resilience-tower`'s stacks alone: what they would notice waits for a new minor version.

use std::fmt;

#[cfg(feature = "schemars")]
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        Error, IntoDeserializer, MapAccess, Unexpected, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{
    Invalid,
    form::{Form, Plain, plain},
    patch::Change,
};

/// `"off"` in the file, `None` in the settings; otherwise what the form says.
///
/// `false` is read as well: some parsers of YAML make it of a bare `off`.
#[derive(Debug)]
pub struct Off<F>(pub F);

const OFF: &str = "off";

impl<F: Form> Form for Off<F> {
    type Value = Option<F::Value>;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(OrOff(&self.0))
    }

    fn write<S: Serializer>(&self, value: &Self::Value, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => self.0.write(value, serializer),
            None => serializer.serialize_str(OFF),
        }
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [self.0.schema(generator), { "const": OFF }] })
    }
}

/// What a file says of settings that can be left out as a whole: `"off"`, or what it changes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<P>(pub Option<P>);

impl<C, P: Change<C>> Change<Option<C>> for Part<P> {
    fn apply(self, base: Option<C>) -> Result<Option<C>, Invalid> {
        match (self.0, base) {
            (Some(patch), Some(base)) => patch.apply(base).map(Some),
            (patch, _) => Self(patch).alone(),
        }
    }

    fn alone(self) -> Result<Option<C>, Invalid> {
        self.0.map(P::alone).transpose()
    }

    fn to(value: &Option<C>) -> Result<Self, Invalid> {
        value.as_ref().map(P::to).transpose().map(Self)
    }
}

impl<'de, P> Deserialize<'de> for Part<P>
where
    Plain<P>: Form<Value = P>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Off(plain()).read(deserializer).map(Self)
    }
}

impl<P> Serialize for Part<P>
where
    Plain<P>: Form<Value = P>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Off(plain()).write(&self.0, serializer)
    }
}

#[cfg(feature = "schemars")]
impl<P> schemars::JsonSchema for Part<P>
where
    Plain<P>: Form<Value = P>,
{
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "part".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Off(plain::<P>()).schema(generator)
    }
}

struct OrOff<'a, F>(&'a F);

impl<F: Form> OrOff<'_, F> {
    /// A value that is no table: whoever got it wrong may have wanted it off.
    fn scalar<'de, E: Error>(&self, value: impl IntoDeserializer<'de, E>) -> Result<Option<F::Value>, E> {
        let read = self.0.read(value.into_deserializer());
        // Some formats end their errors with a line feed.
        read.map(Some)
            .map_err(|wrong: E| E::custom(format_args!("{}, or \"{OFF}\"", wrong.to_string().trim_end())))
    }
}

impl<'de, F: Form> Visitor<'de> for OrOff<'_, F> {
    type Value = Option<F::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a setting or \"{OFF}\"")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Err(E::invalid_type(Unexpected::Bool(true), &self)) } else { Ok(None) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        if value == OFF { Ok(None) } else { self.scalar(StrDeserializer::new(value)) }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.scalar(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.read(MapAccessDeserializer::new(map)).map(Some)
    }
}
