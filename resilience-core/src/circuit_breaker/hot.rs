//! What the common paths read of a breaker without asking its machine.

use super::state::{Gate, Machine};
use crate::{
    nanos::nanos,
    sync::{AtomicU64, Ordering},
};

/// A few words that are written at transitions and when a bucket turns, so that every core keeps its copy.
///
/// All are written under the lock of the machine. `word` is stored last with `Release` and loaded with `Acquire`: who sees
/// a gate sees the words that go with it, or newer ones. Newer ones do no harm, because each word has one meaning
/// whatever the gate is, and because a decision that is not plain is left to the machine.
#[derive(Debug)]
pub(super) struct Hot {
    /// The generation and the gate.
    word: AtomicU64,
    /// The end of the wait of an open breaker, else 0.
    pub(super) opens_until: AtomicU64,
    /// 1 while a half-open breaker has all its probes out.
    pub(super) is_full: AtomicU64,
    /// The last moment at which no probe counts as hung.
    pub(super) patience: AtomicU64,
    /// What a caller is told to wait while all probes are out.
    pub(super) probe_wait: AtomicU64,
    /// Until when good answers go into the tallies.
    pub(super) defers_until: AtomicU64,
    /// Calls longer than this are slow; `u64::MAX` while nothing is.
    pub(super) slow_after: AtomicU64,
}

/// A generation and its gate in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const GATE_BITS: u32 = 3;

impl Word {
    pub(super) const fn of(machine: &Machine) -> Self {
        Self((machine.generation() << GATE_BITS) | machine.gate() as u64)
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> GATE_BITS
    }

    pub(super) const fn gate(self) -> Gate {
        match self.0 & ((1 << GATE_BITS) - 1) {
            0 => Gate::Closed,
            1 => Gate::Open,
            2 => Gate::HalfOpen,
            3 => Gate::ForcedOpen,
            4 => Gate::ForcedClosed,
            _ => Gate::Disabled,
        }
    }

    /// Whether every call is admitted.
    pub(super) const fn admits_all(self) -> bool {
        matches!(self.gate(), Gate::Closed | Gate::ForcedClosed | Gate::Disabled)
    }

    /// Whether calls are counted in windows.
    pub(super) const fn counts_calls(self) -> bool {
        matches!(self.gate(), Gate::Closed | Gate::ForcedClosed)
    }
}

impl Hot {
    /// As yet without the truth: [`publish`](Self::publish) it before anybody looks.
    pub(super) fn new(machine: &Machine) -> Self {
        Self {
            word: AtomicU64::new(Word::of(machine).0),
            opens_until: AtomicU64::new(0),
            is_full: AtomicU64::new(0),
            patience: AtomicU64::new(u64::MAX),
            probe_wait: AtomicU64::new(0),
            defers_until: AtomicU64::new(0),
            slow_after: AtomicU64::new(u64::MAX),
        }
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Writes what is true now, but for the word.
    pub(super) fn publish(&self, machine: &Machine) {
        let slow_calls = machine.config().slow_calls;
        set(&self.opens_until, machine.opens_until());
        set(&self.is_full, u64::from(machine.is_full()));
        set(&self.patience, machine.patience());
        set(&self.probe_wait, nanos(machine.probe_wait()));
        set(&self.defers_until, machine.defers_until());
        set(&self.slow_after, slow_calls.map_or(u64::MAX, |slow| nanos(slow.longer_than)));
    }

    /// Writes the word, after everything that goes with it.
    pub(super) fn publish_word(&self, word: Word) {
        self.word.store(word.0, Ordering::Release);
    }
}

/// Stores only what differs: a line that nobody writes stays in every core's cache.
fn set(atomic: &AtomicU64, value: u64) {
    if atomic.load(Ordering::Relaxed) != value {
        atomic.store(value, Ordering::Relaxed);
    }
}
