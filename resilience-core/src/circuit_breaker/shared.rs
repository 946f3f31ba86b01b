//! The state of a breaker as threads share it: atomics on the common paths, the machine behind a lock.
//!
//! A good answer of a closed breaker that only has to be counted goes into a tally of its thread's stripe. Whatever takes
//! the lock absorbs the tallies first, so a failure finds every earlier success counted, and the run of
//! failures broken by it. Where one success could itself trip the breaker (a bad rate that lacks only calls to
//! reach `min_calls`), or a bucket of the window has turned, successes take the lock too. So the order of reports is
//! kept wherever it matters, and a success costs one uncontended compare-and-swap.
//!
//! A success that races the failure which makes it matter may still be tallied. Then the absorbed tallies leave a window
//! that is over its threshold, and the next report of any kind finds that and trips.

use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::SmallRng};

use super::{
    Config, State, Ticket, Transition,
    conditions::{Answer, Report},
    hot::{Hot, Word},
    state::{Gate, Machine},
};
use crate::{
    FailureKind, Rejected, Verdict,
    nanos::nanos,
    striped::Padded,
    sync::{Mutex, Ordering},
    tallies::Tallies,
};

#[derive(Debug)]
pub(super) struct Shared {
    origin: Instant,
    hot: Padded<Hot>,
    tallies: Tallies,
    machine: Mutex<Machine>,
}

impl Shared {
    pub(super) fn new(config: Config, now: Instant, seed: u64) -> Self {
        let machine = Machine::new(config, SmallRng::seed_from_u64(seed));
        let shared = Self {
            origin: now,
            hot: Padded(Hot::new(&machine)),
            tallies: Tallies::new(machine.generation()),
            machine: Mutex::new(machine),
        };
        shared.locked(|_| ());
        shared
    }

    pub(super) fn gate(&self) -> Gate {
        self.hot.0.word().gate()
    }

    /// Admits at once where every call is admitted.
    #[inline]
    pub(super) fn admit_closed(&self, now: impl FnOnce() -> Instant) -> Option<Ticket> {
        let word = self.hot.0.word();
        if !word.admits_all() {
            return None;
        }
        let times_calls = self.hot.0.slow_after.load(Ordering::Relaxed) != u64::MAX;
        let started = if times_calls { self.nanos(now()) } else { Ticket::NONE };
        Some(Ticket { word: word.0, probe: Ticket::NONE, started })
    }

    pub(super) fn admit(
        &self,
        now: impl FnOnce() -> Instant,
    ) -> (Result<Ticket, Rejected>, Option<Transition>) {
        let now = self.nanos(now());
        match self.plain_refusal(self.hot.0.word(), now) {
            Some(rejected) => (Err(rejected), None),
            None => self.admit_slowly(now),
        }
    }

    #[inline]
    pub(super) fn refusal(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        let word = self.hot.0.word();
        if word.admits_all() { None } else { self.plain_refusal(word, self.nanos(now())) }
    }

    #[inline]
    pub(super) fn fail_hung_probe(&self, now: impl FnOnce() -> Instant) -> Option<Transition> {
        let word = self.hot.0.word();
        if word.gate() != Gate::HalfOpen {
            return None;
        }
        let now = self.nanos(now());
        if self.has_hung_probe(now) { self.locked(|machine| machine.follow_time(now)) } else { None }
    }

    /// The refusal that needs no lock.
    fn plain_refusal(&self, word: Word, now: u64) -> Option<Rejected> {
        let hot = &self.hot.0;
        let wait = match word.gate() {
            Gate::ForcedOpen => None,
            Gate::Open => match hot.opens_until.load(Ordering::Relaxed).saturating_sub(now) {
                0 => return None,
                left => Some(left),
            },
            Gate::HalfOpen if hot.is_full.load(Ordering::Relaxed) != 0 && !self.has_hung_probe(now) => {
                Some(hot.probe_wait.load(Ordering::Relaxed))
            }
            _ => return None,
        };
        Some(Rejected::CircuitOpen { retry_after: wait.map(Duration::from_nanos) })
    }

    /// What the next call would meet.
    pub(super) fn state(&self, now: u64) -> State {
        let hot = &self.hot.0;
        match hot.word().gate() {
            Gate::Closed | Gate::ForcedClosed | Gate::Disabled => State::Closed,
            Gate::ForcedOpen => State::Open,
            Gate::Open if now < hot.opens_until.load(Ordering::Relaxed) => State::Open,
            Gate::HalfOpen if self.has_hung_probe(now) => State::Open,
            Gate::Open | Gate::HalfOpen => State::HalfOpen,
        }
    }

    fn has_hung_probe(&self, now: u64) -> bool {
        now > self.hot.0.patience.load(Ordering::Relaxed)
    }

    #[cold]
    fn admit_slowly(&self, now: u64) -> (Result<Ticket, Rejected>, Option<Transition>) {
        self.locked(|machine| {
            let (admitted, transition) = machine.admit(now);
            let ticket = |probe| Ticket { word: Word::of(machine).0, probe, started: now };
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
        let word = Word(ticket.word);
        let good = matches!(verdict, Verdict::Success | Verdict::Failure(FailureKind::Permanent));
        let tallies = good && word.counts_calls();
        let defers_until = self.hot.0.defers_until.load(Ordering::Relaxed);
        let needs_no_time = defers_until == u64::MAX && ticket.started == Ticket::NONE;
        if tallies && needs_no_time && self.tallies.add(word.generation()) {
            return None;
        }
        let now = self.nanos(now());
        let is_plain = tallies && now < defers_until && !self.is_slow(ticket, now);
        if is_plain && self.tallies.add(word.generation()) {
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
        let answer = match verdict {
            Verdict::Success | Verdict::Failure(FailureKind::Permanent) => Answer::Good,
            Verdict::Failure(FailureKind::Throttled) => Answer::Throttled,
            Verdict::Failure(_) => Answer::Failed,
            Verdict::Ignored => return self.release(ticket, now),
        };
        let slow = self.is_slow(ticket, now);
        self.record(ticket, Report { answer, slow, hint: hint.unwrap_or_default() }, now)
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
        if ticket.started == Ticket::NONE {
            // Neither is it a probe, nor does anybody ask how long it took.
            return None;
        }
        let now = self.nanos(now());
        if self.is_slow(ticket, now) {
            let slow = Report { answer: Answer::None, slow: true, hint: Duration::ZERO };
            return self.record(ticket, slow, now);
        }
        self.release(ticket, now)
    }

    #[cold]
    fn record(&self, ticket: &Ticket, report: Report, now: u64) -> Option<Transition> {
        let word = Word(ticket.word);
        if self.hot.0.word() != word || word.gate() == Gate::Disabled {
            return None;
        }
        self.locked(|machine| {
            if Word::of(machine) != word {
                return None;
            }
            match ticket.probe {
                Ticket::NONE => machine.record(report, now),
                probe => machine.record_probe(probe, report, now),
            }
        })
    }

    /// A probe that says nothing gives its slot back, unless it has hung for too long.
    fn release(&self, ticket: &Ticket, now: u64) -> Option<Transition> {
        if ticket.probe == Ticket::NONE {
            return None;
        }
        self.locked(|machine| {
            if Word::of(machine) != Word(ticket.word) {
                return None;
            }
            machine.follow_time(now).or_else(|| {
                machine.release_probe(ticket.probe);
                None
            })
        })
    }

    /// A probe of which nothing is known, not even the time, gives its slot back.
    pub(super) fn give_back(&self, ticket: &Ticket) {
        self.release(ticket, 0);
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
        let before = Word::of(&machine);
        let good = self.tallies.drain(before.generation());
        machine.absorb(good);
        let result = f(&mut machine);
        self.hot.0.publish(&machine);
        let after = Word::of(&machine);
        if after != before {
            self.tallies.restart(after.generation());
            self.hot.0.publish_word(after);
        }
        result
    }
}
