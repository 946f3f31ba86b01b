//! Deposits that expire, in one word: the balances of two slices of time.

use std::time::Duration;

use crate::nanos::nanos;

/// What a word says: 16 bits of slice number, then the balances of the slice before it and of the slice itself, 24 bits
/// each.
///
/// A balance is deposits minus withdrawals, so it may be negative, and is stored with [`BIAS`] added. What is older than
/// the previous slice has expired.
///
/// Slice numbers come round: after 2^16 slices, nine hours with the shortest lifetime. Up to [`LATE`] slices behind, a
/// caller is late, and counts in the slice that the others have reached; anything else is ahead. So a budget that nobody
/// asked for a whole round, to within `LATE` slices, takes the end of that silence for its beginning, and until it has
/// caught up, `LATE` slices at most, goes on with what it held. That is no more than was deposited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slices {
    number: u16,
    previous: i32,
    current: i32,
}

const BALANCE_BITS: u32 = 24;
const BIAS: i32 = 1 << (BALANCE_BITS - 1);
const LEAST: i32 = -BIAS;
/// Deposits beyond this are not counted.
const MOST: i32 = BIAS - 1;
const LATE: u16 = 16;

impl Slices {
    const fn of(word: u64) -> Self {
        const fn balance(bits: u64) -> i32 {
            let biased = (bits & ((1 << BALANCE_BITS) - 1)) as i32;
            biased - BIAS
        }
        let number = (word >> (2 * BALANCE_BITS)) as u16;
        Self { number, previous: balance(word >> BALANCE_BITS), current: balance(word) }
    }

    const fn word(self) -> u64 {
        const fn bits(balance: i32) -> u64 {
            (balance + BIAS) as u64
        }
        (self.number as u64) << (2 * BALANCE_BITS) | bits(self.previous) << BALANCE_BITS | bits(self.current)
    }

    /// As it is when the slice of this number runs.
    const fn at(self, number: u16) -> Self {
        match number.wrapping_sub(self.number) {
            0 => self,
            1 => Self { number, previous: self.current, current: 0 },
            ahead if ahead > u16::MAX - LATE => self,
            _ => Self { number, previous: 0, current: 0 },
        }
    }

    const fn balance(self) -> i32 {
        self.previous + self.current
    }
}

/// How much a request brings and a retry costs: integers in that ratio, so that it is kept exactly.
#[derive(Debug)]
pub(super) struct Rules {
    /// What a request brings.
    pub(super) deposit: i32,
    /// What a retry costs.
    cost: i32,
    /// What there is besides the balance.
    reserve: i32,
    /// The length of a slice in nanoseconds.
    slice: u64,
}

impl Rules {
    /// `ratio` in thousandths up to 1000, `ttl` up to 60 s, `reserve_per_second` up to 100.
    pub(super) fn new(ratio: u32, ttl: Duration, reserve_per_second: u32) -> Self {
        let whole = ratio as i32;
        let divisor = gcd(whole, 1000);
        let cost = 1000 / divisor;
        #[expect(clippy::cast_possible_truncation, reason = "at most 6000")]
        let reserve = (u64::from(reserve_per_second) * nanos(ttl) / 1_000_000_000) as i32;
        Self { deposit: whole / divisor, cost, reserve: reserve * cost, slice: nanos(ttl / 2) }
    }

    /// The word of a fresh budget.
    pub(super) const fn fresh() -> u64 {
        Slices { number: 0, previous: 0, current: 0 }.word()
    }

    /// The number of the slice that runs so long after the origin.
    pub(super) fn number(&self, since_origin: Duration) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "numbers come round")]
        let number = (nanos(since_origin) / self.slice) as u16;
        number
    }

    /// `None` if nothing changes: the slice holds all that it can.
    pub(super) fn deposit(&self, word: u64, number: u16) -> Option<u64> {
        let now = Slices::of(word).at(number);
        let current = now.current.saturating_add(self.deposit).min(MOST);
        Some(Slices { current, ..now }.word()).filter(|&next| next != word)
    }

    /// `None` if there is not enough.
    pub(super) fn withdraw(&self, word: u64, number: u16) -> Option<u64> {
        let now = Slices::of(word).at(number);
        let current = now.current - self.cost;
        let next = Slices { current, ..now };
        // What a slice cannot note as taken is not given.
        (current >= LEAST && next.balance() + self.reserve >= 0).then(|| next.word())
    }

    /// Whether it equals a fresh one.
    pub(super) fn is_fresh(&self, word: u64, number: u16) -> bool {
        let now = Slices::of(word).at(number);
        now.previous == 0 && now.current == 0
    }

    /// In retries.
    pub(super) fn tokens(&self, word: u64, number: u16) -> f64 {
        self.retries(Slices::of(word).at(number).balance())
    }

    /// The same, as of the last time that it was asked.
    pub(super) fn last_tokens(&self, word: u64) -> f64 {
        self.retries(Slices::of(word).balance())
    }

    /// The most that it can count.
    pub(super) fn max_tokens(&self) -> f64 {
        let most = if self.deposit == 0 { 0 } else { 2 * MOST };
        self.retries(most)
    }

    fn retries(&self, balance: i32) -> f64 {
        f64::from((balance + self.reserve).max(0)) / f64::from(self.cost)
    }
}

const fn gcd(a: i32, b: i32) -> i32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn slices(number: u16, previous: i32, current: i32) -> Slices {
        Slices { number, previous, current }
    }

    #[test]
    fn a_word_says_what_was_put_into_it() {
        for number in [0, 1, u16::MAX] {
            for previous in [LEAST, -1, 0, 1, MOST] {
                for current in [LEAST, -1, 0, 1, MOST] {
                    let put = slices(number, previous, current);
                    assert_eq!(Slices::of(put.word()), put);
                }
            }
        }
    }

    #[test]
    fn slices_turn_expire_and_never_go_back() {
        let before = slices(100, 3, 5);
        assert_eq!(before.at(100), before);
        assert_eq!(before.at(101), slices(101, 5, 0));
        assert_eq!(before.at(102), slices(102, 0, 0));
        assert_eq!(before.at(100 - LATE), before, "late");
        assert_eq!(before.at(100 - LATE - 1), slices(100 - LATE - 1, 0, 0), "a whole round ahead");
    }

    #[test]
    fn slice_numbers_come_round() {
        let last = slices(u16::MAX, 3, 5);
        assert_eq!(last.at(0), slices(0, 5, 0));
        assert_eq!(slices(2, 3, 5).at(u16::MAX), slices(2, 3, 5), "late");
        let rules = Rules::new(500, SECOND, 0);
        assert_eq!(rules.number(SECOND / 2 * 65_535), u16::MAX);
        assert_eq!(rules.number(SECOND / 2 * 65_536), 0);
    }

    #[test]
    fn a_slice_that_is_full_is_not_written() {
        let rules = Rules::new(333, SECOND, 0);
        let nearly = slices(0, 0, MOST - 1).word();
        let full = slices(0, 0, MOST).word();
        assert_eq!(rules.deposit(nearly, 0), Some(full));
        assert_eq!(rules.deposit(full, 0), None);
        assert_eq!(rules.deposit(full, 1), Some(slices(1, MOST, 333).word()));
    }

    #[test]
    fn what_a_slice_cannot_note_as_taken_is_not_given() {
        let rules = Rules::new(333, SECOND, 100);
        assert_eq!(
            rules.withdraw(slices(0, MOST, LEAST + 1000).word(), 0),
            Some(slices(0, MOST, LEAST).word())
        );
        assert_eq!(rules.withdraw(slices(0, MOST, LEAST + 999).word(), 0), None);
    }

    #[test]
    fn the_largest_settings_fit() {
        let rules = Rules::new(333, 60 * SECOND, 100);
        assert_eq!(rules.reserve, 6_000_000);
        assert!(rules.max_tokens() > 22_000.0);
    }
}
