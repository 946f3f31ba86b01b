//! A limiter shared: one word that all threads change by compare-and-swap, and the quota beside it.

use std::time::Instant;

use super::{
    Quota,
    gcra::{Place, Rules},
};
use crate::{
    nanos::nanos,
    sync::{AtomicU64, Mutex, Ordering},
};

/// The arrival time, and what it is judged by. 48 bytes, on one cache line: whoever reads the one needs the other, and a table by key
/// has a million of them.
#[derive(Debug)]
pub(super) struct Shared {
    /// Nanoseconds after `origin`. 0 is a full bucket at any time.
    ///
    /// The word guards no other memory but the quota: a change of quota stores that first and then replaces the word with
    /// `Release`, and others load the word with `Acquire` before the quota. So a word of after the change is judged by the
    /// new quota. Whoever judges a word of before the change, by either quota or by parts of both, has his compare-and-swap fail
    /// once the word is replaced, because a change always replaces it by another. Other writes are `Relaxed`: each is decided on the
    /// value that it replaces, and as read-modify-writes they carry on what the `Release` has published.
    arrival: AtomicU64,
    /// Nanoseconds per token. `Relaxed`: see above.
    interval: AtomicU64,
    /// Tokens. `Relaxed`: see above.
    burst: AtomicU64,
    /// Held by who changes the quota.
    changing: Mutex<()>,
    /// Time counts from a nanosecond before it, so that it is never 0.
    origin: Instant,
}

/// A place that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) rules: Rules,
    pub(super) now: u64,
    /// The word that was replaced.
    pub(super) before: u64,
    pub(super) place: Place,
}

/// No place for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// It would have to wait so long.
    Wait(u64),
    /// It costs more than there ever are, which is so many.
    Never(u64),
}

impl Shared {
    pub(super) fn new(quota: Quota, now: Instant) -> Self {
        let Rules { interval, burst } = quota.rules();
        Self {
            arrival: AtomicU64::new(0),
            interval: AtomicU64::new(interval),
            burst: AtomicU64::new(burst),
            changing: Mutex::new(()),
            origin: now,
        }
    }

    /// Takes the next place for a call of this cost, if the wait for it is no longer than `max_wait`.
    #[inline]
    pub(super) fn take(&self, cost: u32, max_wait: u64, now: Instant) -> Result<Taken, Refused> {
        let now = self.nanos(now);
        let mut before = self.arrival.load(Ordering::Acquire);
        loop {
            let rules = self.rules();
            if u64::from(cost) > rules.burst {
                return Err(Refused::Never(rules.burst));
            }
            let place = rules.place(before, now, cost);
            if place.wait > max_wait {
                return Err(Refused::Wait(place.wait));
            }
            let swapped = self.arrival.compare_exchange_weak(
                before,
                place.next,
                // Relaxed: nothing is published, see `arrival`.
                Ordering::Relaxed,
                Ordering::Acquire,
            );
            match swapped {
                Ok(_) => return Ok(Taken { rules, now, before, place }),
                Err(changed) => before = changed,
            }
        }
    }

    /// Undoes what made `next` of `before`, if nothing has happened since.
    pub(super) fn undo(&self, before: u64, next: u64) -> bool {
        // Relaxed: see `arrival`.
        self.arrival.compare_exchange(next, before, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn change(&self, quota: Quota, now: Instant) {
        let to = quota.rules();
        let now = self.nanos(now);
        let _changing = self.changing.lock();
        let from = self.rules();
        if from == to {
            return;
        }
        self.interval.store(to.interval, Ordering::Relaxed);
        self.burst.store(to.burst, Ordering::Relaxed);
        let mut seen = self.arrival.load(Ordering::Relaxed);
        loop {
            let mut next = from.change(to, seen, now);
            if next == seen {
                // A nanosecond less taken, so that it is another word. There is one: `now` is never 0.
                next -= 1;
            }
            match self.arrival.compare_exchange_weak(seen, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => seen = changed,
            }
        }
    }

    /// The arrival time, the rules that it is judged by, and the moment in the same measure.
    pub(super) fn look(&self, now: Instant) -> (u64, Rules, u64) {
        let arrival = self.arrival.load(Ordering::Acquire);
        (arrival, self.rules(), self.nanos(now))
    }

    #[inline]
    pub(super) fn rules(&self) -> Rules {
        Rules { interval: self.interval.load(Ordering::Relaxed), burst: self.burst.load(Ordering::Relaxed) }
    }

    /// Nanoseconds since one before the origin: at least 1.
    #[inline]
    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin)).saturating_add(1)
    }
}
