use std::{error, fmt, time::Duration};

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

impl Invalid {
    /// A part that is built in, or is not, stays so.
    pub(super) fn unless_built_in(part: &str, is: bool, shall: bool) -> Result<(), Self> {
        let on = |on| if on { "on" } else { "off" };
        if is == shall {
            return Ok(());
        }
        Err(Self(format!(
            "`{part}` is {} in this stack, and cannot be turned {} while it runs: make a new stack",
            on(is),
            on(shall),
        )))
    }

    /// A value that is built in stays as it is.
    pub(super) fn unless_fixed(field: &str, is: Duration, shall: Duration) -> Result<(), Self> {
        if is == shall {
            return Ok(());
        }
        Err(Self(format!(
            "`{field}` is {is:?} in this stack, and cannot become {shall:?} while it runs: make a new stack"
        )))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Invalid {}
