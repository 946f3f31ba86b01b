use std::time::Duration;

use resilience_core::{Deadline, Drain, drain::Snapshot};

use super::future::DrainFuture;
use crate::time;

/// Drains a server: from [`DrainLayer::handle`](super::DrainLayer::handle).
///
/// ```
/// use resilience_tower::{DrainLayer, drain::Stopped};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = DrainLayer::new();
/// let handle = layer.handle();
///
/// let drained = handle.drain(Duration::from_secs(20)).await;
/// assert_eq!((drained.left, drained.stopped), (0, Stopped::Idle));
/// handle.resume();
/// assert!(!handle.snapshot().draining);
/// # }
/// ```
///
/// # Clone
///
/// A clone drains the same server.
#[derive(Clone, Debug)]
pub struct DrainHandle {
    drain: Drain,
}

impl DrainHandle {
    /// Drains whatever this drain counts.
    #[must_use]
    pub const fn new(drain: Drain) -> Self {
        Self { drain }
    }

    /// Admits no call from now on, before the future is ever polled; the future waits until all that run have ended, or for `limit`
    /// at the most, which begins now.
    ///
    /// Several may drain together, each with a limit of its own. A limit of zero only looks.
    ///
    /// # Choosing a value
    ///
    /// Less than whoever stops the process allows it, by a few seconds for what comes after (30 s in Kubernetes by default, 10 s in
    /// Docker), and more than the longest call takes, which a total timeout bounds.
    ///
    /// # Panics
    ///
    /// The future panics when it has to wait outside of a Tokio runtime, or in one without its time driver.
    ///
    /// # Cancellation
    ///
    /// To drop the future ends the waiting, not the drain: see [`resume`](Self::resume).
    pub fn drain(&self, limit: Duration) -> DrainFuture {
        let waiter = self.drain.begin();
        DrainFuture::new(waiter, Deadline::after(time::now(), limit).at())
    }

    /// Admits calls again. A drain that somebody waits for ends with [`Stopped::Resumed`].
    pub fn resume(&self) {
        self.drain.resume();
    }

    /// The drain as it is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.drain.snapshot()
    }
}

/// What a drain has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "calls may be left, which a server that stops now cuts"]
pub struct Drained {
    /// How many calls still run.
    pub left: u64,
    /// Why it waits no more.
    pub stopped: Stopped,
}

/// Why a drain waits no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// All calls have ended.
    Idle,
    /// It has waited for as long as it may. Calls are still not admitted.
    OutOfTime,
    /// Somebody has [resumed](DrainHandle::resume): calls are admitted, and those that are left may be new ones.
    Resumed,
}
