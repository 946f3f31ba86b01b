//! Draining: to admit no more calls, and to wait for those that run.
//!
//! A server that is told to stop does three things in this order: it admits nobody, it lets what runs end, and it goes. Whoever
//! comes meanwhile is refused with [`Rejected::Draining`], which says that another server, or this one later, is the one to ask.
//!
//! # What it promises
//!
//! * When [`begin`](Drain::begin) has returned, no call is admitted, on any thread.
//! * A call runs until its [`Permit`] is dropped, however it ends: answered, failed, cancelled, or by a panic.
//! * Who waits for the [end](self#the-end) is woken by the last call, however the threads race.
//! * To admit a call and to end it is one compare-and-swap and one subtraction, up to eight threads on cache lines of their own. A
//!   refusal is a load. The lock is for those who drain, and for the last call of each stripe that ends while somebody does.
//!
//! # The end
//!
//! ```text
//!              begin                      the last permit is dropped
//! admitting ------------> draining -----------------------------------> idle
//!     ^                      |                                            |
//!     +----------------------+--------------------------------------------+
//!                                      resume
//! ```

mod shared;

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use self::shared::{Place, Shared};
use crate::{
    Rejected,
    striped::{Lease, StripedArc},
};

/// Counts the calls that run, and admits no more when told so: the handle to its shared state.
///
/// ```
/// use std::{task::{Context, Poll, Waker}, time::Duration};
/// use resilience_core::{Drain, Rejected, drain::End};
///
/// let drain = Drain::new();
/// let running = drain.try_acquire()?;
///
/// let mut end = drain.begin();
/// let refused = drain.try_acquire().unwrap_err();
/// assert_eq!(refused, Rejected::Draining { retry_after: Duration::from_secs(1) });
///
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(end.poll(&mut cx).is_pending());
/// drop(running);
/// assert_eq!(end.poll(&mut cx), Poll::Ready(End::Idle));
/// # Ok::<(), Rejected>(())
/// ```
///
/// # Clone
///
/// A clone is the same drain.
#[derive(Clone)]
pub struct Drain {
    shared: StripedArc<Shared>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// Admits calls until told otherwise. Refused callers are told to try again in one second: see
    /// [`with_retry_after`](Self::with_retry_after).
    #[must_use]
    pub fn new() -> Self {
        Self::with_retry_after(Duration::from_secs(1))
    }

    /// Tells those who are refused when to try again.
    ///
    /// # Choosing a value
    ///
    /// As long as a load balancer needs to stop sending to a server that drains: until then the same caller would come back to the
    /// same server. That is a second or two where it watches readiness, and nothing is gained by more.
    #[must_use]
    pub fn with_retry_after(retry_after: Duration) -> Self {
        Self { shared: StripedArc::new(Shared::new(retry_after)) }
    }

    /// Admits a call, which runs until the permit is dropped.
    ///
    /// # Errors
    ///
    /// [`Rejected::Draining`] between [`begin`](Self::begin) and [`resume`](Self::resume).
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit, Rejected> {
        match self.shared.enter() {
            Some(stripe) => Ok(Permit { shared: self.shared.lease(), stripe }),
            None => Err(Rejected::Draining { retry_after: self.shared.retry_after }),
        }
    }

    /// Whether calls are refused.
    #[inline]
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Admits no call from now on, on any thread, and says when those that run have ended.
    ///
    /// Several may wait for the same drain.
    ///
    /// # Cancellation
    ///
    /// To drop the [`Waiter`] ends the waiting, not the drain: see [`resume`](Self::resume).
    pub fn begin(&self) -> Waiter {
        Waiter { place: self.shared.begin(), drain: self.clone() }
    }

    /// Admits calls again. Who waits for the end of a drain is told [`End::Resumed`].
    pub fn resume(&self) {
        self.shared.resume();
    }

    /// The drain as it is.
    ///
    /// The number of calls is exact when none begins or ends meanwhile.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Whether the two handles are of one drain.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(&*self.shared, &*other.shared)
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("draining", &self.is_draining())
            .field("running", &self.shared.running())
            .finish_non_exhaustive()
    }
}

/// A drain at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether calls are refused.
    pub draining: bool,
    /// How many calls run.
    pub running: u64,
}

/// A call that runs, until this is dropped.
#[derive(Debug)]
#[must_use = "the call has ended when its permit is dropped"]
pub struct Permit {
    shared: Lease<Shared>,
    stripe: usize,
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        self.shared.leave(self.stripe);
    }
}

/// How the wait for the end of a drain has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// No call runs, and none is admitted.
    Idle,
    /// Calls are admitted again.
    Resumed,
}

/// Waits for the end of a drain: see [`Drain::begin`].
///
/// # Cancellation
///
/// To drop it ends the waiting and nothing else.
#[derive(Debug)]
#[must_use = "calls may still run"]
pub struct Waiter {
    drain: Drain,
    place: Place,
}

impl Waiter {
    /// Ready when no call runs any more, or when calls are admitted again; else the task is woken then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.drain.shared.poll_end(&self.place, cx.waker())
    }

    /// What is waited for.
    #[must_use]
    pub const fn drain(&self) -> &Drain {
        &self.drain
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.drain.shared.give_up(&self.place);
    }
}
