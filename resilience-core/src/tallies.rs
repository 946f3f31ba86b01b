//! Good answers that only have to be counted, one number per stripe.

use crate::{
    striped::{Padded, STRIPES, stripe},
    sync::{AtomicU64, Ordering},
};

/// Numbers of good answers, each tagged with the generation they belong to: the low half of the generation above, the
/// count below.
///
/// Only a compare-and-swap from a word of the right generation adds one, so no answer is ever counted in a generation
/// that it does not belong to; to be mistaken, a call would have to last for 2^32 transitions. `Relaxed` is enough
/// throughout: the numbers guard no other memory, and whoever drains them holds the lock of the machine.
#[derive(Debug)]
pub(crate) struct Tallies([Padded<AtomicU64>; STRIPES]);

const COUNT: u64 = u32::MAX as u64;

/// An empty tally of this generation.
const fn empty(generation: u64) -> u64 {
    generation << 32
}

impl Tallies {
    pub(crate) fn new(generation: u64) -> Self {
        Self(std::array::from_fn(|_| Padded(AtomicU64::new(empty(generation)))))
    }

    /// Counts one on this thread's stripe, unless the generation is over or the tally is full.
    #[inline]
    pub(crate) fn add(&self, generation: u64) -> bool {
        let tally = &self.0[stripe()].0;
        let mut seen = tally.load(Ordering::Relaxed);
        loop {
            if seen & !COUNT != empty(generation) || seen & COUNT == COUNT {
                return false;
            }
            match tally.compare_exchange_weak(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => seen = changed,
            }
        }
    }

    /// Takes out what has been counted. Under the lock of the machine.
    pub(crate) fn drain(&self, generation: u64) -> u64 {
        let mut good = 0;
        for Padded(tally) in &self.0 {
            if tally.load(Ordering::Relaxed) & COUNT != 0 {
                good += tally.swap(empty(generation), Ordering::Relaxed) & COUNT;
            }
        }
        good
    }

    /// Begins a generation. What is still being counted for the last one is lost with it. Under the lock of the machine.
    pub(crate) fn restart(&self, generation: u64) {
        for Padded(tally) in &self.0 {
            // Not a plain store: with the compare-and-swaps of racing answers it stands in one order.
            tally.swap(empty(generation), Ordering::Relaxed);
        }
    }
}
