//! Windows over recent calls: pure, with the time as an argument in nanoseconds since the breaker was made.

use std::{collections::VecDeque, num::NonZeroU32};

/// What the calls of a window came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Counts {
    /// One call.
    pub(super) const fn one(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failures: failed as u64, slow: slow as u64 }
    }

    /// `n` calls that were neither failures nor slow.
    pub(super) const fn good(n: u64) -> Self {
        Self { calls: n, failures: 0, slow: 0 }
    }

    pub(super) const fn is_clean(self) -> bool {
        self.failures == 0 && self.slow == 0
    }

    pub(super) fn failure_rate(self) -> f64 {
        ratio(self.failures, self.calls)
    }

    pub(super) fn slow_rate(self) -> f64 {
        ratio(self.slow, self.calls)
    }

    const fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    const fn remove(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// `part / whole`, 0 of nothing. One correctly rounded division, so that 3 of 30 equals a threshold of `0.1`.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls in one window")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The calls of the last `buckets.len() * width` nanoseconds, by bucket.
#[derive(Clone, Debug)]
pub(super) struct TimeWindow {
    width: u64,
    buckets: Box<[Counts]>,
    /// The number of the current bucket since the start of time; its place is that modulo the length.
    current: u64,
    total: Counts,
}

impl TimeWindow {
    pub(super) fn new(length: u64, buckets: u32) -> Self {
        Self {
            width: (length / u64::from(buckets)).max(1),
            buckets: vec![Counts::default(); buckets as usize].into(),
            current: 0,
            total: Counts::default(),
        }
    }

    /// Moves on to the bucket of `now`. Time that goes backwards stays.
    pub(super) fn advance(&mut self, now: u64) {
        let tick = now / self.width;
        if tick <= self.current {
            return;
        }
        if tick - self.current >= self.buckets.len() as u64 {
            self.buckets.fill(Counts::default());
            self.total = Counts::default();
        } else {
            for expired in self.current + 1..=tick {
                let place = self.place(expired);
                self.total.remove(std::mem::take(&mut self.buckets[place]));
            }
        }
        self.current = tick;
    }

    /// Adds calls to the current bucket.
    pub(super) fn add(&mut self, counts: Counts) {
        let place = self.place(self.current);
        self.buckets[place].add(counts);
        self.total.add(counts);
    }

    pub(super) const fn total(&self) -> Counts {
        self.total
    }

    /// The total as it will be when the window has moved on to `now`.
    pub(super) fn total_at(&self, now: u64) -> Counts {
        let tick = now / self.width;
        if tick.saturating_sub(self.current) >= self.buckets.len() as u64 {
            return Counts::default();
        }
        let mut total = self.total;
        for expired in self.current + 1..=tick {
            total.remove(self.buckets[self.place(expired)]);
        }
        total
    }

    /// The first nanosecond after the current bucket.
    pub(super) const fn bucket_ends(&self) -> u64 {
        (self.current + 1).saturating_mul(self.width)
    }

    pub(super) fn clear(&mut self) {
        self.buckets.fill(Counts::default());
        self.total = Counts::default();
    }

    /// The same calls under another length or another number of buckets; what is too old for it is gone.
    ///
    /// A bucket does not know when within its time its calls ended: they count as having ended last.
    pub(super) fn resized(&self, length: u64, buckets: u32, now: u64) -> Self {
        let mut new = Self::new(length, buckets);
        let oldest = (self.current + 1).saturating_sub(self.buckets.len() as u64);
        for tick in oldest..=self.current {
            let start = tick.saturating_mul(self.width);
            new.advance(now.clamp(start, start.saturating_add(self.width - 1)));
            new.add(self.buckets[self.place(tick)]);
        }
        new
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the number of buckets")]
    const fn place(&self, tick: u64) -> usize {
        (tick % self.buckets.len() as u64) as usize
    }
}

/// The last so many calls: a ring.
#[derive(Clone, Debug)]
pub(super) struct CountWindow {
    length: usize,
    /// A byte each: [`FAILED`] and [`SLOW`]. It grows with the calls that it has seen, up to the length.
    calls: VecDeque<u8>,
    total: Counts,
}

const FAILED: u8 = 1;
const SLOW: u8 = 2;

impl CountWindow {
    pub(super) fn new(length: NonZeroU32) -> Self {
        let length = length.get() as usize;
        Self { length, calls: VecDeque::new(), total: Counts::default() }
    }

    /// Adds one call; the oldest makes room.
    pub(super) fn push(&mut self, failed: bool, slow: bool) {
        if self.calls.len() == self.length {
            self.drop_oldest();
        }
        self.calls.push_back((u8::from(failed) * FAILED) | (u8::from(slow) * SLOW));
        self.total.add(Counts::one(failed, slow));
    }

    /// Adds `n` calls that were neither failures nor slow.
    pub(super) fn push_good(&mut self, n: u64) {
        // More than fit leave the same ring as just as many as fit.
        for _ in 0..n.min(self.length as u64) {
            self.push(false, false);
        }
    }

    pub(super) const fn total(&self) -> Counts {
        self.total
    }

    pub(super) const fn len(&self) -> u64 {
        self.length as u64
    }

    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.total = Counts::default();
    }

    /// The same calls in a ring of another length: the latest that fit.
    pub(super) fn resized(&self, length: NonZeroU32) -> Self {
        let mut new = Self::new(length);
        for seen in &self.calls {
            new.push(seen & FAILED != 0, seen & SLOW != 0);
        }
        new
    }

    fn drop_oldest(&mut self) {
        if let Some(seen) = self.calls.pop_front() {
            self.total.remove(Counts::one(seen & FAILED != 0, seen & SLOW != 0));
        }
    }
}

#[cfg(all(test, not(loom)))]
impl TimeWindow {
    /// Forgets the buckets, but not the total.
    pub(super) fn lose_records(&mut self) {
        self.buckets.fill(Counts::default());
    }
}

#[cfg(all(test, not(loom)))]
impl CountWindow {
    /// Forgets the ring, but not the total.
    pub(super) fn lose_records(&mut self) {
        self.calls.clear();
    }
}
