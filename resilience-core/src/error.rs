//! A ready-made error type for stacks over a foreign error.

use std::{error, fmt};

use crate::{Refusal, Rejected, idempotency::OutcomeUnknown, retry::GaveUp};

/// Either a refusal of a policy or the error of the wrapped service.
///
/// Put under a stack once (`resilience_tower::ErrorLayer` or `TransportLayer`), it is the error of every layer above:
/// six layers do not make six levels. A retry layer that gives up notes so in it, and the error stays what it is.
///
/// ```
/// use resilience_core::{Error, Rejected};
///
/// let error: Error<std::io::Error> = Rejected::CircuitOpen { retry_after: None }.into();
/// match error {
///     Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. } => {} // answer from a cache, say
///     Error::Rejected { rejected, .. } => panic!("{rejected}"),
///     Error::Inner { error, .. } => panic!("{error}"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// A policy refused the call or cut it short.
    #[non_exhaustive]
    Rejected {
        /// Which policy, and the facts.
        rejected: Rejected,
        /// Set by the retry layer that gave up, if there was one.
        gave_up: Option<GaveUp>,
        /// Set by the layer that sent an idempotency key, if nobody knows what the request has done.
        unknown: Option<OutcomeUnknown>,
    },
    /// The wrapped service failed.
    #[non_exhaustive]
    Inner {
        /// How it failed.
        error: E,
        /// Set by the retry layer that gave up, if there was one.
        gave_up: Option<GaveUp>,
        /// Set by the layer that sent an idempotency key, if nobody knows what the request has done.
        unknown: Option<OutcomeUnknown>,
    },
}

impl<E> Error<E> {
    /// The error of the wrapped service.
    #[inline]
    pub const fn inner(error: E) -> Self {
        Self::Inner { error, gave_up: None, unknown: None }
    }

    /// The wrapped service's error, unless a policy refused the call.
    #[must_use]
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Inner { error, .. } => Some(error),
            Self::Rejected { .. } => None,
        }
    }

    /// After how many attempts a retry layer gave up, and why, if one did.
    #[must_use]
    pub const fn gave_up(&self) -> Option<GaveUp> {
        match self {
            Self::Rejected { gave_up, .. } | Self::Inner { gave_up, .. } => *gave_up,
        }
    }

    /// That nobody knows what the request has done, and the key to ask again with, if it was sent with one.
    #[must_use]
    pub const fn outcome_unknown(&self) -> Option<OutcomeUnknown> {
        match self {
            Self::Rejected { unknown, .. } | Self::Inner { unknown, .. } => *unknown,
        }
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected { rejected, gave_up: None, unknown: None }
    }
}

impl<E> Refusal for Error<E> {
    fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected { rejected, .. } => Some(rejected),
            Self::Inner { .. } => None,
        }
    }

    fn gave_up(&self) -> Option<GaveUp> {
        self.gave_up()
    }

    fn set_gave_up(&mut self, note: GaveUp) {
        match self {
            Self::Rejected { gave_up, .. } | Self::Inner { gave_up, .. } => *gave_up = Some(note),
        }
    }

    fn outcome_unknown(&self) -> Option<OutcomeUnknown> {
        self.outcome_unknown()
    }

    fn set_outcome_unknown(&mut self, note: OutcomeUnknown) {
        match self {
            Self::Rejected { unknown, .. } | Self::Inner { unknown, .. } => *unknown = Some(note),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { rejected, .. } => rejected.fmt(f)?,
            Self::Inner { .. } => f.write_str("the wrapped service failed")?,
        }
        if let Some(gave_up) = self.gave_up() {
            write!(f, " ({gave_up})")?;
        }
        match self.outcome_unknown() {
            Some(unknown) => write!(f, " ({unknown})"),
            None => Ok(()),
        }
    }
}

/// The source is the refusal or the inner error itself, so that both are found by walking the sources.
impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected { rejected, .. } => Some(rejected),
            Self::Inner { error, .. } => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::retry::Reason;

    #[test]
    fn the_inner_error_is_the_source() {
        let error = Error::inner(std::io::Error::other("reset"));
        let source = error.source().and_then(|e| e.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(ToString::to_string).as_deref(), Some("reset"));
    }

    #[test]
    fn giving_up_is_noted_and_hides_nothing() {
        let mut error = Error::inner("reset");
        error.set_gave_up(GaveUp { attempts: 3, reason: Reason::Budget });
        assert_eq!(error.gave_up().map(|gave_up| gave_up.attempts), Some(3));
        let text = error.to_string();
        assert_eq!(
            text,
            "the wrapped service failed (gave up after 3 attempts: the retry budget is used up)"
        );
        assert_eq!(error.into_inner(), Some("reset"));
    }

    #[test]
    fn that_the_outcome_is_unknown_is_noted_and_shows_no_key() {
        let key = crate::idempotency::IdempotencyKey::random();
        for mut error in [Error::inner("reset"), Rejected::CircuitOpen { retry_after: None }.into()] {
            assert_eq!(error.outcome_unknown(), None);
            error.set_outcome_unknown(OutcomeUnknown::of(&key));
            assert_eq!(error.outcome_unknown().and_then(|unknown| unknown.key()).as_ref(), Some(&key));
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("(what the request has done is unknown)"), "{shown}");
            assert!(!shown.contains(&key.as_str()[..8]), "{shown}");
        }
    }
}
