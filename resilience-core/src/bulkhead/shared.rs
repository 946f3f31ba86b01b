//! A bulkhead as threads share it: the word, and the queue behind a lock.
//!
//! Whoever finds room takes it with one compare-and-swap, and gives it back with one subtraction. The lock is for those who
//! wait: joining, leaving, and serving them.
//!
//! Nobody is forgotten: a waiter joins under the lock, says so in the word, and only then looks for room itself. A permit
//! that is given back before it says so is seen by that look; one that is given back after finds the queue in the word and
//! serves it. Both are changes of one word, so there is no third case.

use std::{
    task::Waker,
    time::{Duration, Instant},
};

use super::{
    Config, Snapshot,
    codel::Codel,
    queue::{Left, Number, Queue},
    word::{WAITED, Word},
};
use crate::{
    Rejected,
    nanos::nanos,
    striped::Padded,
    sync::{AtomicU64, Mutex, Ordering},
};

#[derive(Debug)]
pub(super) struct Shared {
    /// Acquire on taking, release on giving back: what a call did under its permit happened before what the next one does.
    word: Padded<AtomicU64>,
    /// The longest wait in nanoseconds, zero if nobody may wait. Relaxed: it guards nothing, and a call may go by what was in
    /// force a moment ago.
    max_wait: AtomicU64,
    waiters: Mutex<Waiters>,
}

#[derive(Debug)]
struct Waiters {
    config: Config,
    queue: Queue,
    codel: Codel,
    /// The first time that was seen.
    origin: Option<Instant>,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        let word = Word::new(config.max_concurrent).0;
        let max_wait = AtomicU64::new(wait_of(&config));
        let waiters = Waiters { config, queue: Queue::default(), codel: Codel::default(), origin: None };
        Self { word: Padded(AtomicU64::new(word)), max_wait, waiters: Mutex::new(waiters) }
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        Word(self.word.0.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn max_wait(&self) -> Duration {
        Duration::from_nanos(self.max_wait.load(Ordering::Relaxed))
    }

    /// Takes what is free, unless somebody waits for it.
    #[inline]
    pub(super) fn take(&self, weight: u32) -> bool {
        let mut word = self.word();
        loop {
            let Some(next) = word.take(weight).filter(|word| !word.is_waited()) else { return false };
            match self.replace(word, next) {
                Ok(()) => return true,
                Err(changed) => word = changed,
            }
        }
    }

    #[inline]
    fn replace(&self, word: Word, next: Word) -> Result<(), Word> {
        let swap = self.word.0.compare_exchange_weak(word.0, next.0, Ordering::Acquire, Ordering::Relaxed);
        swap.map(drop).map_err(Word)
    }

    #[inline]
    pub(super) fn give_back(&self, weight: u32) {
        let before = Word(self.word.0.fetch_sub(weight.into(), Ordering::Release));
        if before.is_waited() {
            self.serve();
        }
    }

    /// Joins the queue. It may be served by the time this returns.
    pub(super) fn join(&self, weight: u32) -> Result<Number, Rejected> {
        let (joined, wakers) = {
            let mut waiters = self.waiters.lock();
            let waiting = waiters.queue.len();
            let word = self.word();
            // What the limit never allows is not waited for, nor is anything if nobody may wait.
            if weight > word.limit() || !waiters.config.waits() {
                return Err(full(word));
            }
            if waiting >= waiters.config.max_queue as usize {
                return Err(Rejected::BulkheadQueueFull { limit: word.limit(), waiting: count(waiting) });
            }
            let number = waiters.queue.join(weight);
            self.word.0.fetch_or(WAITED, Ordering::Relaxed);
            (number, self.serve_locked(&mut waiters))
        };
        wake(wakers);
        Ok(joined)
    }

    /// Whether this waiter has been served: that long after it began to wait, or it is shed. If not, `waker` is noted.
    pub(super) fn fetch(
        &self,
        number: Number,
        weight: u32,
        waker: &mut Option<Waker>,
        since: Instant,
        now: impl FnOnce() -> Instant,
    ) -> Option<Result<Duration, Rejected>> {
        let (waited, sheds) = {
            let mut waiters = self.waiters.lock();
            if !waiters.queue.fetch(number, waker) {
                return None;
            }
            let now = now();
            let waited = now.saturating_duration_since(since);
            (waited, waiters.config.shed_queue && waiters.sheds(waited, now))
        };
        if sheds {
            self.give_back(weight);
            return Some(Err(Rejected::BulkheadShed { waited }));
        }
        Some(Ok(waited))
    }

    /// A waiter has gone: what it was given goes to the next, and so does its place.
    pub(super) fn leave(&self, number: Number, weight: u32) {
        let left = self.waiters.lock().queue.leave(number);
        match left {
            Left::Served => self.give_back(weight),
            Left::Waiting(waker) => {
                drop(waker);
                self.serve();
            }
            Left::Gone => {}
        }
    }

    pub(super) fn config(&self) -> Config {
        self.waiters.lock().config.clone()
    }

    pub(super) fn reconfigure(&self, config: Config) {
        let wakers = {
            let mut waiters = self.waiters.lock();
            let limit = config.max_concurrent;
            self.max_wait.store(wait_of(&config), Ordering::Relaxed);
            waiters.config = config;
            let mut word = self.word();
            while let Err(changed) = self.replace(word, word.resize(limit)) {
                word = changed;
            }
            self.serve_locked(&mut waiters)
        };
        wake(wakers);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let waiters = self.waiters.lock();
        let word = self.word();
        Snapshot {
            limit: word.limit(),
            in_flight: word.in_flight(),
            max_queue: if waiters.config.waits() { waiters.config.max_queue } else { 0 },
            waiting: count(waiters.queue.len()),
        }
    }

    #[cold]
    fn serve(&self) {
        let wakers = self.serve_locked(&mut self.waiters.lock());
        wake(wakers);
    }

    /// Gives out what is free in the order of the queue. The wakers are for outside of the lock.
    fn serve_locked(&self, waiters: &mut Waiters) -> Vec<Waker> {
        let order = waiters.config.order;
        let mut wakers = Vec::new();
        let mut word = self.word();
        while let Some(weight) = waiters.queue.head(order) {
            let Some(next) = word.take(weight) else { break };
            match self.replace(word, next) {
                Ok(()) => {
                    wakers.extend(waiters.queue.serve(order));
                    word = self.word();
                }
                Err(changed) => word = changed,
            }
        }
        if waiters.queue.is_empty() {
            self.word.0.fetch_and(!WAITED, Ordering::Relaxed);
        }
        wakers
    }
}

impl Waiters {
    fn sheds(&mut self, waited: Duration, now: Instant) -> bool {
        let origin = *self.origin.get_or_insert(now);
        self.codel.sheds(nanos(waited), nanos(now.saturating_duration_since(origin)))
    }
}

fn wait_of(config: &Config) -> u64 {
    if config.waits() { nanos(config.max_wait) } else { 0 }
}

pub(super) fn full(word: Word) -> Rejected {
    Rejected::BulkheadFull { limit: word.limit(), in_flight: word.in_flight() }
}

fn count(waiting: usize) -> u32 {
    u32::try_from(waiting).unwrap_or(u32::MAX)
}

fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}
