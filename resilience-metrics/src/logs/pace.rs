//! At most one line a second.

use std::time::{Duration, Instant};

/// How often one kind of line is written, and how many were left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    next: Option<Instant>,
    suppressed: u64,
}

impl Pace {
    const EVERY: Duration = Duration::from_secs(1);

    /// Whether a line may be written now; if so, how many were left out since the last.
    pub(super) fn step(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.suppressed += 1;
            return None;
        }
        self.next = Some(now + Self::EVERY);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn one_line_a_second_says_how_many_were_left_out() {
        let (t0, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.step(t0), Some(0));
        assert_eq!([pace.step(t0), pace.step(t0 + 999 * MS)], [None, None]);
        assert_eq!(pace.step(t0 + 1000 * MS), Some(2));
        assert_eq!(pace.step(t0 + 1001 * MS), None, "a second from the last line");
        assert_eq!(pace.step(t0 + 9000 * MS), Some(1));
        assert_eq!(pace.step(t0 + 10_000 * MS), Some(0));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn a_clock_that_stands_still_or_goes_back_writes_nothing() {
        let (t0, mut pace) = (Instant::now() + 1000 * MS, Pace::default());
        assert_eq!([pace.step(t0), pace.step(t0), pace.step(t0 - 500 * MS)], [Some(0), None, None]);
    }
}
