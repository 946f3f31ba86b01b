//! Time as a number, and when to publish next, where nobody else does.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// As often as anybody scrapes, in nanoseconds.
const PERIOD: u64 = 1_000_000_000;

pub(crate) struct Pulse {
    base: Instant,
    /// Nanoseconds since the base. Relaxed: it guards nothing, and of several threads the exchange lets one through.
    next: AtomicU64,
}

impl Pulse {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { base: now, next: AtomicU64::new(PERIOD) }
    }

    /// Nanoseconds since this was made. One subtraction serves both the duration of a call and what is due.
    #[inline]
    pub(crate) fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.base))
    }

    /// Whether it is time, for one of those who ask.
    #[inline]
    pub(crate) fn is_due(&self, now: u64) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        now >= next && self.claim(next, now)
    }

    #[cold]
    fn claim(&self, next: u64, now: u64) -> bool {
        self.next.compare_exchange(next, now + PERIOD, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// As many as there are in 584 years.
#[expect(clippy::cast_possible_truncation, reason = "no program runs that long")]
#[inline]
const fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_period_for_one_thread() {
        let t0 = crate::time::now();
        let pulse = Pulse::new(t0);
        let is_due = |ms: u64| pulse.is_due(pulse.nanos(t0 + Duration::from_millis(ms)));
        assert!(!is_due(999));
        let due = [1000, 1000, 1999, 2000, 9000, 9999].map(is_due);
        assert_eq!(due, [true, false, false, true, true, false]);
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| usize::from(is_due(20_000)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert!(!is_due(0), "a clock that goes back");
    }
}
