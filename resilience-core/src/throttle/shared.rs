//! The state of a throttle as threads share it: atomics on the common paths, the machine behind a lock.
//!
//! As long as no call can be refused before another has failed, an accepted call only has to be counted: it goes into a
//! tally of its thread's stripe. Whatever takes the lock absorbs the tallies first, so a failure finds every earlier
//! success counted, in the tick that it belongs to.

use std::time::Instant;

use super::{Config, Ticket, machine::Machine};
use crate::{
    FailureKind, Rejected, Rng, Verdict,
    nanos::nanos,
    striped::Padded,
    sync::{AtomicU64, Mutex, Ordering},
    tallies::Tallies,
};

#[derive(Debug)]
pub(super) struct Shared {
    origin: Instant,
    hot: Padded<Hot>,
    tallies: Tallies,
    locked: Mutex<Locked>,
}

#[derive(Debug)]
struct Locked {
    machine: Machine,
    rng: Rng,
}

/// What the common paths read. Written under the lock, and only what differs, so that every core keeps its copy.
///
/// `Relaxed` is enough: the words guard no other memory. A thread that reads an older word decides as if it had come
/// before whatever changed it, which nobody can tell from having done so; a late answer is told by the generation that its
/// tally is tagged with.
#[derive(Debug)]
struct Hot {
    /// The generation, and 1 in the last bit while nothing is refused whatever the time is.
    word: AtomicU64,
    /// Until when nothing is refused and accepted calls go into the tallies.
    defers_until: AtomicU64,
}

const CALM: u64 = 1;

fn word(machine: &Machine) -> u64 {
    machine.generation() << 1 | u64::from(machine.is_calm())
}

const fn ticket(word: u64) -> Ticket {
    Ticket { generation: word >> 1 }
}

impl Shared {
    pub(super) fn new(config: Config, now: Instant, rng: Rng) -> Self {
        let machine = Machine::new(config);
        Self {
            origin: now,
            hot: Padded(Hot {
                word: AtomicU64::new(word(&machine)),
                defers_until: AtomicU64::new(machine.defers_until()),
            }),
            tallies: Tallies::new(machine.generation()),
            locked: Mutex::new(Locked { machine, rng }),
        }
    }

    pub(super) fn is_calm(&self) -> bool {
        self.hot.0.word.load(Ordering::Relaxed) & CALM != 0
    }

    /// Admits where every call is admitted whatever the time is.
    #[inline]
    pub(super) fn admit_calm(&self) -> Option<Ticket> {
        let word = self.hot.0.word.load(Ordering::Relaxed);
        (word & CALM != 0).then(|| ticket(word))
    }

    #[inline]
    pub(super) fn admit(&self, now: impl FnOnce() -> Instant) -> Result<Ticket, Rejected> {
        let now = self.nanos(now());
        if now < self.hot.0.defers_until.load(Ordering::Relaxed) {
            return Ok(ticket(self.hot.0.word.load(Ordering::Relaxed)));
        }
        self.locked(|Locked { machine, rng }| match machine.admit(now, || rng.unit()) {
            Ok(()) => Ok(Ticket { generation: machine.generation() }),
            Err(per_mille) => Err(Rejected::Throttled { per_mille }),
        })
    }

    #[inline]
    pub(super) fn finish(&self, ticket: &Ticket, verdict: Verdict, now: impl FnOnce() -> Instant) {
        let accepted = match verdict {
            Verdict::Success | Verdict::Failure(FailureKind::Permanent) => true,
            Verdict::Failure(_) => false,
            Verdict::Ignored => return,
        };
        let now = self.nanos(now());
        let is_deferred = accepted && now < self.hot.0.defers_until.load(Ordering::Relaxed);
        if !(is_deferred && self.tallies.add(ticket.generation)) {
            self.record(ticket, accepted, now);
        }
    }

    #[cold]
    fn record(&self, ticket: &Ticket, accepted: bool, now: u64) {
        self.locked(|Locked { machine, .. }| {
            if machine.generation() == ticket.generation {
                machine.record(accepted, now);
            }
        });
    }

    pub(super) fn abandon(&self, ticket: &Ticket, cut: bool, now: impl FnOnce() -> Instant) {
        if cut {
            self.finish(ticket, Verdict::Failure(FailureKind::Timeout), now);
        }
    }

    pub(super) fn config(&self) -> Config {
        self.locked(|Locked { machine, .. }| machine.config())
    }

    pub(super) fn reconfigure(&self, config: Config, now: Instant) {
        let now = self.nanos(now);
        self.locked(|Locked { machine, .. }| machine.reconfigure(config, now));
    }

    pub(super) fn reset(&self) {
        self.locked(|Locked { machine, .. }| machine.reset());
    }

    pub(super) fn look<T>(&self, now: Instant, look: impl FnOnce(&Machine, u64) -> T) -> T {
        let now = self.nanos(now);
        self.locked(|Locked { machine, .. }| look(machine, now))
    }

    #[inline]
    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }

    /// Runs `f` on the machine: the tallies are absorbed before, the hot words are true after.
    fn locked<T>(&self, f: impl FnOnce(&mut Locked) -> T) -> T {
        let mut locked = self.locked.lock();
        let generation = locked.machine.generation();
        locked.machine.absorb(self.tallies.drain(generation));
        let result = f(&mut locked);
        let machine = &locked.machine;
        if machine.generation() != generation {
            self.tallies.restart(machine.generation());
        }
        set(&self.hot.0.defers_until, machine.defers_until());
        set(&self.hot.0.word, word(machine));
        result
    }
}

fn set(atomic: &AtomicU64, value: u64) {
    if atomic.load(Ordering::Relaxed) != value {
        atomic.store(value, Ordering::Relaxed);
    }
}
