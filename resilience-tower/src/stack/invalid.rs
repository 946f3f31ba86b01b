use std::{error, fmt};

/// Settings that do not fit together: which, why, and what to do.
///
/// ```
/// use std::time::Duration;
/// use resilience_tower::stack::{ClientLayer, ClientSettings};
///
/// let settings = ClientSettings::new().attempt_timeout(Duration::from_secs(9));
/// let invalid = ClientLayer::new("payments", &settings).unwrap_err();
/// assert!(invalid.to_string().starts_with("`attempt_timeout` is 9s"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub(super) String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Invalid {}
