//! The generic cell rate algorithm (ITU-T I.371), in whole nanoseconds.
//!
//! All that it remembers is one moment, the *theoretical arrival time*: when the bucket will be full again if nobody comes. Each
//! token taken moves it one interval further; a call conforms if it lies no more than the window, which is all tokens, ahead of
//! its time.
//!
//! ```text
//!        now            arrival time
//!   ------|------------------|---------------|-------> time
//!         |   taken: 3       |    left: 2    |
//!         |<------------- window, 5 -------->|
//! ```
//!
//! An arrival time beyond the window is a queue: places that were given to those who wait.

/// A quota as the algorithm wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Nanoseconds per token.
    pub(super) interval: u64,
    /// Tokens of a full bucket.
    pub(super) burst: u64,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// How long until it conforms; 0 if it does now.
    pub(super) wait: u64,
    /// The arrival time if it takes the place.
    pub(super) next: u64,
}

impl Rules {
    /// The time that a whole bucket takes to fill.
    ///
    /// A quota has none that overflows, but a call that races a change may see parts of two quotas.
    #[inline]
    pub(super) const fn window(self) -> u64 {
        self.interval.saturating_mul(self.burst)
    }

    /// The next place for a call of this cost.
    #[inline]
    pub(super) fn place(self, arrival: u64, now: u64, cost: u32) -> Place {
        let next = arrival.max(now).saturating_add(self.interval.saturating_mul(cost.into()));
        Place { wait: next.saturating_sub(self.window()).saturating_sub(now), next }
    }

    /// The tokens that are there; none while there is a queue.
    pub(super) const fn tokens(self, arrival: u64, now: u64) -> u64 {
        self.window().saturating_sub(arrival.saturating_sub(now)) / self.interval
    }

    /// The arrival time under other rules: tokens taken stay taken, as far as the new bucket has so many.
    pub(super) fn change(self, to: Self, arrival: u64, now: u64) -> u64 {
        let taken = u128::from(arrival.saturating_sub(now));
        let taken = (taken * u128::from(to.interval)).div_ceil(u128::from(self.interval));
        now.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX).min(to.window()))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    const RULES: Rules = Rules { interval: 10, burst: 5 };

    #[test]
    fn a_call_conforms_to_the_nanosecond() {
        let place = |arrival, now, cost| {
            let Place { wait, next } = RULES.place(arrival, now, cost);
            (wait, next)
        };
        assert_eq!(place(0, 100, 1), (0, 110), "time unused is no credit beyond the bucket");
        assert_eq!(place(0, 100, 5), (0, 150));
        assert_eq!(place(140, 100, 1), (0, 150), "the last token");
        assert_eq!(place(141, 100, 1), (1, 151), "it is not there yet");
        assert_eq!(place(150, 100, 1), (10, 160));
        assert_eq!(place(150, 100, 5), (50, 200));
    }

    #[test]
    fn tokens_are_whole_and_never_less_than_none() {
        let tokens = |arrival| RULES.tokens(arrival, 100);
        assert_eq!([0, 100, 101, 110, 111, 140, 141, 150, 500].map(tokens), [5, 5, 4, 4, 3, 1, 0, 0, 0]);
    }

    #[test]
    fn a_change_keeps_what_is_taken_as_far_as_there_is_room() {
        let slower = Rules { interval: 30, burst: 2 };
        assert_eq!(RULES.change(slower, 50, 100), 100, "a full one stays full");
        assert_eq!(RULES.change(slower, 110, 100), 130);
        assert_eq!(RULES.change(slower, 111, 100), 133);
        assert_eq!(RULES.change(slower, 150, 100), 160, "two of five");
        assert_eq!(RULES.change(slower, 900, 100), 160, "a queue is forgotten");
        assert_eq!(slower.change(RULES, 160, 100), 120);
        assert_eq!(RULES.change(Rules { interval: u64::MAX, burst: 1 }, 110, 100), u64::MAX);
    }
}
