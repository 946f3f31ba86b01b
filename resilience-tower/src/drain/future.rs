//! The phases of a call while a server may drain, and the wait for the end.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use pin_project_lite::pin_project;
use resilience_core::drain::{End, Permit, Waiter};

use super::{Drained, Stopped, UntilAnswer};
pub use crate::hold::HeldFuture;
use crate::time::{self, Sleep};

/// The response of [`Drain`](super::Drain).
///
/// # Cancellation
///
/// Dropping it ends the call.
pub type ResponseFuture<F, H = UntilAnswer> = HeldFuture<F, Permit, H>;

pin_project! {
    /// Waits for the end of a drain: see [`DrainHandle::drain`](super::DrainHandle::drain).
    ///
    /// # Cancellation
    ///
    /// To drop it ends the waiting, not the drain.
    #[must_use = "the server drains, but nobody waits for the end unless this is polled"]
    pub struct DrainFuture {
        waiter: Waiter,
        end: Instant,
        // Made by the first poll that has to wait.
        #[pin]
        timer: Option<Sleep>,
    }
}

impl DrainFuture {
    pub(super) const fn new(waiter: Waiter, end: Instant) -> Self {
        Self { waiter, end, timer: None }
    }
}

impl Future for DrainFuture {
    type Output = Drained;

    /// The last call wins a tie with the timer.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Drained> {
        let mut this = self.project();
        let stopped = match this.waiter.poll(cx) {
            Poll::Ready(End::Idle) => return Poll::Ready(Drained { left: 0, stopped: Stopped::Idle }),
            Poll::Ready(End::Resumed) => Stopped::Resumed,
            Poll::Pending => {
                if this.timer.is_none() {
                    this.timer.set(Some(time::sleep_until(*this.end)));
                }
                match this.timer.as_pin_mut().map(|timer| time::poll_timer(timer, cx)) {
                    Some(Poll::Ready(())) => Stopped::OutOfTime,
                    _ => return Poll::Pending,
                }
            }
        };
        Poll::Ready(Drained { left: this.waiter.drain().snapshot().running, stopped })
    }
}

impl fmt::Debug for DrainFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainFuture").field("drain", self.waiter.drain()).finish_non_exhaustive()
    }
}
