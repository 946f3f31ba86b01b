//! An adaptive limit as threads share it: the permits in one word, the counts of a window beside it, the machine behind a lock.
//!
//! A call takes its permit with one compare-and-swap, gives it back with one subtraction and is counted with one addition, all on
//! the same line. The lock is for the call that ends a window.

use std::{
    hash::Hash,
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::{
    Config, Priority, Snapshot, Ticket,
    machine::Machine,
    shares::{Shares, Slots},
    tally::{FULL, Sample, Tally},
};
use crate::{
    FailureKind, Rejected, Verdict,
    bulkhead::word::Word,
    nanos::nanos,
    striped::Padded,
    sync::{AtomicU64, Mutex, Ordering},
};

/// With fewer calls a window goes on: an average of less is chance.
const MIN_CALLS: u64 = 10;

#[derive(Debug)]
pub(super) struct Shared {
    origin: Instant,
    hot: Padded<Hot>,
    /// The limit at the beginning.
    initial: u32,
    /// Made when the first key is seen.
    shares: OnceLock<Shares>,
    machine: Mutex<Machine>,
}

/// What every call touches. Times in nanoseconds since the origin.
#[derive(Debug)]
struct Hot {
    /// Acquire on taking, release on giving back: what a call did under its permit happened before what the next one does.
    word: AtomicU64,
    /// Calls that began earlier say nothing about the limit in force. Relaxed, as the next two: written under the lock of the
    /// machine and read as hints, by which a call is counted a window earlier or later.
    since: AtomicU64,
    /// When the window may end.
    due: AtomicU64,
    /// The average of the last window.
    average: AtomicU64,
    tally: Tally,
}

impl Shared {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        let machine = Machine::new(config);
        let hot = Hot {
            word: AtomicU64::new(Word::new(machine.limit()).0),
            since: AtomicU64::new(0),
            due: AtomicU64::new(machine.due()),
            average: AtomicU64::new(0),
            tally: Tally::new(),
        };
        let initial = machine.limit();
        Self { origin: now, hot: Padded(hot), initial, shares: OnceLock::new(), machine: Mutex::new(machine) }
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.hot.0.word.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn admit(
        &self,
        priority: Priority,
        now: impl FnOnce() -> Instant,
    ) -> Result<Ticket, Rejected> {
        self.take(|limit| priority.part_of(limit))?;
        Ok(Ticket { started: self.nanos(now()), slots: Slots::NONE })
    }

    pub(super) fn admit_for(
        &self,
        key: &impl Hash,
        priority: Priority,
        now: impl FnOnce() -> Instant,
    ) -> Result<Ticket, Rejected> {
        let shares = self.shares.get_or_init(Shares::new);
        let slots = shares.slots(key);
        self.take(|limit| shares.part_of(priority.part_of(limit), limit, slots))?;
        shares.add(slots);
        Ok(Ticket { started: self.nanos(now()), slots })
    }

    /// Takes a permit if fewer than `most` of the limit are out.
    #[inline]
    fn take(&self, most: impl Fn(u32) -> u32) -> Result<(), Rejected> {
        let hot = &self.hot.0;
        let mut word = self.word();
        loop {
            if word.in_flight() >= most(word.limit()) {
                hot.tally.refuse();
                return Err(Rejected::Overloaded { limit: word.limit(), in_flight: word.in_flight() });
            }
            let swap =
                hot.word.compare_exchange_weak(word.0, word.0 + 1, Ordering::Acquire, Ordering::Relaxed);
            match swap {
                Ok(_) => return Ok(()),
                Err(changed) => word = Word(changed),
            }
        }
    }

    #[inline]
    pub(super) fn finish(&self, ticket: &Ticket, verdict: Verdict, now: impl FnOnce() -> Instant) {
        self.give_back(ticket);
        match verdict {
            Verdict::Success => {
                let now = self.nanos(now());
                let latency = Duration::from_nanos(now.saturating_sub(ticket.started));
                self.count(ticket, Sample::Latency(latency), now);
            }
            Verdict::Failure(FailureKind::Throttled | FailureKind::PeerOverloaded) => {
                self.count(ticket, Sample::Overload, self.nanos(now()))
            }
            Verdict::Failure(FailureKind::Timeout) => self.count_cut(ticket, self.nanos(now())),
            // How quickly something fails says nothing about how much of it there may be.
            Verdict::Failure(_) | Verdict::Ignored => {}
        }
    }

    pub(super) fn abandon(&self, ticket: &Ticket, cut: bool, now: impl FnOnce() -> Instant) {
        self.give_back(ticket);
        let now = self.nanos(now());
        let waited = now.saturating_sub(ticket.started);
        if cut {
            self.count_cut(ticket, now);
        } else if waited > self.hot.0.average.load(Ordering::Relaxed) {
            self.count(ticket, Sample::Latency(Duration::from_nanos(waited)), now);
        }
    }

    /// Counts a call whose time was over. With less time than calls take it was bound to be cut, however little there is to do: so
    /// nobody shrinks the limit of all by deadlines that cannot be kept.
    fn count_cut(&self, ticket: &Ticket, now: u64) {
        let waited = now.saturating_sub(ticket.started);
        if waited >= self.hot.0.average.load(Ordering::Relaxed) {
            self.count(ticket, Sample::Overload, now);
        }
    }

    /// Frees what a call has held, and says nothing of how it went.
    #[inline]
    pub(super) fn give_back(&self, ticket: &Ticket) {
        let before = Word(self.hot.0.word.fetch_sub(1, Ordering::Release));
        self.hot.0.tally.saw(before.in_flight());
        if ticket.slots.is_none() {
            return;
        }
        if let Some(shares) = self.shares.get() {
            shares.remove(ticket.slots);
        }
    }

    #[inline]
    fn count(&self, ticket: &Ticket, sample: Sample, now: u64) {
        let hot = &self.hot.0;
        if ticket.started < hot.since.load(Ordering::Relaxed) {
            return;
        }
        let calls = hot.tally.count(sample);
        let is_due = now >= hot.due.load(Ordering::Relaxed);
        if (is_due && calls >= MIN_CALLS) || calls >= FULL {
            self.close(now);
        }
    }

    #[cold]
    fn close(&self, now: u64) {
        let hot = &self.hot.0;
        let mut machine = self.machine.lock();
        let calls = hot.tally.calls();
        if calls < FULL && (calls < MIN_CALLS || now < machine.due()) {
            // Another call has ended this window.
            return;
        }
        let window = hot.tally.take();
        let next = machine.close(&window, now);
        if window.samples > 0 {
            hot.average.store(nanos(window.average), Ordering::Relaxed);
        }
        hot.due.store(next.due, Ordering::Relaxed);
        if next.changed {
            hot.since.store(now, Ordering::Relaxed);
            self.resize(next.limit);
        }
    }

    pub(super) fn reconfigure(&self, config: Config) {
        let mut machine = self.machine.lock();
        machine.reconfigure(config);
        self.resize(machine.limit());
    }

    /// Under the lock of the machine. What is out stays out.
    fn resize(&self, limit: u32) {
        let word = &self.hot.0.word;
        let mut seen = self.word();
        while let Err(changed) =
            word.compare_exchange_weak(seen.0, seen.resize(limit).0, Ordering::Relaxed, Ordering::Relaxed)
        {
            seen = Word(changed);
        }
    }

    /// Whether the limit is what it was at the beginning.
    pub(super) fn is_initial(&self, limit: u32) -> bool {
        self.initial == limit
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let word = self.word();
        Snapshot { limit: word.limit(), in_flight: word.in_flight() }
    }

    /// About how many keys have calls in flight.
    #[cfg(test)]
    pub(super) fn keys_in_flight(&self) -> u64 {
        self.shares.get().map_or(0, Shares::active)
    }

    #[inline]
    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }
}
