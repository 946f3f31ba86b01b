//! Claims that are given up.

use std::{sync::Arc, time::Duration};

use resilience_core::{
    Observer, Rng,
    drain::Permit,
    idempotency::{Claim, RecordKey, Release, Store},
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
        let is_told = shared.ask(shared.store.release(&self.key, self.claim.owner, how)).await.is_ok();
        if is_told {
            shared.waiting.wake(&self.key);
        }
        is_told
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
            on_drop: None,
            permit: self.permit.take(),
        };
        runtime.spawn(again.keep_releasing(how));
    }
}
