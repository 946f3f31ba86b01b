//! What a setting looks like in a file.
//!
//! Hidden, and public for the settings of `resilience-tower`'s stacks alone: what they would notice waits for a new minor version.

use std::{fmt, marker::PhantomData, time::Duration};

#[cfg(feature = "schemars")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, Visitor},
};

use super::duration;
use crate::{
    nanos::nanos,
    range::{Bound, Range},
    thousandths::Thousandths,
};

/// How the value of a setting is read, checked and written.
pub trait Form {
    type Value;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Self::Value, D::Error>;

    fn write<S: Serializer>(&self, value: &Self::Value, serializer: S) -> Result<S::Ok, S::Error>;

    #[cfg(feature = "schemars")]
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;
}

/// Reads one value, so that what is wrong is told at its place.
#[derive(Debug)]
pub struct Read<'a, F>(pub &'a F);

impl<'de, F: Form> DeserializeSeed<'de> for Read<'_, F> {
    type Value = F::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.read(deserializer)
    }
}

/// Writes one value.
#[expect(missing_debug_implementations, reason = "no part of what users see")]
pub struct Written<'a, F: Form>(pub &'a F, pub &'a F::Value);

impl<F: Form> Serialize for Written<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(self.1, serializer)
    }
}

/// A type that needs no other check than its own.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<T>);

pub const fn plain<T>() -> Plain<T> {
    Plain(PhantomData)
}

#[cfg(not(feature = "schemars"))]
impl<T: for<'de> Deserialize<'de> + Serialize> Form for Plain<T> {
    type Value = T;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }

    fn write<S: Serializer>(&self, value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

#[cfg(feature = "schemars")]
impl<T: for<'de> Deserialize<'de> + Serialize + JsonSchema> Form for Plain<T> {
    type Value = T;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }

    fn write<S: Serializer>(&self, value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl Form for Range<u32> {
    type Value = u32;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_u32(Whole(self))
    }

    fn write<S: Serializer>(&self, value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(*value)
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, _: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": self.min, "maximum": self.max })
    }
}

struct Whole<'a>(&'a Range<u32>);

impl Visitor<'_> for Whole<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { name, min, max } = *self.0;
        write!(f, "{name}: a whole number {}", u32::between(min, max))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u32, E> {
        let checked = u32::try_from(value).map_err(|_| self.0.refusal(&value));
        checked.and_then(|value| self.0.check(value)).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u32, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::custom(self.0.refusal(&value))),
        }
    }
}

impl Form for Range<f64> {
    type Value = f64;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<f64, D::Error> {
        let value = deserializer.deserialize_f64(Number(self))?;
        self.check(value).map_err(D::Error::custom)
    }

    fn write<S: Serializer>(&self, value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*value)
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, _: &mut SchemaGenerator) -> Schema {
        if self.min == f64::from_bits(1) {
            json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": self.max })
        } else {
            json_schema!({ "type": "number", "minimum": self.min, "maximum": self.max })
        }
    }
}

/// Any number; the check is another step.
struct Number<'a>(&'a Range<f64>);

impl Visitor<'_> for Number<'_> {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { name, min, max } = *self.0;
        write!(f, "{name}: a number {}", f64::between(min, max))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }
}

/// A decimal in the file, thousandths in the settings.
impl Form for Thousandths {
    type Value = u32;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<u32, D::Error> {
        let value = deserializer.deserialize_f64(Number(&self.0))?;
        self.check(value).map_err(D::Error::custom)
    }

    fn write<S: Serializer>(&self, value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(*value) / 1000.0)
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        self.0.schema(generator)
    }
}

impl Form for Range<Duration> {
    type Value = Duration;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Duration, D::Error> {
        let value = deserializer.deserialize_any(duration::Text(self.name))?;
        self.check(value).map_err(D::Error::custom)
    }

    fn write<S: Serializer>(&self, value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        duration::serialize(value, serializer)
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, _: &mut SchemaGenerator) -> Schema {
        duration::schema()
    }
}

/// A duration of any length that is kept in nanoseconds.
pub(crate) struct Nanos(pub(crate) &'static str);

impl Form for Nanos {
    type Value = u64;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(duration::Text(self.0)).map(nanos)
    }

    fn write<S: Serializer>(&self, value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        duration::serialize(&Duration::from_nanos(*value), serializer)
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, _: &mut SchemaGenerator) -> Schema {
        duration::schema()
    }
}

/// A duration of any length.
pub const fn any(name: &'static str) -> Range<Duration> {
    Range::new(name, Duration::ZERO, Duration::MAX)
}
