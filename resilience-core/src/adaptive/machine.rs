//! The limit and its algorithm, without sharing.

use std::time::Duration;

use super::{Config, Limit, Window};
use crate::nanos::nanos;

/// A window lasts at least this long. Short, because a limit that is too low costs answers; long enough for a service of a few
/// calls per second to have something to say. All times are nanoseconds since the origin.
const LENGTH: u64 = nanos(Duration::from_millis(100));

/// After a change the answers to the calls it lets in come this much later, at most.
const LONGEST_LAG: Duration = Duration::from_millis(500);

/// The pure machine: a window goes in, a limit comes out.
#[derive(Debug)]
pub(super) struct Machine {
    algorithm: Box<dyn Limit>,
    /// With its fraction.
    limit: f64,
    min: f64,
    max: f64,
    /// When the window may end.
    due: u64,
}

/// What a window that ended has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) limit: u32,
    /// Whether the calls that are in flight say nothing about it, because they began under another.
    pub(super) changed: bool,
    /// When the window that begins may end.
    pub(super) due: u64,
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        let Config { algorithm, initial, min, max, .. } = config;
        let (min, max) = (f64::from(min), f64::from(max));
        let limit = f64::from(initial).clamp(min, max);
        Self { algorithm: algorithm.make(), limit, min, max, due: LENGTH }
    }

    pub(super) const fn due(&self) -> u64 {
        self.due
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within its bounds")]
    pub(super) fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Ends the window.
    pub(super) fn close(&mut self, window: &Window, now: u64) -> Next {
        let before = self.limit();
        let next = self.algorithm.next(self.limit, window);
        if next.is_finite() {
            self.limit = next.clamp(self.min, self.max);
        }
        let changed = self.limit() != before;
        let lag = if changed { nanos(window.average.min(LONGEST_LAG)) } else { 0 };
        self.due = now.saturating_add(LENGTH.max(2 * lag));
        Next { limit: self.limit(), changed, due: self.due }
    }

    /// Puts other settings in force. The limit stays where it is, within the new bounds.
    pub(super) fn reconfigure(&mut self, config: Config) {
        let Config { algorithm, min, max, .. } = config;
        (self.min, self.max) = (f64::from(min), f64::from(max));
        self.algorithm = algorithm.make();
        self.limit = self.limit.clamp(self.min, self.max);
    }
}
