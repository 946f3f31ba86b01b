//! Random calls, waiters, departures and resizes against a plain list.

#![cfg(not(loom))]

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{Acquired, Bulkhead, Config, Order, Permit, Waiter};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Asks for so many permits, and waits if it may.
    Acquire(u32),
    /// Asks for so many and does not wait.
    Try(u32),
    /// Gives back one that is out.
    Release(usize),
    /// Drops a waiter.
    Leave(usize),
    Resize(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4u32).prop_map(Step::Acquire),
        2 => (1..4u32).prop_map(Step::Try),
        6 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => (1..7u32).prop_map(Step::Resize),
    ]
}

/// What the rules say: a list of those who wait, and the sum of what is out.
struct Model {
    limit: u32,
    in_flight: u32,
    queue: VecDeque<(usize, u32)>,
    max_queue: usize,
    order: Order,
    /// Who was served, in order.
    served: Vec<usize>,
}

impl Model {
    fn fits(&self, weight: u32) -> bool {
        self.in_flight + weight <= self.limit
    }

    fn serve(&mut self) {
        loop {
            let head = match self.order {
                Order::Fifo => self.queue.front(),
                Order::Lifo => self.queue.back(),
            };
            let Some(&(id, weight)) = head.filter(|&&(_, weight)| self.fits(weight)) else { return };
            self.in_flight += weight;
            self.served.push(id);
            self.queue.retain(|&(other, _)| other != id);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn t0() -> Instant {
    Instant::now()
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_list(
        limit in 1..6u32,
        max_queue in 1..6u32,
        order in prop_oneof![Just(Order::Fifo), Just(Order::Lifo)],
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let config = Config::new(limit).max_wait(Duration::from_secs(1)).max_queue(max_queue).order(order);
        let bulkhead = Bulkhead::new(config);
        let mut model = Model {
            limit, in_flight: 0, queue: VecDeque::new(), max_queue: max_queue as usize, order, served: Vec::new(),
        };
        let mut permits: Vec<(u32, Permit)> = Vec::new();
        let mut waiters: Vec<(usize, u32, Waiter)> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Acquire(weight) | Step::Try(weight) => {
                    let free = model.queue.is_empty() && model.fits(weight);
                    let waits = matches!(step, Step::Acquire(_));
                    let joins = waits && weight <= model.limit && model.queue.len() < model.max_queue;
                    let acquired = if waits {
                        bulkhead.acquire(weight, t0)
                    } else {
                        bulkhead.try_acquire(weight).map(Acquired::Now)
                    };
                    match acquired {
                        Ok(Acquired::Now(permit)) => {
                            prop_assert!(free);
                            model.in_flight += weight;
                            permits.push((weight, permit));
                        }
                        Ok(Acquired::Later(waiter)) => {
                            prop_assert!(!free && joins);
                            model.queue.push_back((id, weight));
                            waiters.push((id, weight, waiter));
                            model.serve();
                        }
                        Err(_) => prop_assert!(!free && !joins),
                    }
                }
                Step::Release(at) if !permits.is_empty() => {
                    let (weight, permit) = permits.swap_remove(at % permits.len());
                    drop(permit);
                    model.in_flight -= weight;
                    model.serve();
                }
                Step::Leave(at) if !waiters.is_empty() => {
                    let (id, weight, waiter) = waiters.swap_remove(at % waiters.len());
                    drop(waiter);
                    if model.served.contains(&id) {
                        model.in_flight -= weight;
                    }
                    model.queue.retain(|&(other, _)| other != id);
                    model.serve();
                }
                Step::Resize(limit) => {
                    bulkhead.resize(limit);
                    model.limit = limit;
                    model.serve();
                }
                Step::Release(_) | Step::Leave(_) => {}
            }
            let snapshot = bulkhead.snapshot();
            prop_assert_eq!(
                (snapshot.limit, snapshot.in_flight, snapshot.waiting as usize),
                (model.limit, model.in_flight, model.queue.len())
            );
            // Every other step those who were served fetch their permits; the rest hold them unfetched.
            if id % 2 == 0 {
                let mut still = Vec::new();
                for (id, weight, mut waiter) in waiters {
                    match waiter.poll(&mut Context::from_waker(Waker::noop()), t0) {
                        Poll::Ready(served) => {
                            prop_assert!(model.served.contains(&id));
                            let served = served.map_err(|refused| TestCaseError::fail(refused.to_string()))?;
                            permits.push((weight, served.permit));
                        }
                        Poll::Pending => {
                            prop_assert!(!model.served.contains(&id));
                            still.push((id, weight, waiter));
                        }
                    }
                }
                waiters = still;
            }
        }
        drop((permits, waiters));
        prop_assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().waiting), (0, 0));
    }
}
