//! A bounded number of workers behind a queue.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::sleep_until};

use crate::clock;

/// Workers, and since when each of those that are free is.
#[derive(Debug)]
pub(super) struct Workers {
    turns: Semaphore,
    free: Mutex<Vec<Instant>>,
}

impl Workers {
    pub(super) fn new(count: u32) -> Self {
        let free = (0..count).map(|_| clock::now()).collect();
        Self { turns: Semaphore::new(count as usize), free: Mutex::new(free) }
    }

    /// Waits in line for a worker, which then needs `takes`.
    ///
    /// A worker that finds somebody waiting begins where it left off, however late its timer was: timers
    /// and a busy machine must not cost it capacity.
    pub(super) async fn work(&self, takes: Duration) {
        let arrived = clock::now();
        // Nobody closes it.
        let Ok(_turn) = self.turns.acquire().await else { return };
        let busy = self.begin(arrived, takes);
        sleep_until(busy.until.into()).await;
    }

    /// A free worker begins on what has `arrived` then.
    fn begin(&self, arrived: Instant, takes: Duration) -> Busy<'_> {
        let free_since = self.free.lock().pop().unwrap_or(arrived);
        Busy { workers: self, until: free_since.max(arrived) + takes }
    }
}

/// A worker at work. If its caller hangs up it is free at once.
struct Busy<'a> {
    workers: &'a Workers,
    until: Instant,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.workers.free.lock().push(self.until.min(clock::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Waker},
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn calls_wait_until_a_worker_is_free_and_one_is_when_a_caller_hangs_up() {
        let workers = Workers::new(2);
        let mut calls: Vec<Pin<Box<dyn Future<Output = ()>>>> =
            (0..3).map(|_| Box::pin(workers.work(LONG)) as _).collect();
        let poll = |calls: &mut Vec<Pin<Box<dyn Future<Output = ()>>>>| {
            for call in calls {
                assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            workers.free.lock().len()
        };
        assert_eq!(poll(&mut calls), 0);
        drop(calls.remove(0));
        assert_eq!(workers.free.lock().len(), 1);
        assert_eq!(poll(&mut calls), 0, "the third call has it");
        calls.clear();
        assert_eq!(workers.free.lock().len(), 2);
        assert!(workers.free.lock().iter().all(|free| *free <= clock::now()));
    }

    #[test]
    fn a_worker_begins_where_it_left_off_and_not_before_the_call_is_there() {
        let workers = Workers::new(1);
        let left_off = clock::now() - LONG;
        *workers.free.lock() = vec![left_off];
        let waiting = workers.begin(left_off - LONG, LONG / 2);
        assert_eq!(waiting.until, left_off + LONG / 2);
        drop(waiting);
        assert_eq!(*workers.free.lock(), [left_off + LONG / 2], "however late that is noticed");
        assert_eq!(workers.begin(left_off + LONG, LONG).until, left_off + 2 * LONG);
    }
}
