//! One operation under one key: claimed, run, finished.
//!
//! ```text
//! claim ──done──▶ replayed          claim ──acquired──▶ run ──▶ finish ──▶ answered
//!   │  └─busy──▶ wait, claim again                       │        ├─lost──▶ replayed: the winner's
//!   └─store fails──▶ refused, or unprotected             │        └─store fails──▶ answered, and again in the background
//!                                                        └─dropped, panics──▶ released as abandoned
//! ```

mod claim;
mod execution;
mod finish;
mod release;
mod store;
mod task;
mod unwind;
mod waiting;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use resilience_core::{
    Bulkhead, CircuitBreaker, Drain, Event, Observer, bulkhead,
    idempotency::{Claim, Ending, Fingerprint, Owner, RecordKey, Store, StoreErrorKind},
};

use self::{claim::Claimed, execution::Ended, unwind::catch_unwind, waiting::Waiting};
use super::{Execution, IdempotencyContext, OnStoreError, Ran, Refused, Settings, Worked};
use crate::time;

/// What all calls of a guard share.
pub(super) struct Shared<St, O> {
    pub(super) store: St,
    pub(super) settings: Settings,
    /// Whether the store is worth asking.
    pub(super) breaker: CircuitBreaker,
    /// The operations that run, and what is still to be told to the store.
    pub(super) running: Drain,
    /// Room for the operations that run.
    pub(super) room: Bulkhead,
    waiting: Waiting,
    pub(super) observer: O,
}

impl<St, O> Shared<St, O> {
    pub(super) fn new(store: St, settings: Settings, observer: O) -> Self {
        Self {
            store,
            breaker: CircuitBreaker::new(settings.store_breaker.clone(), time::now()),
            running: Drain::new(),
            room: Bulkhead::new(bulkhead::Config::new(settings.max_in_flight)),
            waiting: Waiting::default(),
            settings,
            observer,
        }
    }

    fn claim_of(&self, fingerprint: Fingerprint) -> Claim {
        let mut claim = Claim::new(fingerprint, Owner::random());
        claim.lease = self.settings.lease;
        claim.retain = self.settings.retain;
        claim.on_lost_owner = self.settings.on_lost_owner;
        claim
    }

    /// Whether an operation runs although the store has failed like this.
    fn runs_all_the_same(&self, kind: StoreErrorKind) -> bool {
        self.settings.on_store_error == OnStoreError::Open && kind != StoreErrorKind::Corrupt
    }
}

impl<St, O: Observer> Shared<St, O> {
    pub(super) fn tell(&self, ending: Ending) {
        if self.observer.listens() {
            self.observer.observe(&Event::Idempotency(ending));
        }
    }
}

impl<St, O> Shared<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Runs `work` once for all who come with `key`.
    pub(super) async fn execute<T, F, Fut>(
        self: &Arc<Self>,
        key: RecordKey,
        fingerprint: Fingerprint,
        work: F,
    ) -> Ran<T>
    where
        F: FnOnce(IdempotencyContext) -> Fut + Send + 'static,
        Fut: Future<Output = Worked<T>> + Send + 'static,
        T: Send + 'static,
    {
        let claim = self.claim_of(fingerprint);
        let execution = match self.claim(key, &claim).await {
            Claimed::Ours(execution) => execution,
            // What is in it decides how this ends: whoever reads it tells.
            Claimed::Done(sealed) => return self.replayed(&key, sealed),
            Claimed::Refused(Refused::Store(kind)) if self.runs_all_the_same(kind) => {
                return self.run_unprotected(IdempotencyContext::new(key, claim, None), work).await;
            }
            Claimed::Refused(refused) => {
                self.tell(refused.ending());
                return Ran::Refused(refused);
            }
        };
        let ending = match self.settings.execution {
            // What is done gets into the store even if nobody waits for it any more.
            Execution::Inline => {
                let (execution, worked) = execution.run(work).await;
                tokio::spawn(execution.end(worked))
            }
            Execution::Detached => task::spawn(async {
                let (execution, worked) = execution.run(work).await;
                execution.end(worked).await
            }),
        };
        // It fails only if the runtime shuts down, or something of ours panics.
        match ending.await.unwrap_or(Ended::Panicked) {
            Ended::Answered(answer) => Ran::Answered(answer),
            Ended::Lost { winner: Some(sealed) } => self.replayed(&key, sealed),
            Ended::Lost { winner: None } => {
                Ran::Refused(Refused::InFlight { lease_left: self.settings.lease })
            }
            Ended::Panicked => Ran::Refused(Refused::Panicked),
        }
    }

    fn replayed<T>(&self, key: &RecordKey, sealed: Bytes) -> Ran<T> {
        match self.settings.sealing.open(key, sealed) {
            Some(bytes) => Ran::Replayed(bytes),
            None => {
                self.tell(Ending::StoreError);
                Ran::Refused(Refused::Store(StoreErrorKind::Corrupt))
            }
        }
    }

    async fn run_unprotected<T, F, Fut>(&self, context: IdempotencyContext, work: F) -> Ran<T>
    where
        F: FnOnce(IdempotencyContext) -> Fut,
        Fut: Future<Output = Worked<T>>,
    {
        self.tell(Ending::Unprotected);
        match catch_unwind(async { work(context).await }).await {
            Some(worked) => Ran::Unprotected(worked.answer),
            None => Ran::Refused(Refused::Panicked),
        }
    }
}
