//! What the settings of a policy have in common: the macros that make them readable, writable and patchable.
//!
//! Hidden, and public for the settings of `resilience-tower`'s stacks alone: what they would notice waits for a new minor version.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, Visitor},
};

use super::Invalid;
use crate::range::{Bound, Range};

/// What a file says of a setting, and what it makes of the setting that there was.
pub trait Change<T>: Sized {
    fn apply(self, base: T) -> Result<T, Invalid>;

    /// What it makes where there was none.
    fn alone(self) -> Result<T, Invalid>;

    /// What makes anything this value, unless no file can say that.
    fn to(value: &T) -> Result<Self, Invalid>;
}

/// What becomes of one field.
pub fn changed<T, C: Change<T>>(field: &str, change: Option<C>, base: T) -> Result<T, Invalid> {
    match change {
        Some(change) => change.apply(base).map_err(|wrong| wrong.within(field)),
        None => Ok(base),
    }
}

impl<T: Clone> Change<T> for T {
    fn apply(self, _: T) -> Result<T, Invalid> {
        Ok(self)
    }

    fn alone(self) -> Result<T, Invalid> {
        Ok(self)
    }

    fn to(value: &T) -> Result<T, Invalid> {
        Ok(value.clone())
    }
}

/// A value that has no default.
pub(crate) fn needed<T, U: Bound>(value: Option<T>, range: &Range<U>) -> Result<T, String> {
    value.ok_or_else(|| format!("{} is missing, it must be {}", range.name, U::between(range.min, range.max)))
}

/// Reads a key that must be one of these, so that an unknown one is told at its place.
#[derive(Debug)]
pub struct Key(pub &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a setting")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<&'static str, E> {
        let known = self.0.iter().find(|known| **known == key);
        known.copied().ok_or_else(|| E::unknown_field(key, self.0))
    }
}

/// A struct of optional settings, each with a [`Form`](super::form::Form), and how it is read and written.
#[doc(hidden)]
#[macro_export]
macro_rules! __patch {
    (
        $(#[doc = $about:literal])+
        $visible:vis struct $patch:ident as $name:literal {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $form:expr,)*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq)]
        $visible struct $patch {
            $($(#[doc = $doc])+ $field: Option<$type>,)*
        }

        const _: () = {
            use $crate::settings::{form::{Read, Written}, patch::Key};

            const NAMES: &[&str] = &[$(stringify!($field)),*];

            impl<'de> serde::Deserialize<'de> for $patch {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_struct($name, NAMES, Table)
                }
            }

            struct Table;

            impl<'de> serde::de::Visitor<'de> for Table {
                type Value = $patch;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!("a table of settings, ", $name))
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$patch, A::Error> {
                    let mut patch = $patch::default();
                    while let Some(key) = map.next_key_seed(Key(NAMES))? {
                        match key {
                            $(stringify!($field) if patch.$field.is_none() => {
                                patch.$field = Some(map.next_value_seed(Read(&$form))?);
                            })*
                            twice => return Err(serde::de::Error::duplicate_field(twice)),
                        }
                    }
                    Ok(patch)
                }
            }

            impl serde::Serialize for $patch {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeStruct;

                    let count = [$(self.$field.is_some()),*].into_iter().filter(|some| *some).count();
                    let mut table = serializer.serialize_struct($name, count)?;
                    $(match &self.$field {
                        Some(value) => table.serialize_field(stringify!($field), &Written(&$form, value))?,
                        None => table.skip_field(stringify!($field))?,
                    })*
                    table.end()
                }
            }

            #[cfg(feature = "schemars")]
            impl schemars::JsonSchema for $patch {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    $name.into()
                }

                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    use $crate::settings::schema;

                    schema::table([$((
                        stringify!($field),
                        concat!($($doc),+),
                        schema::of::<$type>(&$form, generator),
                    ),)*])
                }
            }
        };
    };
}

/// A [`patch`] whose fields are those of the type that it changes.
#[doc(hidden)]
#[macro_export]
macro_rules! __settings {
    (
        $(#[doc = $about:literal])+
        $visible:vis struct $patch:ident for $config:ty as $name:literal, needs $needs:tt {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $form:expr,)*
        }
        $from:ident => $base:expr;
        $whole:ident => $checked:expr;
    ) => {
        $crate::settings::patch::patch! {
            $(#[doc = $about])+
            $visible struct $patch as $name {
                $($(#[doc = $doc])+ $field: $type = $form,)*
            }
        }

        impl $patch {
            /// These settings, and those of `base` where none are said.
            ///
            /// # Errors
            ///
            /// If they do not fit together.
            $visible fn apply_to(self, base: $config) -> Result<$config, $crate::settings::Invalid> {
                $crate::settings::patch::Change::apply(self, base)
            }

            /// These settings, and the defaults where none are said.
            ///
            /// # Errors
            ///
            /// If they do not fit together, or one is missing that has no default.
            $visible fn into_config(self) -> Result<$config, $crate::settings::Invalid> {
                let $from = &self;
                let base: Result<$config, String> = $base;
                self.apply_to(base?)
            }
        }

        impl $crate::settings::patch::Change<$config> for $patch {
            fn apply(self, base: $config) -> Result<$config, $crate::settings::Invalid> {
                let mut $whole = base;
                $(
                    let (said, base) = (self.$field, $whole.$field);
                    $whole.$field = $crate::settings::patch::changed(stringify!($field), said, base)?;
                )*
                let checked: Result<$config, String> = $checked;
                Ok(checked?)
            }

            fn alone(self) -> Result<$config, $crate::settings::Invalid> {
                self.into_config()
            }

            fn to(config: &$config) -> Result<Self, $crate::settings::Invalid> {
                Ok(Self { $($field: Some($crate::settings::patch::Change::to(&config.$field)?),)* })
            }
        }

        $crate::settings::patch::whole!($patch for $config, needs $needs);
    };
}

/// Makes a type writable as the patch that makes anything it, and readable as its patch over its defaults.
#[doc(hidden)]
#[macro_export]
macro_rules! __whole {
    ($patch:ident for $config:ty, needs $needs:tt) => {
        impl serde::Serialize for $config {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let patch: Result<$patch, _> = $crate::settings::patch::Change::to(self);
                serde::Serialize::serialize(&patch.map_err(serde::ser::Error::custom)?, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $config {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let patch: $patch = serde::Deserialize::deserialize(deserializer)?;
                patch.into_config().map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schemars")]
        impl schemars::JsonSchema for $config {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$patch as schemars::JsonSchema>::schema_name()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let schema = <$patch as schemars::JsonSchema>::json_schema(generator);
                $crate::settings::schema::whole(
                    schema,
                    &$needs,
                    $patch::default().into_config().ok().as_ref(),
                )
            }
        }
    };
}

pub use {__patch as patch, __settings as settings, __whole as whole};
