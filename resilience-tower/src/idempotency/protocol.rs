use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use bytes::Bytes;
use resilience_core::idempotency::{Ending, Fingerprint, InvalidKey, RecordKey, StoreErrorKind};

use super::{IdempotencyContext, Refused, Worked};

/// How a protocol's requests name their operation: one half of what an [`IdempotencyLayer`](super::IdempotencyLayer) has to know.
///
/// [`Http`](super::http::Http) is such a protocol, and [`Grpc`](super::grpc::Grpc). One of your own may take the key from a decoded
/// message.
pub trait ReadRequest<Req>: Send + Sync + 'static {
    /// What the wrapped service is called with.
    type Request: Send + 'static;

    /// Whether the request is guarded at all. On the path of every request: no work here.
    fn sort(&self, request: Req) -> Sorted<Req, Self::Request>;

    /// The key of a request, what it asks for, and the request as the wrapped service gets it.
    ///
    /// # Errors
    ///
    /// Why it cannot be run.
    fn read(&self, request: Req) -> impl Future<Output = Result<Asked<Self::Request>, Rejection>> + Send;

    /// Hands the context to the operation, which was asked for at `since` and waited until now.
    fn attach(&self, request: &mut Self::Request, context: IdempotencyContext, since: Instant);
}

/// How a protocol's answers are kept, and refusals told: the other half.
pub trait WriteAnswer<Res>: Send + Sync + 'static {
    /// What callers get.
    type Answer: Send + 'static;

    /// The answer to a request that is not guarded.
    fn pass(response: Res) -> Self::Answer;

    /// What becomes of a response: whether it is kept, and its bytes if so.
    fn keep(&self, response: Res) -> impl Future<Output = Worked<Self::Answer>> + Send;

    /// The answer in the bytes of an earlier one.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotRetained`] if it was not kept whole, [`Rejection::corrupt`] if the bytes are none.
    fn replay(&self, bytes: Bytes) -> Result<Self::Answer, Rejection>;

    /// Marks an answer that was given without protection.
    fn unprotected(&self, answer: Self::Answer) -> Self::Answer;

    /// Tells a caller why there is no answer.
    fn reject(&self, rejection: &Rejection) -> Self::Answer;
}

/// What becomes of a request.
pub enum Sorted<Req, Inner> {
    /// It is passed on as it is.
    Pass(Inner),
    /// It has a key.
    Guard(Req),
    /// It is refused at once.
    Refuse(Rejection),
}

/// Nothing of the request.
impl<Req, Inner> fmt::Debug for Sorted<Req, Inner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(_) => f.write_str("Pass"),
            Self::Guard(_) => f.write_str("Guard"),
            Self::Refuse(rejection) => f.debug_tuple("Refuse").field(rejection).finish(),
        }
    }
}

/// An operation that is asked for.
pub struct Asked<Inner> {
    /// Under which key.
    pub key: RecordKey,
    /// What it is.
    pub fingerprint: Fingerprint,
    /// For the wrapped service.
    pub request: Inner,
}

/// Nothing of the request.
impl<Inner> fmt::Debug for Asked<Inner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

/// Why a caller gets no answer of the wrapped service.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no key, and there has to be.
    MissingKey,
    /// There is more than one key, or it breaks a rule.
    InvalidKey(Option<InvalidKey>),
    /// The key is older than results are kept, or made in the future.
    KeyExpired,
    /// Nobody said whose key it is: the layers are in the wrong order.
    NoScope,
    /// The request is too long.
    TooLarge {
        /// How long it may be, in bytes.
        limit: usize,
    },
    /// The request could not be read.
    Unreadable,
    /// The response was not kept whole.
    NotRetained {
        /// The status that it had.
        status: u16,
        /// Where what it was about is found, if it said so.
        location: Option<Bytes>,
    },
    /// The operation was not run.
    Refused(Refused),
}

impl Rejection {
    /// What is in the store cannot be read.
    #[must_use]
    pub const fn corrupt() -> Self {
        Self::Refused(Refused::Store(StoreErrorKind::Corrupt))
    }

    /// When to come again, if that is of use. While the store cannot be asked it is a second or two, by chance, so that not all come at
    /// once.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(Refused::InFlight { .. }) => Some(Duration::from_secs(1)),
            Self::Refused(Refused::Store(_)) => {
                Some(Duration::from_secs(1) + Duration::from_secs(u64::from(rand::random::<bool>())))
            }
            Self::Refused(Refused::Rejected(rejected)) => {
                Some(rejected.retry_after().unwrap_or(Duration::from_secs(1)))
            }
            _ => None,
        }
    }

    /// How it is counted, if nobody has counted it yet.
    pub(super) const fn ending(&self) -> Option<Ending> {
        match self {
            Self::MissingKey => Some(Ending::MissingKey),
            Self::InvalidKey(_) | Self::KeyExpired => Some(Ending::InvalidKey),
            Self::NotRetained { .. } => Some(Ending::NotRetained),
            Self::NoScope | Self::TooLarge { .. } | Self::Unreadable => None,
            Self::Refused(refused) => Some(refused.ending()),
        }
    }
}

/// Without the location, which is a header of a response.
impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingKey => f.write_str("MissingKey"),
            Self::InvalidKey(rule) => f.debug_tuple("InvalidKey").field(rule).finish(),
            Self::KeyExpired => f.write_str("KeyExpired"),
            Self::NoScope => f.write_str("NoScope"),
            Self::TooLarge { limit } => f.debug_struct("TooLarge").field("limit", limit).finish(),
            Self::Unreadable => f.write_str("Unreadable"),
            Self::NotRetained { status, .. } => {
                f.debug_struct("NotRetained").field("status", status).finish_non_exhaustive()
            }
            Self::Refused(refused) => f.debug_tuple("Refused").field(refused).finish(),
        }
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_requests_and_responses_is_shown() {
        let location = Some(Bytes::from("/secret"));
        let rejection = Rejection::NotRetained { status: 200, location };
        let asked = Asked {
            key: RecordKey::from_bytes([7; 32]),
            fingerprint: Fingerprint::from_bytes([7; 32]),
            request: "secret",
        };
        let sorted = [Sorted::Pass("secret"), Sorted::Guard("secret"), Sorted::Refuse(rejection.clone())];
        let shown = format!("{rejection:?} {asked:?} {sorted:?}");
        assert!(shown.contains("NotRetained") && !shown.contains("secret"), "{shown}");
    }
}
