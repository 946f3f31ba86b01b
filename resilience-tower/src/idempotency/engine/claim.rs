//! How an operation is claimed.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use resilience_core::{
    Observer,
    idempotency::{Begin, Claim, Held, RecordKey, Release, Store},
};

use super::{
    Shared,
    execution::{Execution, Lease},
    release::Claiming,
    waiting::Waiter,
};
use crate::{idempotency::Refused, time};

/// What asking the store has come to.
pub(super) enum Claimed<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    Ours(Execution<St, O>),
    Done(Bytes),
    Refused(Refused),
}

impl<St, O> Shared<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Claims `key`, and waits for who has it, as long as the settings say.
    ///
    /// To drop the future gives back what may have been claimed.
    pub(super) async fn claim(self: &Arc<Self>, key: RecordKey, claim: &Claim) -> Claimed<St, O> {
        let shared = Arc::clone(self);
        let mut claiming =
            Claiming { shared, key, claim: claim.clone(), attempt: None, on_drop: None, permit: None };
        let mut wait: Option<Wait<'_>> = None;
        loop {
            claiming.on_drop = Some(Release::Delete);
            let asked = time::now();
            let begun = self.begin(&key, claim).await;
            if !begun.as_ref().is_err_and(|unclaimed| unclaimed.may_be_written) {
                claiming.on_drop = None;
            }
            let lease_left = match begun {
                Ok(Begin::Acquired(held)) => return self.admit(claiming, held, asked),
                Ok(Begin::Done(bytes)) => return Claimed::Done(bytes),
                Ok(Begin::Mismatch) => return Claimed::Refused(Refused::KeyReused),
                Ok(Begin::Abandoned { attempt }) => {
                    return Claimed::Refused(Refused::OutcomeUnknown { attempt });
                }
                Err(unclaimed) => return Claimed::Refused(Refused::Store(unclaimed.kind)),
                Ok(Begin::Busy { retry_in, .. }) => retry_in,
            };
            let end = asked + self.settings.wait_for;
            let wait = wait.get_or_insert_with(|| Wait::new(self.waiting.join(key), end));
            if !wait.again(lease_left).await {
                return Claimed::Refused(Refused::InFlight { lease_left });
            }
        }
    }

    /// Lets an operation run that is ours, if there is room for it.
    fn admit(&self, mut claiming: Claiming<St, O>, held: Held, asked: Instant) -> Claimed<St, O> {
        // Nothing has happened yet.
        claiming.attempt = Some(held.attempt);
        claiming.on_drop = Some(Release::Delete);
        let room = match self.running.try_acquire() {
            Ok(permit) => {
                claiming.permit = Some(permit);
                self.room.try_acquire(1)
            }
            Err(rejected) => Err(rejected),
        };
        match room {
            Ok(room) => {
                Claimed::Ours(Execution { claiming, held, lease: Lease::new(asked), room: Some(room) })
            }
            Err(rejected) => Claimed::Refused(Refused::Rejected(rejected)),
        }
    }
}

/// The wait for an operation that another runs.
struct Wait<'a> {
    waiter: Waiter<'a>,
    end: Instant,
    pause: Duration,
}

impl<'a> Wait<'a> {
    const FIRST: Duration = Duration::from_millis(25);
    const LONGEST: Duration = Duration::from_millis(250);

    const fn new(waiter: Waiter<'a>, end: Instant) -> Self {
        Self { waiter, end, pause: Self::FIRST }
    }

    /// Waits until the store should be asked again; false when the time is over.
    async fn again(&mut self, lease_left: Duration) -> bool {
        let now = time::now();
        if now >= self.end {
            return false;
        }
        // Not before the lease is over, if that is soon: somebody who died does not tell.
        let pause = self.pause.min(lease_left.max(Self::FIRST));
        self.pause = (self.pause * 2).min(Self::LONGEST);
        let mut timer = pin!(time::sleep_until((now + pause).min(self.end)));
        let mut ended = pin!(self.waiter.ended.notified());
        std::future::poll_fn(|cx| {
            if ended.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            time::poll_timer(timer.as_mut(), cx)
        })
        .await;
        true
    }
}
