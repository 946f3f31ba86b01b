use std::time::Duration;

use super::{Limit, Window, limit::LEAST};
use crate::range::Range;

/// Grows by steps while calls take well under a target, shrinks in proportion when they take too long: the default.
///
/// The loss-based limit of Netflix's concurrency-limits (`limit/AIMDLimit.java`) adds one per good sample and takes a tenth off per
/// bad one. This one goes by a window's average, so that a single slow call is no event, and by how far it is off:
///
/// | average of the window | the limit, if it has refused somebody | the limit, if not |
/// |---|---|---|
/// | under a quarter of the target | doubles | grows by a twentieth, at least by one, while it is [in use](Window::uses) |
/// | under a half | grows by a twentieth, at least by one | the same |
/// | up to 0.6 | shrinks by 3 in 100 | stays |
/// | above | shrinks to where the average would be half of the target, at most by half | stays |
///
/// A limit that refuses nobody does not shrink for latency, because a lower one would not shorten any queue. In a saturated
/// service the time in the queue is proportional to the calls in flight (Little's law), so one step in proportion goes where many
/// small ones would. Overload verdicts shrink the limit by [their share](Window::back_off), refused or not.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::adaptive::{Aimd, Limit, Window};
///
/// let mut aimd = Aimd::new(Duration::from_millis(200));
/// let quick = Window { samples: 50, average: Duration::from_millis(40), peak: 16, refused: true, ..Window::default() };
/// assert_eq!(aimd.next(16.0, &quick), 32.0);
/// let slow = Window { average: Duration::from_millis(125), ..quick };
/// assert_eq!(aimd.next(50.0, &slow), 40.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Aimd {
    pub(super) target: Duration,
}

pub(super) const TARGET: Range<Duration> = Range::lasting("target");

/// Parts of the target. The average is held at half of it, so that the slowest one in a hundred stays within it: in the simulation
/// of `load_tests.rs` that one is at 0.9, but at 1.8 behind four workers when the overload follows a normal load.
const DOUBLES_BELOW: f64 = 0.25;
const GROWS_BELOW: f64 = 0.5;
const DRIFTS_BELOW: f64 = 0.6;

/// The part by which a limit grows.
const STEP: f64 = 0.05;

/// The part by which it shrinks where it is nearly right. Less than it grows by, so that a service which takes half of the target
/// when it is idle is not starved by chance.
const DRIFT: f64 = 0.03;

impl Aimd {
    /// Keeps the average latency at half of `target`.
    ///
    /// # Choosing a value
    ///
    /// The latency that all but one call in a hundred should keep under overload. It must be more than twice what a call takes on
    /// average while the service is idle: under less, the limit falls until it is at its minimum. For a client 0.8 times
    /// the attempt timeout (see [`for_timeout`](Self::for_timeout)), for a server 200 ms.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn new(target: Duration) -> Self {
        Self { target: TARGET.expect(target) }
    }

    /// For a client whose attempts are cut after `attempt_timeout`: a target of 0.8 times that.
    ///
    /// So the average is held at 0.4 attempt timeouts, and the slowest call in a hundred is not cut. A client whose timeout is five
    /// times what a call takes is well above its idle latency then: in the simulation of `tests/tests/outcomes` (S3) such a client is
    /// back 2.3 s after a slowdown. With a target of 0.4 attempt timeouts, where its latency is half of the target even when all is
    /// well, its limit grew from the minimum by chance only, and it took 5 s.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn for_timeout(attempt_timeout: Duration) -> Self {
        Self::new(attempt_timeout.mul_f64(0.8))
    }
}

/// A target of 200 ms, for servers.
impl Default for Aimd {
    fn default() -> Self {
        Self::new(Duration::from_millis(200))
    }
}

impl Limit for Aimd {
    fn next(&mut self, limit: f64, window: &Window) -> f64 {
        if let Some(less) = window.back_off(limit) {
            return less;
        }
        if window.samples == 0 {
            return limit;
        }
        let average = window.average.as_secs_f64() / self.target.as_secs_f64();
        if average < GROWS_BELOW {
            let doubles = window.refused && average < DOUBLES_BELOW;
            return match window.uses(limit) {
                true if doubles => 2.0 * limit,
                true => limit + (STEP * limit).max(1.0),
                false => limit,
            };
        }
        match window.refused {
            true if average < DRIFTS_BELOW => limit * (1.0 - DRIFT),
            true => limit * (GROWS_BELOW / average).max(LEAST),
            false => limit,
        }
    }
}
