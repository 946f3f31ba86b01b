//! Which answers of a layer are replaced, and which replacements stand.

use resilience_core::{
    Classify, Refusal, Rejected, Verdict,
    fallback::{Cause, Causes, Ending},
};

use super::stand_in::Offer;

/// How the answers of a layer are judged, and which are replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<C> {
    pub(super) classify: C,
    pub(super) causes: Causes,
}

impl<C> Rules<C> {
    /// Why this answer is to be replaced, if it is.
    #[inline]
    pub(super) fn cause<T, E>(&self, result: Result<&T, &E>) -> Option<Cause>
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        Cause::of(&self.classify, result).filter(|&cause| self.causes.include(cause))
    }

    pub(super) fn was_sent<T, E>(&self, result: Result<&T, &E>) -> bool
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        match result.err().and_then(Refusal::rejected) {
            Some(rejected) => rejected.was_sent(),
            None => self.classify.was_sent(result),
        }
    }

    /// Notes on an answer that it is the fallback's, if it is good.
    fn accept<T, E>(&self, result: &mut Result<T, E>, cause: Cause) -> Ending
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        match result {
            Ok(response) if self.classify.classify(Ok(response)) == Verdict::Success => {
                self.classify.annotate_fallback(response, cause);
                Ending::Answered
            }
            _ => Ending::Failed,
        }
    }

    /// The answer that stands, and how it went with the fallback.
    pub(super) fn decide<T, E>(
        &self,
        offer: Offer<T, E>,
        cause: Cause,
        full: impl FnOnce(Rejected),
    ) -> (Result<T, E>, Ending)
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        match offer {
            Offer::Decision(mut result) => {
                let ending = self.accept(&mut result, cause);
                (result, ending)
            }
            Offer::Proposal { answer, original } => {
                let mut answer = Ok(answer);
                match self.accept(&mut answer, cause) {
                    Ending::Answered => (answer, Ending::Answered),
                    ending => (original, ending),
                }
            }
            Offer::Nothing { original, ending } => (original, ending),
            Offer::Full { original, rejected } => {
                full(rejected);
                (original, Ending::Full)
            }
        }
    }
}
