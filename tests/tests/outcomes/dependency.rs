//! The dependency: workers, a queue, a service time, and a schedule of faults.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use resilience_core::Rng;
use tests::time;
use tower::Service;

use crate::{
    schedule::{Mode, Schedule},
    stacks::Fault,
};

/// How long the work of a call takes, given its mean.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Half of it constant, half exponentially distributed.
    Half,
    /// Exponentially distributed.
    Exponential,
}

/// A dependency; a clone is the same one.
///
/// Who waits is served in the order of arrival, and the work is done whether the caller still waits for it or not. So it is known on
/// arrival when a call will be done, and a call is no more than a timer.
#[derive(Clone, Debug)]
pub(crate) struct Dependency(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    origin: Instant,
    schedule: Schedule,
    mean: f64,
    work: Work,
    rng: Rng,
    /// When each worker is free, in seconds: bits, because what is positive is in the same order as they are.
    workers: BinaryHeap<Reverse<u64>>,
    /// When the calls begin that have not begun yet.
    queue: VecDeque<f64>,
    seen: Seen,
}

/// What the dependency has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// When each call arrived, in seconds.
    pub(crate) arrivals: Vec<f64>,
    /// The time that each call that was served has waited.
    pub(crate) waits: Vec<f64>,
    /// The longest queue.
    pub(crate) backlog: usize,
}

impl Dependency {
    /// Must be made at the beginning of the run, within its runtime. The mean is in seconds.
    pub(crate) fn new(workers: u32, mean: f64, work: Work, schedule: Schedule, seed: u64) -> Self {
        let workers = (0..workers).map(|_| Reverse(0.0_f64.to_bits())).collect();
        Self(Arc::new(Mutex::new(State {
            origin: time::now(),
            schedule,
            mean,
            work,
            rng: Rng::from_seed(seed),
            workers,
            queue: VecDeque::new(),
            seen: Seen::default(),
        })))
    }

    pub(crate) fn seen(&self) -> Seen {
        self.0.lock().unwrap().seen.clone()
    }
}

/// What becomes of a call.
enum Fate {
    Answered { at: Instant, result: Result<(), Fault> },
    Swallowed,
}

/// As long as it takes to learn that a connection is refused.
const REFUSAL: Duration = Duration::from_millis(1);

impl State {
    fn arrive(&mut self, now: Instant) -> Fate {
        let at = (now - self.origin).as_secs_f64();
        self.seen.arrivals.push(at);
        match self.schedule.mode(at) {
            Mode::Swallows => return Fate::Swallowed,
            Mode::Refuses => return Fate::Answered { at: now + REFUSAL, result: Err(Fault::Refused) },
            Mode::Works(_) => {}
        }
        // Drawn first and always, so that the draws depend on nothing but the number of the call.
        let (work, luck) = (self.draw_work(), self.rng.unit());
        let free = self.workers.pop().map_or(0.0, |Reverse(bits)| f64::from_bits(bits));
        let begins = free.max(at);
        let done = self.schedule.done(begins, work);
        self.workers.push(Reverse(done.to_bits()));
        self.queue_up(at, begins);
        let result = if luck < self.schedule.error_rate(at) { Err(Fault::Broken) } else { Ok(()) };
        Fate::Answered { at: self.origin + Duration::from_secs_f64(done), result }
    }

    fn queue_up(&mut self, at: f64, begins: f64) {
        while self.queue.front().is_some_and(|&begins| begins <= at) {
            self.queue.pop_front();
        }
        if begins > at {
            self.queue.push_back(begins);
        }
        self.seen.backlog = self.seen.backlog.max(self.queue.len());
        self.seen.waits.push(begins - at);
    }

    fn draw_work(&mut self) -> f64 {
        let exponential = -(1.0 - self.rng.unit()).ln();
        match self.work {
            Work::Half => self.mean * (0.5 + 0.5 * exponential),
            Work::Exponential => self.mean * exponential,
        }
    }
}

impl Service<()> for Dependency {
    type Response = ();
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        match self.0.lock().unwrap().arrive(time::now()) {
            Fate::Answered { at, result } => Box::pin(async move {
                tokio::time::sleep_until(at.into()).await;
                result
            }),
            Fate::Swallowed => Box::pin(std::future::pending()),
        }
    }
}
