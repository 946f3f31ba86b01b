//! Claims that are given up.

use std::{sync::Arc, time::Duration};

use resilience_core::{
    Observer, Rng,
    drain::Permit,
    idempotency::{Begin, Claim, OnLostOwner, RecordKey, Release, Store, StoreErrorKind},
};
use tokio::runtime::Handle;

use super::Shared;
use crate::time;

/// The pauses between tries to tell the store something: jittered, doubled up to the longest.
pub(super) struct Pauses {
    next: Duration,
    rng: Rng,
}

impl Pauses {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(super) fn new() -> Self {
        Self { next: Self::FIRST, rng: Rng::random() }
    }

    /// From half to the whole of what it would be.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next.mul_f64(0.5 + self.rng.unit() / 2.0);
        self.next = (self.next * 2).min(Self::LONGEST);
        pause
    }
}

/// A claim that may be in the store, and is given up in the background when this is dropped, unless it was told otherwise.
pub(super) struct Claiming<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    pub(super) shared: Arc<Shared<St, O>>,
    pub(super) key: RecordKey,
    pub(super) claim: Claim,
    /// Which attempt it is, once the store has said so.
    pub(super) attempt: Option<u32>,
    /// How it is given up.
    pub(super) on_drop: Option<Release>,
    /// Counts it as running, until the store has been told.
    pub(super) permit: Option<Permit>,
}

impl<St, O> Claiming<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Gives it up within the deadline of the store, or else in the background.
    pub(super) async fn release(mut self, how: Release) {
        self.on_drop = Some(how);
        if self.try_release(how).await {
            self.on_drop = None;
        }
    }

    async fn try_release(&self, how: Release) -> bool {
        let shared = &*self.shared;
        let how = match self.as_it_is(how).await {
            Ok(Some(how)) => how,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let is_told = shared.ask(shared.store.release(&self.key, self.claim.owner, how)).await.is_ok();
        if is_told {
            shared.waiting.wake(&self.key);
        }
        is_told
    }

    /// How it has to be given up. A further attempt that has done nothing does not make the key as good as new: an earlier one may have
    /// done its work, and whoever comes next has to know. Nothing if it is not ours at all.
    async fn as_it_is(&self, how: Release) -> Result<Option<Release>, StoreErrorKind> {
        // Who takes nothing over has no further attempts.
        if how == Release::Abandon || self.claim.on_lost_owner == OnLostOwner::Refuse {
            return Ok(Some(how));
        }
        let shared = &*self.shared;
        let attempt = match self.attempt {
            Some(attempt) => attempt,
            // Of a claim that is there already, the same owner is told which it is.
            None => match shared.ask(shared.store.begin(&self.key, &self.claim)).await? {
                Begin::Acquired(held) => held.attempt,
                _ => return Ok(None),
            },
        };
        Ok(Some(if attempt == 1 { Release::Delete } else { Release::Abandon }))
    }

    /// Until the lease would be over anyway.
    async fn keep_releasing(self, how: Release) {
        let end = time::now() + self.claim.lease;
        let mut pauses = Pauses::new();
        while !self.try_release(how).await && time::now() < end {
            time::sleep_until(time::now() + pauses.next()).await;
        }
    }
}

impl<St, O> Drop for Claiming<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let Some(how) = self.on_drop.take() else { return };
        // Without a runtime, as when it shuts down, the lease has to run out.
        let Ok(runtime) = Handle::try_current() else { return };
        let again = Self {
            shared: Arc::clone(&self.shared),
            key: self.key,
            claim: self.claim.clone(),
            attempt: self.attempt,
            on_drop: None,
            permit: self.permit.take(),
        };
        runtime.spawn(again.keep_releasing(how));
    }
}
