use std::{error, fmt, time::Duration};

use bytes::Bytes;
use resilience_core::{
    BoxError, Error, Refusal, Rejected,
    idempotency::{Ending, StoreErrorKind},
};

/// What becomes of the key of an operation that has run.
///
/// An HTTP handler says so by putting one into the extensions of its response; what is said of none is decided by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// The answer is the result: whoever comes with the key gets it.
    Store,
    /// Nothing has happened: the key is as good as new. If this was a further [attempt](super::IdempotencyContext::attempt) it is not,
    /// because an earlier one may have done its work: then it is [abandoned](Self::Abandon).
    Release,
    /// Nobody knows what has happened: it runs again, as a further attempt, or never, as the settings say.
    Abandon,
}

/// What work has come to: an answer for its caller, and what is kept of it.
///
/// ```
/// use resilience_tower::idempotency::Worked;
///
/// let worked = Worked::store("paid", "paid").map(str::len);
/// assert_eq!(*worked.answer(), 4);
/// ```
#[derive(Clone)]
pub struct Worked<T> {
    pub(super) answer: T,
    pub(super) record: Record,
}

#[derive(Clone)]
pub(super) enum Record {
    Store(Bytes),
    Release,
    Abandon,
}

impl<T> Worked<T> {
    /// The answer is the result, and `bytes` is what others get.
    #[must_use]
    pub fn store(answer: T, bytes: impl Into<Bytes>) -> Self {
        Self { answer, record: Record::Store(bytes.into()) }
    }

    /// Nothing has happened.
    #[must_use]
    pub const fn release(answer: T) -> Self {
        Self { answer, record: Record::Release }
    }

    /// Nobody knows what has happened.
    #[must_use]
    pub const fn abandon(answer: T) -> Self {
        Self { answer, record: Record::Abandon }
    }

    /// What the caller gets.
    #[must_use]
    pub const fn answer(&self) -> &T {
        &self.answer
    }

    /// Another answer for the caller.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Worked<U> {
        Worked { answer: f(self.answer), record: self.record }
    }

    /// What becomes of the key.
    #[must_use]
    pub const fn disposition(&self) -> Disposition {
        match self.record {
            Record::Store(_) => Disposition::Store,
            Record::Release => Disposition::Release,
            Record::Abandon => Disposition::Abandon,
        }
    }
}

/// Nothing of the answer.
impl<T> fmt::Debug for Worked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worked").field("disposition", &self.disposition()).finish_non_exhaustive()
    }
}

/// What a guarded operation has come to, for one of its callers.
#[non_exhaustive]
pub enum Ran<T> {
    /// It ran, and this is its answer.
    Answered(T),
    /// It ran without protection, because the store failed and the settings say so.
    Unprotected(T),
    /// It had run, or another was quicker: this was stored.
    Replayed(Bytes),
    /// It did not run, or has no answer.
    Refused(Refused),
}

/// Nothing of the answer.
impl<T> fmt::Debug for Ran<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(_) => f.write_str("Answered"),
            Self::Unprotected(_) => f.write_str("Unprotected"),
            Self::Replayed(_) => f.write_str("Replayed"),
            Self::Refused(refused) => f.debug_tuple("Refused").field(refused).finish(),
        }
    }
}

/// Why an operation was not run for this caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// An earlier call with this key still runs.
    InFlight {
        /// What is left of its lease, which may be renewed. It is no time after which to come again: a second is.
        lease_left: Duration,
    },
    /// The key was used for something else.
    KeyReused,
    /// An earlier run ended without a result, and the settings allow no other.
    OutcomeUnknown {
        /// Which run was the last.
        attempt: u32,
    },
    /// The store could not be asked.
    Store(StoreErrorKind),
    /// Too much runs already, or the guard drains.
    Rejected(Rejected),
    /// The work has panicked. What it has done is unknown.
    Panicked,
}

impl Refused {
    pub(super) const fn ending(&self) -> Ending {
        match self {
            Self::InFlight { .. } => Ending::InFlight,
            Self::KeyReused => Ending::Mismatch,
            Self::OutcomeUnknown { .. } => Ending::OutcomeUnknown,
            Self::Store(_) => Ending::StoreError,
            Self::Rejected(_) => Ending::Released,
            Self::Panicked => Ending::Abandoned,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InFlight { .. } => "an earlier call with this idempotency key still runs",
            Self::KeyReused => "the idempotency key was used for something else",
            Self::OutcomeUnknown { .. } => {
                "an earlier call with this idempotency key ended without a result, and it must not run again"
            }
            Self::Store(_) => "the idempotency store could not be asked",
            Self::Rejected(rejected) => return fmt::Display::fmt(rejected, f),
            Self::Panicked => "the operation has panicked",
        })
    }
}

impl error::Error for Refused {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            _ => None,
        }
    }
}

/// An error that says whether what failed with it may have been carried out.
///
/// A key is given back, as good as new, only if it was not. For an application's own error it is one line, or two:
///
/// ```
/// use resilience_tower::idempotency::MayHaveRun;
///
/// enum AppError {
///     NoConnection,
///     Lost,
/// }
///
/// impl MayHaveRun for AppError {
///     fn may_have_run(&self) -> bool {
///         !matches!(self, Self::NoConnection)
///     }
/// }
/// assert!(AppError::Lost.may_have_run() && !AppError::NoConnection.may_have_run());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether the operation may have been carried out",
    label = "the wrapped service's error must implement `MayHaveRun`",
    note = "for an error type of your own: `impl MayHaveRun for {Self} {{}}`, which says yes; or put `resilience_tower::ErrorLayer` around the wrapped service"
)]
pub trait MayHaveRun {
    /// Whether the operation may have been carried out. Yes, unless one knows better.
    fn may_have_run(&self) -> bool {
        true
    }
}

impl MayHaveRun for std::convert::Infallible {}

/// A refusal [says so](Rejected::was_sent).
impl<E> MayHaveRun for Error<E> {
    fn may_have_run(&self) -> bool {
        match self {
            Self::Rejected { rejected, .. } => rejected.was_sent(),
            Self::Inner { .. } => true,
        }
    }
}

/// A refusal is looked for along the sources.
impl MayHaveRun for BoxError {
    fn may_have_run(&self) -> bool {
        self.rejected().is_none_or(Rejected::was_sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boxed_refusal_was_not_carried_out_and_any_other_error_may_have_been() {
        let open = Rejected::CircuitOpen { retry_after: None };
        assert!(!BoxError::from(open).may_have_run());
        assert!(BoxError::from("lost").may_have_run());
        let late = Rejected::AttemptTimeout { limit: Duration::ZERO, elapsed: Duration::ZERO };
        assert!(BoxError::from(late).may_have_run());
    }

    #[test]
    fn what_is_kept_is_not_shown() {
        let shown = format!("{:?} {:?}", Worked::store("secret", "secret"), Ran::Answered("secret"));
        assert_eq!(shown, "Worked { disposition: Store, .. } Answered");
        assert!(!format!("{:?}", Ran::<()>::Replayed("secret".into())).contains("secret"));
    }
}
