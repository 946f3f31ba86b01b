use super::{Limit, Window, limit::LEAST};

/// Compares the latency of a window with its long-term average, without a target: Gradient2 of Netflix's concurrency-limits
/// (`limit/Gradient2Limit.java`), with its constants.
///
/// `gradient = clamp(long / window, 0.5, 1)`, `limit = 0.8 limit + 0.2 (gradient * limit + 4)`. What has been slow for minutes is
/// normal to it, so it does not hold a latency under lasting overload. It grows by less than one call per window.
///
/// Overload verdicts, which the original ignores, shrink the limit by [their share](Window::back_off).
///
/// ```
/// use std::time::Duration;
/// use resilience_core::adaptive::{Gradient2, Limit, Window};
///
/// let steady = Window { samples: 50, average: Duration::from_millis(40), peak: 16, ..Window::default() };
/// assert_eq!(Gradient2::new().next(16.0, &steady), 16.8);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradient2 {
    /// Seconds; the plain average of the first windows, then an exponential one.
    long: f64,
    windows: u32,
}

/// How many windows the long-term average remembers, and over how many of the first it is a plain one.
const LONG: f64 = 600.0;
const WARM_UP: u32 = 10;

const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;

/// A long-term average over this many times the window's is of another time, and is brought down.
const DRIFT: f64 = 2.0;
const CATCH_UP: f64 = 0.9;

impl Gradient2 {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn learn(&mut self, average: f64) {
        if self.windows < WARM_UP {
            self.windows += 1;
            self.long += (average - self.long) / f64::from(self.windows);
        } else {
            self.long += (average - self.long) * (2.0 / (LONG + 1.0));
        }
    }
}

impl Limit for Gradient2 {
    fn next(&mut self, limit: f64, window: &Window) -> f64 {
        if let Some(less) = window.back_off(limit) {
            return less;
        }
        let average = window.average.as_secs_f64();
        if average == 0.0 {
            return limit;
        }
        self.learn(average);
        let gradient = (self.long / average).clamp(LEAST, 1.0);
        if self.long > DRIFT * average {
            self.long *= CATCH_UP;
        }
        if !window.uses(limit) {
            return limit;
        }
        limit * (1.0 - SMOOTHING) + (gradient * limit + QUEUE) * SMOOTHING
    }
}
