//! Settings that are one of several kinds: the name of a kind, or a table with the settings of one.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::patch::Key;

/// The settings of a kind that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for Nothing {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an empty table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        // Any key is an unknown one.
        map.next_key_seed(Key(&[]))?;
        Ok(Self)
    }
}

impl Serialize for Nothing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(); 0].map(|()| ("", ())))
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Nothing {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "nothing".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        super::schema::table([])
    }
}

/// An enum of patches: the name of a kind alone stands for an empty patch.
macro_rules! tagged {
    (
        $(#[doc = $about:literal])+
        $visible:vis enum $choice:ident as $name:literal {
            $($key:literal => $variant:ident($patch:ty),)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        $visible enum $choice {
            $($variant($patch),)+
        }

        const _: () = {
            use $crate::settings::patch::Key;

            const NAMES: &[&str] = &[$($key),+];

            impl<'de> serde::Deserialize<'de> for $choice {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_any(OneOf)
                }
            }

            struct OneOf;

            impl<'de> serde::de::Visitor<'de> for OneOf {
                type Value = $choice;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    write!(f, "{}: one of {NAMES:?}, or a table with the settings of one of them", $name)
                }

                fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$choice, E> {
                    match text {
                        $($key => Ok($choice::$variant(<$patch>::default())),)+
                        _ => Err(E::unknown_variant(text, NAMES)),
                    }
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$choice, A::Error> {
                    let choice = match map.next_key_seed(Key(NAMES))? {
                        $(Some($key) => $choice::$variant(map.next_value()?),)+
                        _ => return Err(serde::de::Error::invalid_length(0, &self)),
                    };
                    match map.next_key_seed(Key(NAMES))? {
                        None => Ok(choice),
                        Some(_) => Err(serde::de::Error::invalid_length(2, &self)),
                    }
                }
            }

            impl serde::Serialize for $choice {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    match self {
                        $(Self::$variant(patch) => serializer.collect_map([($key, patch)]),)+
                    }
                }
            }

            #[cfg(feature = "schemars")]
            impl schemars::JsonSchema for $choice {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    $name.into()
                }

                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({ "anyOf": [
                        { "enum": NAMES },
                        $({
                            "type": "object",
                            "properties": { $key: generator.subschema_for::<$patch>() },
                            "required": [$key],
                            "additionalProperties": false,
                        },)+
                    ] })
                }
            }
        };
    };
}

pub(crate) use tagged;
