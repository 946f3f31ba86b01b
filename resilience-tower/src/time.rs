//! The only clock and timer of this crate: Tokio's, so that `tokio::time::pause` reaches every policy.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

#[cfg(feature = "http")]
use std::time::SystemTime;

use resilience_core::CarryContext;
use tokio::task::coop;

pub(crate) use tokio::time::Sleep;

#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time at which this request was passed on, if it says so, or else what the clock says.
#[inline]
pub(crate) fn now_of(request: &impl CarryContext) -> Instant {
    request.context().and_then(resilience_core::Context::now).unwrap_or_else(now)
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

/// A timer fires at most this much late, as far as it can: Tokio rounds up to whole milliseconds.
pub(crate) const RESOLUTION: Duration = Duration::from_millis(1);

/// Makes a loop yield to other tasks when this one has used up its cooperative budget; it is woken at once.
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|progress| progress.made_progress())
}

/// Has a timer that may have fired wait anew.
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

/// What `future` comes to, if it does so until `at`: asked first, so that what is ready is never too late.
#[cfg(feature = "idempotency")]
pub(crate) async fn within<F: Future>(at: Instant, future: F) -> Option<F::Output> {
    tokio::time::timeout_at(at.into(), future).await.ok()
}
