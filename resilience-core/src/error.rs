//! A ready-made error type for stacks over a foreign error.

use std::{error, fmt};

use crate::{Refusal, Rejected};

/// Either a refusal of a policy or the error of the wrapped service.
///
/// Put under a stack once (`resilience_tower::ErrorLayer` or `TransportLayer`), it is the error of every layer above:
/// six layers do not make six levels.
///
/// ```
/// use resilience_core::{Error, Rejected};
///
/// let error: Error<std::io::Error> = Rejected::CircuitOpen { retry_after: None }.into();
/// match error {
///     Error::Rejected(Rejected::CircuitOpen { .. }) => {} // answer from a cache, say
///     Error::Rejected(other) => panic!("{other}"),
///     Error::Inner(io) => panic!("{io}"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// A policy refused the call or cut it short.
    Rejected(Rejected),
    /// The wrapped service failed.
    Inner(E),
}

impl<E> Error<E> {
    /// The wrapped service's error, unless a policy refused the call.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Inner(error) => Some(error),
            Self::Rejected(_) => None,
        }
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E> Refusal for Error<E> {
    fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Inner(_) => f.write_str("the wrapped service failed"),
        }
    }
}

/// The source is the refusal or the inner error itself, so that both are found by walking the sources.
impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_inner_error_is_the_source() {
        let error = Error::Inner(std::io::Error::other("reset"));
        let source = error.source().and_then(|e| e.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(ToString::to_string).as_deref(), Some("reset"));
    }
}
