use http::StatusCode;
use resilience_core::{Classify, FailureKind, Hint, Verdict, fallback::Cause, retry::GaveUp};

use super::answer::{KeyedResponse, is_in_flight, is_replayed};

/// Another classifier, that also knows what answers to requests with a key mean.
///
/// | answer | verdict |
/// |---|---|
/// | 409 with `Retry-After` | `Throttled`: an earlier attempt still runs, and this one is to come back later |
/// | 5xx with `Idempotent-Replayed: true` | `Fault`: it failed, and every attempt will get that stored answer |
/// | any other | what the other classifier says |
///
/// ```
/// use http::Response;
/// use resilience_core::{Classify, FailureKind, Verdict};
/// use resilience_tower::{http::ClassifyStatus, idempotency::client::ClassifyKeyed};
///
/// let classify = ClassifyKeyed::new(ClassifyStatus);
/// let answer = Response::builder().status(500).header("idempotent-replayed", "true").body(())?;
/// assert_eq!(classify.classify(Ok::<_, &()>(&answer)), Verdict::Failure(FailureKind::Fault));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassifyKeyed<C> {
    classify: C,
}

impl<C> ClassifyKeyed<C> {
    /// `classify`, for all answers that have nothing to do with keys.
    #[must_use]
    pub const fn new(classify: C) -> Self {
        Self { classify }
    }
}

impl<C, Res, Err> Classify<Res, Err> for ClassifyKeyed<C>
where
    C: Classify<Res, Err>,
    Res: KeyedResponse,
{
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict {
        match result {
            Ok(response) if is_in_flight(response) => Verdict::Failure(FailureKind::Throttled),
            Ok(response)
                if response.status() >= StatusCode::INTERNAL_SERVER_ERROR && is_replayed(response) =>
            {
                Verdict::Failure(FailureKind::Fault)
            }
            _ => self.classify.classify(result),
        }
    }

    fn hint(&self, result: Result<&Res, &Err>) -> Option<Hint> {
        self.classify.hint(result)
    }

    fn was_sent(&self, result: Result<&Res, &Err>) -> bool {
        self.classify.was_sent(result)
    }

    fn annotate(&self, response: &mut Res, gave_up: GaveUp) {
        self.classify.annotate(response, gave_up);
    }

    fn annotate_fallback(&self, response: &mut Res, cause: Cause) {
        self.classify.annotate_fallback(response, cause);
    }

    fn is_fallback(&self, response: &Res) -> bool {
        self.classify.is_fallback(response)
    }
}
