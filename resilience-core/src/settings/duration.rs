//! Durations as people write them: `"250ms"`, `"1m 30s"`, `"0.5s"`.
//!
//! For a field of one's own with `#[serde(with = "resilience_core::settings::duration")]`. Where the field is an `Option` or a
//! list, [`HumanDuration`](super::HumanDuration) is the type to use.
//!
//! ```
//! use std::time::Duration;
//!
//! #[derive(serde::Deserialize)]
//! struct Timeouts {
//!     #[serde(with = "resilience_core::settings::duration")]
//!     total: Duration,
//! }
//!
//! let timeouts: Timeouts = toml::from_str("total = '1m 30s'")?;
//! assert_eq!(timeouts.total, Duration::from_secs(90));
//! let error = toml::from_str::<Timeouts>("total = 90").err().map(|error| error.message().to_owned());
//! assert_eq!(error.as_deref(), Some("duration is 90, without a unit: write \"90ms\" or \"90s\""));
//! # Ok::<(), toml::de::Error>(())
//! ```

use std::{fmt, time::Duration};

use serde::{Deserializer, Serializer, de};

/// The units in falling order, and how else they may be written. Months and years have no fixed length.
const UNITS: [(&str, &[&str], u64); 7] = [
    ("d", &["day", "days"], 86_400_000_000_000),
    ("h", &["hour", "hours"], 3_600_000_000_000),
    ("m", &["min", "minute", "minutes"], 60_000_000_000),
    ("s", &["sec", "second", "seconds"], 1_000_000_000),
    ("ms", &[], 1_000_000),
    ("us", &["µs", "μs"], 1_000),
    ("ns", &[], 1),
];

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Reads a duration.
///
/// # Errors
///
/// For a number without a unit, and for text that is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Text("duration"))
}

/// Writes a duration, so that it reads as the same one.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Shown(*duration))
}

/// A duration that is written like that.
pub(super) struct Shown(pub(super) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_nanos();
        if left == 0 {
            return f.write_str("0s");
        }
        let mut separator = "";
        for (name, _, nanos) in UNITS {
            let (count, rest) = (left / u128::from(nanos), left % u128::from(nanos));
            if count > 0 {
                write!(f, "{separator}{count}{name}")?;
                separator = " ";
            }
            left = rest;
        }
        Ok(())
    }
}

/// The duration that `text` says, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    sum(text).ok_or_else(|| match text.trim().parse::<f64>() {
        Ok(_) => unitless(text.trim()),
        Err(_) => format!(
            "{text:?}, which is no duration: write numbers and units, such as \"250ms\" or \"1m 30s\"; \
             the units are d, h, m, s, ms, us and ns, the longest first"
        ),
    })
}

/// How long a unit is.
pub(crate) fn unit(name: &str) -> Option<Duration> {
    place(name).map(|place| Duration::from_nanos(UNITS[place].2))
}

fn place(name: &str) -> Option<usize> {
    UNITS.iter().position(|(short, others, _)| *short == name || others.contains(&name))
}

fn unitless(number: impl fmt::Display) -> String {
    format!("{number}, without a unit: write \"{number}ms\" or \"{number}s\"")
}

/// The sum of its parts, each with a smaller unit than the one before.
fn sum(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let (mut nanos, mut least) = (0_u128, None);
    while least.is_none() || !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let place = place(&after[..end]).filter(|&place| least.is_none_or(|least| place > least))?;
        nanos = nanos.checked_add(times(number, UNITS[place].2)?)?;
        least = Some(place);
        rest = after[end..].trim_start();
    }
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).ok()?;
    let rest = u32::try_from(nanos % NANOS_PER_SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

/// A decimal times a unit, if that is a whole number of nanoseconds.
fn times(number: &str, unit: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let (whole, parts) = (whole.parse::<u64>().ok()?, fraction.parse::<u64>().ok()?);
    let denominator = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = u128::from(parts) * u128::from(unit);
    (fraction % denominator == 0).then(|| u128::from(whole) * u128::from(unit) + fraction / denominator)
}

/// The text of the setting of this name.
pub(super) struct Text(pub(super) &'static str);

impl Text {
    fn wrong<T, E: de::Error>(&self, what: impl fmt::Display) -> Result<T, E> {
        Err(E::custom(format_args!("{} is {what}", self.0)))
    }
}

impl de::Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: a duration such as \"250ms\" or \"1m 30s\"", self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).or_else(|what| self.wrong(what))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        self.wrong(unitless(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
        self.wrong(unitless(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => self.wrong(format_args!("{number}, it must not be negative")),
        }
    }
}

#[cfg(feature = "schemars")]
pub(super) fn schema() -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "pattern": r"^\s*([0-9]+(\.[0-9]+)?\s*[a-zµ]+\s*)+$",
        "examples": ["250ms", "1m 30s"],
    })
}
