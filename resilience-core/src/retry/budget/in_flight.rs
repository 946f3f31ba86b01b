//! Active operations and retries in flight, in one word.

/// How many retries may be in flight. The word is the number of active operations, 32 bits, then that of retries.
#[derive(Debug)]
pub(super) struct Rules {
    /// Per cent of the active operations.
    pub(super) percent: u32,
    /// Always so many.
    pub(super) min: u32,
}

const RETRY: u64 = 1;
const ACTIVE: u64 = 1 << 32;

const fn retries(word: u64) -> u64 {
    word % ACTIVE
}

const fn active(word: u64) -> u64 {
    word / ACTIVE
}

/// What a word counts for one operation.
const fn share(retrying: bool) -> u64 {
    if retrying { ACTIVE + RETRY } else { ACTIVE }
}

/// One operation more. `None` if so many are active that it cannot be counted.
pub(super) const fn open(word: u64) -> Option<u64> {
    word.checked_add(ACTIVE)
}

/// One operation less, and its retry if it has one in flight. `None` if it was never counted here.
pub(super) const fn close(word: u64, retrying: bool) -> Option<u64> {
    if active(word) == 0 || retries(word) < retrying as u64 { None } else { Some(word - share(retrying)) }
}

impl Rules {
    /// The number of retries that may be in flight.
    pub(super) fn limit(&self, word: u64) -> u64 {
        (active(word) * u64::from(self.percent) / 100).max(self.min.into())
    }

    /// Ends the retry of an operation that has one in flight, and begins another if there is room: the word and whether
    /// there was.
    pub(super) fn withdraw(&self, word: u64, retrying: bool) -> (u64, bool) {
        let ended = word - u64::from(retrying).min(retries(word));
        if self.has_room(ended) { (ended + RETRY, true) } else { (ended, false) }
    }

    /// Whether one more retry may begin. Never more retries than operations, so they do not run over into the active.
    fn has_room(&self, word: u64) -> bool {
        retries(word) < self.limit(word).min(active(word))
    }

    /// How many retries may begin now.
    pub(super) fn tokens(&self, word: u64) -> f64 {
        self.limit(word).saturating_sub(retries(word)) as f64
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn word(active: u64, retries: u64) -> u64 {
        active * ACTIVE + retries
    }

    #[test]
    fn an_operation_that_cannot_be_counted_is_not() {
        assert_eq!(open(word(7, 2)), Some(word(8, 2)));
        assert_eq!(open(word(u32::MAX.into(), 2)), None);
    }

    #[test]
    fn closing_what_was_never_counted_changes_nothing() {
        assert_eq!(close(word(1, 1), true), Some(0));
        assert_eq!(close(word(2, 1), false), Some(word(1, 1)));
        assert_eq!(close(word(0, 0), false), None);
        assert_eq!(close(word(1, 0), true), None);
    }

    #[test]
    fn the_limit_is_rounded_down_and_never_below_the_minimum() {
        let rules = Rules { percent: 20, min: 3 };
        for (active, limit) in [(0, 3), (15, 3), (19, 3), (20, 4), (24, 4), (25, 5), (100, 20)] {
            assert_eq!(rules.limit(word(active, 0)), limit, "{active} active");
        }
        assert_eq!(rules.limit(word(u32::MAX.into(), 0)), 858_993_459);
    }

    #[test]
    fn there_are_never_more_retries_than_operations() {
        let rules = Rules { percent: 20, min: u32::MAX };
        assert_eq!(rules.withdraw(word(2, 1), false), (word(2, 2), true));
        assert_eq!(rules.withdraw(word(2, 2), false), (word(2, 2), false));
    }

    #[test]
    fn a_retry_that_has_ended_gives_its_place_back_first() {
        let rules = Rules { percent: 20, min: 1 };
        assert_eq!(rules.withdraw(word(5, 1), true), (word(5, 1), true), "to itself");
        assert_eq!(rules.withdraw(word(5, 1), false), (word(5, 1), false));
        assert_eq!(rules.withdraw(word(5, 2), true), (word(5, 1), false), "or to nobody");
    }
}
