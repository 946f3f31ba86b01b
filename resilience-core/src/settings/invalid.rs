use std::{error, fmt};

/// Settings that do not fit together, or are not complete: which, and what they must be.
///
/// ```
/// use resilience_core::{adaptive, settings::Invalid};
///
/// let patch: adaptive::Patch = toml::from_str("min = 100")?;
/// let error: Invalid = patch.apply_to(adaptive::Config::default().bounds(2, 50)).unwrap_err();
/// assert_eq!(error.to_string(), "min is 100, it must not be above max, which is 50");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(String);

impl From<String> for Invalid {
    fn from(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Invalid {}
