//! The only clock and timer of this crate: Tokio's, so that `tokio::time::pause` reaches every policy.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

#[cfg(feature = "http")]
use std::time::SystemTime;

use tokio::task::coop;

pub(crate) use tokio::time::Sleep;

#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day, to compare with a date that a server sent. `tokio::time::pause` does not stop it.
#[cfg(feature = "http")]
#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
pub(crate) fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// A timer for `at`. It must be polled within a Tokio runtime with its time driver enabled.
pub(crate) fn sleep_until(at: Instant) -> Sleep {
    tokio::time::sleep_until(at.into())
}

/// Sets a timer that has fired, or not, to another time.
pub(crate) fn reset(timer: Pin<&mut Sleep>, at: Instant) {
    timer.reset(at.into());
}

/// Polls a timer whatever is left of the task's cooperative budget.
///
/// An inner future that uses up the budget at every poll would otherwise keep the timer behind it from ever being
/// looked at.
#[inline]
pub(crate) fn poll_timer(timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    if coop::has_budget_remaining() { timer.poll(cx) } else { pin!(coop::unconstrained(timer)).poll(cx) }
}
