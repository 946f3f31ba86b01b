use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll, ready},
};

use resilience_core::{
    Bulkhead as Handle, Event, Observer, Refusal, Rejected,
    bulkhead::{Acquired, Permit},
};
use tower_service::Service;

use super::{
    Hold, UntilAnswer,
    future::{ResponseFuture, Waiting},
};
use crate::time;

/// The service of [`BulkheadLayer`](super::BulkheadLayer).
///
/// # Clone
///
/// A clone shares the bulkhead. It starts unready and holds nothing, no permit and no place in the queue.
pub struct Bulkhead<S, O = (), H = UntilAnswer> {
    inner: S,
    bulkhead: Handle,
    observer: O,
    turn: Turn,
    hold: PhantomData<fn() -> H>,
}

/// How far this instance is with its next call, if calls may wait.
#[derive(Debug)]
enum Turn {
    /// It has not asked for a permit.
    Idle,
    Waiting(Box<Waiting>),
    /// It has a permit, and the inner service may be asked whether it is ready.
    Reserved(Permit),
    Refused(Rejected),
}

impl<S, O, H> Bulkhead<S, O, H> {
    pub(super) const fn new(inner: S, bulkhead: Handle, observer: O) -> Self {
        Self { inner, bulkhead, observer, turn: Turn::Idle, hold: PhantomData }
    }
}

impl<S, O: Observer, H> Bulkhead<S, O, H> {
    /// Ready when this instance has a permit, or its refusal.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.turn = match &mut self.turn {
                Turn::Reserved(_) | Turn::Refused(_) => return Poll::Ready(()),
                Turn::Idle => match self.bulkhead.acquire(1, time::now) {
                    Ok(Acquired::Now(permit)) => Turn::Reserved(permit),
                    Ok(Acquired::Later(waiter)) => {
                        Turn::Waiting(Box::new(Waiting::new(waiter, self.bulkhead.max_wait(), None)))
                    }
                    Err(rejected) => Turn::Refused(rejected),
                },
                Turn::Waiting(waiting) => match ready!(waiting.poll(cx)) {
                    Ok(served) => {
                        self.observer.observe(&Event::BulkheadWaited { waited: served.waited });
                        Turn::Reserved(served.permit)
                    }
                    Err(rejected) => Turn::Refused(rejected),
                },
            };
        }
    }
}

impl<S, O: Observer, H> Bulkhead<S, O, H> {
    /// The permit that was reserved for this call, or one that is free; nothing if the call is refused.
    fn take_turn(&mut self) -> Option<Permit> {
        match std::mem::replace(&mut self.turn, Turn::Idle) {
            Turn::Reserved(permit) => Some(permit),
            Turn::Idle | Turn::Waiting(_) => self.bulkhead.acquire_free(1),
            refused @ Turn::Refused(_) => {
                self.turn = refused;
                None
            }
        }
    }

    /// The refusal that was found before, or that of a full bulkhead.
    #[cold]
    fn refuse(&mut self) -> Rejected {
        let rejected = match std::mem::replace(&mut self.turn, Turn::Idle) {
            Turn::Refused(rejected) => rejected,
            _ => self.bulkhead.refusal(),
        };
        self.observer.observe(&Event::BulkheadRejected(rejected));
        rejected
    }
}

impl<S: Clone, O: Clone, H> Clone for Bulkhead<S, O, H> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.bulkhead.clone(), self.observer.clone())
    }
}

impl<S, O, H, Req> Service<Req> for Bulkhead<S, O, H>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
    H: Hold<S::Response, Permit>,
{
    type Response = H::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, H>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.bulkhead.max_wait().is_zero() {
            // Ours first: while this waits, the inner service is free for others.
            ready!(self.poll_turn(cx));
            if matches!(self.turn, Turn::Refused(_)) {
                return Poll::Ready(Ok(()));
            }
        }
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let permit = match self.turn {
            Turn::Idle => self.bulkhead.acquire_free(1),
            _ => self.take_turn(),
        };
        match permit {
            Some(permit) => ResponseFuture::new(self.inner.call(request), permit),
            None => ResponseFuture::refused(self.refuse()),
        }
    }
}

impl<S: fmt::Debug, O, H> fmt::Debug for Bulkhead<S, O, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("inner", &self.inner)
            .field("bulkhead", &self.bulkhead)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}
