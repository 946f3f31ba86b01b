use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Invalid,
    duration::{self, Shown},
};

/// A duration that is read and written as people write it: `"250ms"`, `"1m 30s"`, `"0.5s"`.
///
/// A number and a unit, as often as needed, the longest unit first: `d`, `h`, `m` or `min`, `s`, `ms`, `us`, `ns`, and their names in
/// full from days to seconds. A number without a unit is refused.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::settings::HumanDuration;
///
/// #[derive(serde::Deserialize)]
/// struct Timeouts {
///     attempt: Option<HumanDuration>,
/// }
///
/// let timeouts: Timeouts = toml::from_str("attempt = '1m 30s'")?;
/// assert_eq!(timeouts.attempt.map(Duration::from), Some(Duration::from_secs(90)));
/// assert_eq!(HumanDuration(Duration::from_millis(1500)).to_string(), "1s 500ms");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.0).fmt(f)
    }
}

impl FromStr for HumanDuration {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match duration::parse(text) {
            Ok(duration) => Ok(Self(duration)),
            Err(what) => Err(format!("duration is {what}").into()),
        }
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        duration::deserialize(deserializer).map(Self)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        duration::serialize(&self.0, serializer)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        duration::schema()
    }
}
