//! An operation that runs, and the claim that is renewed meanwhile.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use resilience_core::{
    Observer,
    bulkhead::Permit,
    idempotency::{Ending, Finish, Held, Release, Renew, Store},
};

use super::{release::Claiming, unwind::catch_unwind};
use crate::{
    idempotency::{IdempotencyContext, Worked, outcome::Record},
    time,
};

/// An operation that is ours to run.
pub(super) struct Execution<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    pub(super) claiming: Claiming<St, O>,
    pub(super) held: Held,
    pub(super) lease: Lease,
    pub(super) room: Option<Permit>,
}

/// What is known of the lease in the store.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    /// When the work has begun, or near enough.
    began: Instant,
    /// When it was last asked for with success: it may have begun later, and not earlier.
    pub(super) renewed: Instant,
}

impl Lease {
    pub(super) const fn new(asked: Instant) -> Self {
        Self { began: asked, renewed: asked }
    }
}

/// How a run has ended.
pub(super) enum Ended<T> {
    Answered(T),
    /// Another has taken over: nothing of ours counts.
    Lost {
        winner: Option<Bytes>,
    },
    Panicked,
}

impl<St, O> Execution<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Runs `work`, and renews the claim meanwhile. Nothing comes of it if it panics.
    ///
    /// To drop the future gives the operation up: nobody knows how far it got.
    pub(super) async fn run<T, F, Fut>(mut self, work: F) -> (Self, Option<Worked<T>>)
    where
        F: FnOnce(IdempotencyContext) -> Fut,
        Fut: Future<Output = Worked<T>>,
    {
        let context =
            IdempotencyContext::new(self.claiming.key, self.claiming.claim.clone(), Some(self.held));
        self.claiming.on_drop = Some(Release::Abandon);
        let worked = {
            let handed = context.clone();
            let mut work = pin!(catch_unwind(async { work(handed).await }));
            let mut renewing = pin!(renew_until_lost(&self.claiming, self.held, &mut self.lease, &context));
            let mut renews = true;
            poll_fn(|cx| {
                let polled = work.as_mut().poll(cx);
                if polled.is_pending() && renews {
                    renews = renewing.as_mut().poll(cx).is_pending();
                }
                polled
            })
            .await
        };
        (self, worked)
    }

    /// Tells the store what the work has come to.
    pub(super) async fn end<T>(mut self, worked: Option<Worked<T>>) -> Ended<T> {
        let shared = Arc::clone(&self.claiming.shared);
        // What is left is between us and the store, and may take long.
        self.room = None;
        let Some(Worked { answer, record }) = worked else {
            self.claiming.release(Release::Abandon).await;
            shared.tell(Ending::Abandoned);
            return Ended::Panicked;
        };
        match record {
            Record::Release => {
                self.claiming.release(Release::Delete).await;
                shared.tell(Ending::Released);
            }
            Record::Abandon => {
                self.claiming.release(Release::Abandon).await;
                shared.tell(Ending::Abandoned);
            }
            Record::Store(response) => match self.finish(response).await {
                Ok(Finish::Ok | Finish::Healed) => shared.tell(Ending::Stored),
                Ok(Finish::Lost { winner }) => {
                    shared.tell(Ending::Superseded);
                    return Ended::Lost { winner };
                }
                Err(_) => shared.tell(Ending::StoreError),
            },
        }
        Ended::Answered(answer)
    }
}

/// Renews the claim at each third of the lease, for as long as work may take; ends when another has taken over.
async fn renew_until_lost<St, O>(
    claiming: &Claiming<St, O>,
    held: Held,
    lease: &mut Lease,
    context: &IdempotencyContext,
) where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    let last = lease.began + claiming.shared.settings.max_execution;
    let mut next = lease.renewed + claiming.claim.lease / 3;
    while next < last {
        time::sleep_until(next).await;
        next = match renew(claiming, held, lease).await {
            Some(Renew::Lost) => return context.supersede(),
            Some(Renew::Ok | Renew::Healed) => lease.renewed + claiming.claim.lease / 3,
            // Sooner than that: there are two thirds of the lease to get through to the store.
            None => time::now() + claiming.claim.lease / 12,
        };
    }
}

/// Asks for a new lease, once.
pub(super) async fn renew<St, O>(claiming: &Claiming<St, O>, held: Held, lease: &mut Lease) -> Option<Renew>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    let asked = time::now();
    let shared = &*claiming.shared;
    let renewed = shared.ask(shared.store.renew(&claiming.key, &claiming.claim, held)).await.ok();
    if matches!(renewed, Some(Renew::Ok | Renew::Healed)) {
        lease.renewed = asked;
    }
    renewed
}

impl<St, O> Execution<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Until when the claim may be renewed.
    pub(super) fn last_renewal(&self) -> Instant {
        self.lease.began + self.claiming.shared.settings.max_execution
    }
}
