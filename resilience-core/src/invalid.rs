use std::{error, fmt};

/// Settings that do not fit together, or are not complete: which, and what they must be.
///
/// Its text is for the person who has written the settings.
///
/// ```
/// use resilience_core::Invalid;
///
/// let error = Invalid::from("min is 100, it must not be above max, which is 50".to_owned());
/// assert_eq!(error.to_string(), "min is 100, it must not be above max, which is 50");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(String);

impl Invalid {
    /// The same, said of settings that are part of others: `probes is 0` becomes `circuit_breaker.probes is 0`.
    #[cfg(feature = "serde")]
    pub(crate) fn within(self, part: &str) -> Self {
        Self(format!("{part}.{}", self.0))
    }
}

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
