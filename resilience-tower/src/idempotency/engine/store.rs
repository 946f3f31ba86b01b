//! The store, each operation with a deadline.

use std::{future::Future, time::Instant};

use resilience_core::{
    FailureKind, Verdict,
    circuit_breaker::Permit,
    idempotency::{Begin, Claim, RecordKey, Store, StoreError, StoreErrorKind},
};

use super::Shared;
use crate::time;

/// That a claim was not to be had, and whether it may be in the store all the same.
pub(super) struct Unclaimed {
    pub(super) kind: StoreErrorKind,
    pub(super) may_be_written: bool,
}

impl<St: Store, O> Shared<St, O> {
    /// Claims a record within the deadline of the store; and once more, for the same owner, if that fails while half of the time is left.
    pub(super) async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, Unclaimed> {
        // Whoever is refused here has sent nothing. Nobody hears of the transitions: the handle shows them.
        let Ok(permit) = self.breaker.try_acquire(time::now).0 else {
            return Err(Unclaimed { kind: StoreErrorKind::Unavailable, may_be_written: false });
        };
        let start = time::now();
        let mut asking = Asking { permit: Some(permit), long: start + self.settings.store_timeout / 2 };
        let end = start + self.settings.store_timeout;
        let mut result = within(end, self.store.begin(key, claim)).await;
        let mut may_be_written = result.as_ref().is_err_and(|&kind| may_be_written_after(kind));
        if result.as_ref().is_err_and(|&kind| is_worth_another_try(kind)) && time::now() <= asking.long {
            result = within(end, self.store.begin(key, claim)).await;
            may_be_written |= result.as_ref().is_err_and(|&kind| may_be_written_after(kind));
        }
        if let Some(permit) = asking.permit.take() {
            permit.finish(verdict(result.as_ref().err().copied()), None, time::now);
        }
        result.map_err(|kind| Unclaimed { kind, may_be_written })
    }

    /// Any other operation. The breaker is not asked: there are no more of them than operations that have begun.
    pub(super) async fn ask<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreErrorKind> {
        within(time::now() + self.settings.store_timeout, operation).await
    }
}

/// A claim that the store has not answered yet. A caller that leaves says nothing about the store, unless it has waited for long: callers
/// that are less patient than we are would otherwise never let us see that the store hangs.
struct Asking {
    permit: Option<Permit>,
    long: Instant,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.abandon(time::now() >= self.long, time::now);
        }
    }
}

async fn within<T>(
    end: Instant,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreErrorKind> {
    match time::within(end, operation).await {
        Some(result) => result.map_err(|error| error.kind()),
        None => Err(StoreErrorKind::Timeout),
    }
}

const fn may_be_written_after(kind: StoreErrorKind) -> bool {
    !matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Full | StoreErrorKind::Corrupt)
}

const fn is_worth_another_try(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Timeout)
}

/// A store that is full, or has one bad record, is there: it replays what it has.
const fn verdict(failed: Option<StoreErrorKind>) -> Verdict {
    Verdict::Failure(match failed {
        None | Some(StoreErrorKind::Full | StoreErrorKind::Corrupt) => return Verdict::Success,
        Some(StoreErrorKind::Timeout) => FailureKind::Timeout,
        Some(_) => FailureKind::Transient,
    })
}
