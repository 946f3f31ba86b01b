//! What a file says of a quota.

use std::{fmt, time::Duration};

#[cfg(feature = "schemars")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::Quota;
use crate::{
    range::Range,
    settings::{
        HumanDuration, Invalid,
        duration::{self, unit},
        form::Form,
        patch::{Change, patch, whole},
    },
};

const BURST: Range<u32> = Range::positive("burst");

/// What a file says of a quota: see [`settings`](crate::settings#layers).
///
/// Either the rate, `"100/s"`, or a table with `rate` and `burst`. A quota needs a rate, from the file or from the settings that are
/// there already. A rate brings its own burst, as many calls as the period has, unless the file has a `burst` too.
///
/// ```
/// use resilience_core::rate_limit::{Patch, Quota};
///
/// #[derive(serde::Deserialize)]
/// struct Limits {
///     per_tenant: Quota,
///     in_all: Quota,
/// }
///
/// let limits: Limits = toml::from_str("per_tenant = '5000/min'\nin_all = { rate = '3/10s', burst = 1 }")?;
/// assert_eq!(limits.per_tenant, Quota::per_minute(5000));
/// assert_eq!(limits.in_all, Quota::per(3, std::time::Duration::from_secs(10)).burst(1));
///
/// let file: Patch = toml::from_str("burst = 20")?;
/// assert_eq!(file.apply_to(limits.per_tenant)?, Quota::per_minute(5000).burst(20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch(Parts);

patch! {
    /// The table.
    struct Parts as "rate_limit" {
        /// How many calls are let through in which time.
        rate: Quota = Rate,
        /// How many calls may come at the same moment; as many as the period has if it is not said.
        burst: u32 = BURST,
    }
}

impl Patch {
    /// These settings, and those of `base` where none are said.
    ///
    /// # Errors
    ///
    /// If the burst takes too long to come back.
    pub fn apply_to(self, base: Quota) -> Result<Quota, Invalid> {
        self.over(Some(base))
    }

    /// These settings, and as burst the calls of the period if none is said.
    ///
    /// # Errors
    ///
    /// If there is no rate, or the burst takes too long to come back.
    pub fn into_config(self) -> Result<Quota, Invalid> {
        self.over(None)
    }

    fn over(self, base: Option<Quota>) -> Result<Quota, Invalid> {
        let missing = || "rate is missing, it must be calls per time, such as \"100/s\"".to_owned();
        let quota = self.0.rate.or(base).ok_or_else(missing)?;
        match self.0.burst {
            Some(burst) => Ok(quota.with_burst(burst).map_err(str::to_owned)?),
            None => Ok(quota),
        }
    }
}

impl Change<Quota> for Patch {
    fn apply(self, base: Quota) -> Result<Quota, Invalid> {
        self.apply_to(base)
    }

    fn alone(self) -> Result<Quota, Invalid> {
        self.into_config()
    }

    fn to(quota: &Quota) -> Result<Self, Invalid> {
        Ok(Self(Parts { rate: Some(*quota), burst: Some(quota.max_burst()) }))
    }
}

whole!(Patch for Quota, needs ["rate"]);

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateOrParts)
    }
}

struct RateOrParts;

impl<'de> Visitor<'de> for RateOrParts {
    type Value = Patch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate such as \"100/s\", or a table with rate and burst")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Patch, E> {
        Ok(Patch(Parts { rate: Some(Rate.visit_str(text)?), burst: None }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Patch, A::Error> {
        Parts::deserialize(MapAccessDeserializer::new(map)).map(Patch)
    }
}

impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(feature = "schemars")]
impl JsonSchema for Patch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "rate_limit".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [Rate.schema(generator), Parts::json_schema(generator)] })
    }
}

/// Calls per time.
struct Rate;

impl Form for Rate {
    type Value = Quota;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Quota, D::Error> {
        deserializer.deserialize_str(Self)
    }

    fn write<S: Serializer>(&self, quota: &Quota, serializer: S) -> Result<S::Ok, S::Error> {
        let in_words = [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)]
            .into_iter()
            .find_map(|(unit, seconds)| Some((calls_in(quota, Duration::from_secs(seconds))?, unit)));
        match in_words {
            Some((calls, unit)) => serializer.collect_str(&format_args!("{calls}/{unit}")),
            None => serializer.collect_str(&format_args!("1/{}", HumanDuration(quota.interval()))),
        }
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, _: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^\s*[0-9]+\s*/.+$", "examples": ["100/s", "5000/min", "3/10s"] })
    }
}

/// How many calls a period has, if that says the same as the interval.
fn calls_in(quota: &Quota, period: Duration) -> Option<u32> {
    let calls = u32::try_from(period.as_nanos().div_ceil(quota.interval().as_nanos())).ok()?;
    let same = Quota::checked(calls, period).ok()?;
    (same.interval() == quota.interval()).then_some(calls)
}

impl Visitor<'_> for Rate {
    type Value = Quota;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rate: calls per time, such as \"100/s\", \"5000/min\" or \"3/10s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Quota, E> {
        let quota = calls_and_period(text).ok_or_else(|| {
            E::custom(format_args!(
                "rate is {text:?}, it must be calls per time, such as \"100/s\", \"5000/min\" or \"3/10s\""
            ))
        });
        let (calls, period) = quota?;
        Quota::checked(calls, period).map_err(|wrong| E::custom(format_args!("rate is {text:?}: {wrong}")))
    }
}

fn calls_and_period(text: &str) -> Option<(u32, Duration)> {
    let (calls, period) = text.split_once('/')?;
    let period = period.trim();
    let period = unit(period).or_else(|| duration::parse(period).ok())?;
    Some((calls.trim().parse().ok()?, period))
}
