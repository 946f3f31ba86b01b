//! The recent calls, bounded in time and in number: pure, with the time in nanoseconds since the throttle was made.

use std::collections::VecDeque;

use super::Config;
use crate::nanos::nanos;

/// How many slices the window consists of: what slides out of it goes a slice at a time.
pub(super) const SLICES: u32 = 10;

/// What calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) accepts: u64,
}

/// The slices of the window.
///
/// Time is divided into ticks of a tenth of the window's length. A slice belongs to one tick and holds up to a tenth of
/// the calls; when it is full, the next slice of the same tick begins. The window is the last ten slices, without those older
/// than ten ticks: so it is bounded both ways.
#[derive(Clone, Debug)]
pub(super) struct Window {
    tick_length: u64,
    /// How many calls a slice holds.
    room: u64,
    /// The present tick.
    tick: u64,
    slices: VecDeque<Slice>,
    total: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Slice {
    tick: u64,
    counts: Counts,
}

impl Window {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            tick_length: nanos(config.window / SLICES),
            room: u64::from(config.max_requests / SLICES),
            tick: 0,
            slices: VecDeque::with_capacity(SLICES as usize),
            total: Counts::default(),
        }
    }

    /// Moves on to the tick of `now`. Time that goes backwards stays.
    pub(super) fn advance(&mut self, now: u64) {
        self.tick = self.tick.max(now / self.tick_length);
        while self.slices.front().is_some_and(|slice| is_over(slice, self.tick)) {
            self.drop_oldest();
        }
    }

    /// Adds a call to the present slice.
    pub(super) fn add(&mut self, accepted: bool) {
        let counts = Counts { requests: 1, accepts: u64::from(accepted) };
        self.put(counts);
    }

    /// Adds `n` calls that were accepted.
    pub(super) fn add_accepted(&mut self, mut n: u64) {
        // Once nothing else is left in the window, whole slices more change nothing.
        let surplus = n.saturating_sub(u64::from(SLICES + 1) * self.room);
        n -= surplus - surplus % self.room;
        while n > 0 {
            let some = n.min(self.room_left());
            self.put(Counts { requests: some, accepts: some });
            n -= some;
        }
    }

    pub(super) const fn total(&self) -> Counts {
        self.total
    }

    /// The total as it will be when the window has moved on to `now`.
    pub(super) fn total_at(&self, now: u64) -> Counts {
        let tick = self.tick.max(now / self.tick_length);
        let mut total = Counts::default();
        for slice in self.slices.iter().filter(|slice| !is_over(slice, tick)) {
            total.add(slice.counts);
        }
        total
    }

    /// The fewest requests that the window may hold before the present tick ends, if more come: it is only ever short of the
    /// oldest slice.
    pub(super) const fn least_total(&self) -> u64 {
        self.total.requests.saturating_sub(self.room)
    }

    /// The first nanosecond after the present tick.
    pub(super) const fn tick_ends(&self) -> u64 {
        (self.tick + 1).saturating_mul(self.tick_length)
    }

    pub(super) fn clear(&mut self) {
        self.slices.clear();
        self.total = Counts::default();
    }

    /// The same calls under other settings; what does not fit is gone.
    ///
    /// A slice does not know when within its time its calls ended, and in which order: they count as having ended last, the
    /// accepted ones before the others.
    pub(super) fn resized(&self, config: &Config, now: u64) -> Self {
        let mut new = Self::new(config);
        for Slice { tick, counts } in &self.slices {
            let start = tick.saturating_mul(self.tick_length);
            new.advance(now.clamp(start, start.saturating_add(self.tick_length - 1)));
            new.add_accepted(counts.accepts);
            for _ in counts.accepts..counts.requests {
                new.add(false);
            }
        }
        new.advance(now);
        new
    }

    /// How many calls fit into the present slice.
    fn room_left(&self) -> u64 {
        match self.slices.back() {
            Some(slice) if slice.tick == self.tick && slice.counts.requests < self.room => {
                self.room - slice.counts.requests
            }
            _ => self.room,
        }
    }

    /// Adds no more than fit into a slice.
    fn put(&mut self, counts: Counts) {
        self.total.add(counts);
        match self.slices.back_mut() {
            Some(slice) if slice.tick == self.tick && slice.counts.requests < self.room => {
                slice.counts.add(counts);
            }
            _ => {
                if self.slices.len() == SLICES as usize {
                    self.drop_oldest();
                }
                self.slices.push_back(Slice { tick: self.tick, counts });
            }
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(Slice { counts, .. }) = self.slices.pop_front() {
            self.total.requests -= counts.requests;
            self.total.accepts -= counts.accepts;
        }
    }
}

impl Counts {
    const fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.accepts += other.accepts;
    }
}

/// Whether the slice is too old for a window in this tick.
fn is_over(slice: &Slice, tick: u64) -> bool {
    tick - slice.tick >= u64::from(SLICES)
}
