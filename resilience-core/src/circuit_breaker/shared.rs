//! The state of a breaker as threads share it: atomics on the common paths, the machine behind a lock.
//!
//! A good answer of a closed breaker that only has to be counted goes into a tally of its thread's stripe. Whatever takes
//! the lock absorbs the tallies first, so a failure finds every earlier success counted, and the run of
//! failures broken by it. Where one success could itself trip the breaker (a bad rate that lacks only calls to
//! reach `min_calls`), or a bucket of the window has turned, successes take the lock too. So the order of reports is
//! kept wherever it matters, and a success costs one uncontended compare-and-swap.

use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::SmallRng};

use super::{
    Config, Ticket, Transition,
    conditions::{Report, nanos},
    state::{Gate, Machine},
};
use crate::{
    FailureKind, Rejected, Verdict,
    striped::{Padded, STRIPES, stripe},
    sync::{AtomicU64, Mutex, Ordering},
};

pub(super) struct Shared {
    origin: Instant,
    hot: Padded<Hot>,
    /// Good answers not yet absorbed, by stripe: the low half of the generation above, their number below.
    ///
    /// Only a compare-and-swap from a word of the right generation adds one, so no answer is counted in a generation
    /// that it does not belong to. Relaxed is enough: the numbers guard no other memory.
    tallies: [Padded<AtomicU64>; STRIPES],
    machine: Mutex<Machine>,
}

/// What the common paths read: written at transitions and when a bucket turns, so every core keeps its copy.
///
/// All are written under the lock. `word` is stored last with `Release` and loaded with `Acquire`, so that
/// whoever sees a gate also sees the words that go with it or newer ones.
struct Hot {
    /// The generation and the gate: see [`word`].
    word: AtomicU64,
    /// Until when an open or half-open breaker refuses without asking the machine.
    refuses_until: AtomicU64,
    /// Until when good answers go into the tallies.
    defers_until: AtomicU64,
    /// Calls longer than this are slow; `u64::MAX` while nothing is.
    slow_after: AtomicU64,
    /// What a caller is told to wait while probes are out.
    probe_wait: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: Config, now: Instant, seed: u64) -> Self {
        let machine = Machine::new(config, SmallRng::seed_from_u64(seed));
        let word = word(&machine);
        let shared = Self {
            origin: now,
            hot: Padded(Hot {
                word: AtomicU64::new(word),
                refuses_until: AtomicU64::new(0),
                defers_until: AtomicU64::new(0),
                slow_after: AtomicU64::new(0),
                probe_wait: AtomicU64::new(0),
            }),
            tallies: std::array::from_fn(|_| Padded(AtomicU64::new(tag(word)))),
            machine: Mutex::new(machine),
        };
        shared.locked(|_| ());
        shared
    }

    pub(super) fn gate(&self) -> Gate {
        gate(self.hot.0.word.load(Ordering::Acquire))
    }

    /// Admits at once where every call is admitted.
    #[inline]
    pub(super) fn admit_closed(&self, now: impl FnOnce() -> Instant) -> Option<Ticket> {
        let word = self.hot.0.word.load(Ordering::Acquire);
        if !admits_all(word) {
            return None;
        }
        let times_calls = self.hot.0.slow_after.load(Ordering::Relaxed) != u64::MAX;
        let started = if times_calls { self.nanos(now()) } else { Ticket::NONE };
        Some(Ticket { word, probe: Ticket::NONE, started })
    }

    pub(super) fn admit(
        &self,
        now: impl FnOnce() -> Instant,
    ) -> (Result<Ticket, Rejected>, Option<Transition>) {
        let now = self.nanos(now());
        match self.refuse(self.hot.0.word.load(Ordering::Acquire), now) {
            Some(rejected) => (Err(rejected), None),
            None => self.admit_slowly(now),
        }
    }

    #[inline]
    pub(super) fn refusal(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        let word = self.hot.0.word.load(Ordering::Acquire);
        if admits_all(word) { None } else { self.refuse(word, self.nanos(now())) }
    }

    /// The refusal that needs no lock.
    fn refuse(&self, word: u64, now: u64) -> Option<Rejected> {
        let hot = &self.hot.0;
        let left = hot.refuses_until.load(Ordering::Relaxed).saturating_sub(now);
        let retry_after = match gate(word) {
            Gate::ForcedOpen => None,
            Gate::Open if left > 0 => Some(left),
            Gate::HalfOpen if left > 0 => Some(hot.probe_wait.load(Ordering::Relaxed)),
            _ => return None,
        };
        Some(Rejected::CircuitOpen { retry_after: retry_after.map(Duration::from_nanos) })
    }

    #[cold]
    fn admit_slowly(&self, now: u64) -> (Result<Ticket, Rejected>, Option<Transition>) {
        self.locked(|machine| {
            let (admitted, transition) = machine.admit(now);
            let ticket = |probe| Ticket { word: word(machine), probe, started: now };
            let admitted = match admitted {
                Ok(probe) => Ok(ticket(probe.unwrap_or(Ticket::NONE))),
                Err(retry_after) => Err(Rejected::CircuitOpen { retry_after }),
            };
            (admitted, transition)
        })
    }

    #[inline]
    pub(super) fn finish(
        &self,
        ticket: &Ticket,
        verdict: Verdict,
        hint: Option<Duration>,
        now: impl FnOnce() -> Instant,
    ) -> Option<Transition> {
        let good = matches!(verdict, Verdict::Success | Verdict::Failure(FailureKind::Permanent));
        let tallies = good && counts_calls(ticket.word);
        let defers_until = self.hot.0.defers_until.load(Ordering::Relaxed);
        let needs_no_time = defers_until == u64::MAX && ticket.started == Ticket::NONE;
        if tallies && needs_no_time && self.tally(ticket.word) {
            return None;
        }
        let now = self.nanos(now());
        if tallies && now < defers_until && !self.is_slow(ticket, now) && self.tally(ticket.word) {
            return None;
        }
        self.finish_slowly(ticket, verdict, hint, now)
    }

    #[cold]
    fn finish_slowly(
        &self,
        ticket: &Ticket,
        verdict: Verdict,
        hint: Option<Duration>,
        now: u64,
    ) -> Option<Transition> {
        let (failed, in_run) = match verdict {
            Verdict::Success | Verdict::Failure(FailureKind::Permanent) => (false, false),
            Verdict::Failure(FailureKind::Throttled) => (true, false),
            Verdict::Failure(_) => (true, true),
            Verdict::Ignored => {
                self.give_back(ticket);
                return None;
            }
        };
        let slow = self.is_slow(ticket, now);
        self.record(ticket, Report { failed, in_run, slow, hint: hint.unwrap_or_default() }, now)
    }

    pub(super) fn abandon(
        &self,
        ticket: &Ticket,
        cut: bool,
        now: impl FnOnce() -> Instant,
    ) -> Option<Transition> {
        if cut {
            return self.finish(ticket, Verdict::Failure(FailureKind::Timeout), None, now);
        }
        if ticket.started != Ticket::NONE {
            let now = self.nanos(now());
            if self.is_slow(ticket, now) {
                let slow = Report { failed: false, in_run: false, slow: true, hint: Duration::ZERO };
                return self.record(ticket, slow, now);
            }
        }
        self.give_back(ticket);
        None
    }

    /// Counts a good answer on this thread's stripe, unless its generation is over or the tally is full.
    ///
    /// The tag is the low half of the generation: to be mistaken, a call would have to last for 2^32 transitions.
    #[inline]
    fn tally(&self, word: u64) -> bool {
        let tally = &self.tallies[stripe()].0;
        let mut seen = tally.load(Ordering::Relaxed);
        loop {
            if seen & TAG_MASK != tag(word) || seen & COUNT_MASK == COUNT_MASK {
                return false;
            }
            match tally.compare_exchange_weak(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => seen = changed,
            }
        }
    }

    #[cold]
    fn record(&self, ticket: &Ticket, report: Report, now: u64) -> Option<Transition> {
        let is_late = self.hot.0.word.load(Ordering::Acquire) != ticket.word;
        if is_late || gate(ticket.word) == Gate::Disabled {
            return None;
        }
        self.locked(|machine| {
            if word(machine) != ticket.word {
                return None;
            }
            match ticket.probe {
                Ticket::NONE => machine.record(report, now),
                probe => machine.record_probe(probe, report, now),
            }
        })
    }

    /// A call that says nothing: a probe's slot is free again.
    #[inline]
    pub(super) fn give_back(&self, ticket: &Ticket) {
        if ticket.probe != Ticket::NONE {
            self.locked(|machine| {
                if word(machine) == ticket.word {
                    machine.release_probe(ticket.probe);
                }
            });
        }
    }

    #[inline]
    fn is_slow(&self, ticket: &Ticket, now: u64) -> bool {
        ticket.started != Ticket::NONE
            && now.saturating_sub(ticket.started) > self.hot.0.slow_after.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }

    /// Runs `f` on the machine: the tallies are absorbed before, the hot words are true after.
    pub(super) fn locked<T>(&self, f: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        let good = self.drain(word(&machine));
        machine.absorb(good);
        let result = f(&mut machine);
        self.publish(&machine);
        result
    }

    /// Takes all good answers out of the tallies.
    fn drain(&self, word: u64) -> u64 {
        let mut good = 0;
        for Padded(tally) in &self.tallies {
            if tally.load(Ordering::Relaxed) & COUNT_MASK != 0 {
                good += tally.swap(tag(word), Ordering::Relaxed) & COUNT_MASK;
            }
        }
        good
    }

    fn publish(&self, machine: &Machine) {
        let hot = &self.hot.0;
        let config = machine.config();
        let slow_after = config.slow_calls.map_or(u64::MAX, |slow| nanos(slow.longer_than));
        set(&hot.refuses_until, machine.refuses_until());
        set(&hot.defers_until, machine.defers_until());
        set(&hot.slow_after, slow_after);
        set(&hot.probe_wait, nanos(config.open_for));
        let word = word(machine);
        if hot.word.load(Ordering::Relaxed) != word {
            for Padded(tally) in &self.tallies {
                // Not a plain store: with the compare-and-swaps of racing answers it stands in one order.
                tally.swap(tag(word), Ordering::Relaxed);
            }
            hot.word.store(word, Ordering::Release);
        }
    }
}

/// Stores only what differs: a line that nobody writes stays in every core's cache.
fn set(atomic: &AtomicU64, value: u64) {
    if atomic.load(Ordering::Relaxed) != value {
        atomic.store(value, Ordering::Relaxed);
    }
}

const GATE_BITS: u32 = 3;
const COUNT_MASK: u64 = u32::MAX as u64;
const TAG_MASK: u64 = !COUNT_MASK;

/// The machine's generation and gate in one word.
const fn word(machine: &Machine) -> u64 {
    (machine.generation() << GATE_BITS) | machine.gate() as u64
}

const fn gate(word: u64) -> Gate {
    match word & ((1 << GATE_BITS) - 1) {
        0 => Gate::Closed,
        1 => Gate::Open,
        2 => Gate::HalfOpen,
        3 => Gate::ForcedOpen,
        4 => Gate::ForcedClosed,
        _ => Gate::Disabled,
    }
}

const fn admits_all(word: u64) -> bool {
    matches!(gate(word), Gate::Closed | Gate::ForcedClosed | Gate::Disabled)
}

const fn counts_calls(word: u64) -> bool {
    matches!(gate(word), Gate::Closed | Gate::ForcedClosed)
}

/// The generation as it stands in an empty tally.
const fn tag(word: u64) -> u64 {
    (word >> GATE_BITS) << 32
}
