//! What an algorithm is told, and what it answers.

use std::{fmt, time::Duration};

/// An algorithm that finds how many calls may be in flight: pure, asked once per window.
///
/// The bounds are not its business: what it answers is kept between the [minimum and the maximum](super::Config), and a fraction is
/// kept too, so that growth of less than one call per window adds up.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{AdaptiveLimit, adaptive::{Config, Limit, Window}};
///
/// /// Nine calls, whatever happens.
/// #[derive(Clone, Debug)]
/// struct Nine;
///
/// impl Limit for Nine {
///     fn next(&mut self, _limit: f64, _window: &Window) -> f64 {
///         9.0
///     }
/// }
///
/// let limit = AdaptiveLimit::new(Config::new(Nine), std::time::Instant::now());
/// assert_eq!(limit.snapshot().limit, 16, "until the first window ends");
/// ```
pub trait Limit: fmt::Debug + Send {
    /// The limit after this window, given the limit in force.
    fn next(&mut self, limit: f64, window: &Window) -> f64;
}

/// What the calls of one window came to. All of them began under the limit in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The number of calls whose latency counts: good answers, and calls that their callers gave up after they had taken longer
    /// than the average of the window before.
    pub samples: u32,
    /// Their average latency; zero if there are none.
    pub average: Duration,
    /// The shortest of their latencies; zero if there are none.
    pub shortest: Duration,
    /// The number of calls that came back with an overload verdict (throttled, peer overloaded, timeout) or were cut.
    pub overloads: u32,
    /// How many calls were in flight at most.
    pub peak: u32,
    /// Whether a call was refused.
    pub refused: bool,
}

/// One overload verdict in a hundred is no overload.
const TOLERATED: f64 = 0.01;

/// With four a service at 0.8 of its capacity still refused a call now and then, with six the queue at the beginning of an
/// overload was longer than it must be (`load_tests.rs`). It goes with the root because independent calls vary by that.
const MARGIN: f64 = 5.0;

/// However bad a window is, half of the limit stays.
pub(super) const LEAST: f64 = 0.5;

impl Window {
    /// Whether the limit was in use: a call was refused, or no more room was left than chance fills at times, five times the
    /// square root of what was in flight at most. A limit that is not in use must not grow, because nothing is known of what it
    /// would do.
    #[must_use]
    pub fn uses(&self, limit: f64) -> bool {
        let peak = f64::from(self.peak);
        self.refused || peak + MARGIN * peak.sqrt() >= limit
    }

    /// The limit less the share of calls that met overload, at most half of it; `None` if no more than one call in a hundred did.
    #[must_use]
    pub fn back_off(&self, limit: f64) -> Option<f64> {
        let calls = f64::from(self.samples) + f64::from(self.overloads);
        let share = f64::from(self.overloads) / calls.max(1.0);
        (share > TOLERATED).then(|| limit * (1.0 - share).max(LEAST))
    }
}
