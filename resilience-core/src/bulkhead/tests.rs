//! Each promise on its own.

#![cfg(not(loom))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use super::{Acquired, Bulkhead, Config, Order, Permit, Served, Waiter};
use crate::{
    Rejected,
    keyed::{Entry, Worth},
};

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "a starting point for the tests")]
fn t0() -> Instant {
    Instant::now()
}

fn waiting(limit: u32) -> Config {
    Config::new(limit).max_wait(100 * MS)
}

fn join(bulkhead: &Bulkhead, weight: u32) -> Waiter {
    match bulkhead.acquire(weight, t0) {
        Ok(Acquired::Later(waiter)) => waiter,
        other => panic!("{other:?}"),
    }
}

fn fetch(waiter: &mut Waiter) -> Option<Permit> {
    match waiter.poll(&mut Context::from_waker(Waker::noop()), t0) {
        Poll::Ready(served) => Some(served.unwrap().permit),
        Poll::Pending => None,
    }
}

#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn trap_19_each_refusal_says_which_it_is_and_gives_the_figures() {
    let bulkhead = Bulkhead::new(waiting(2).max_queue(1));
    let _held = [bulkhead.try_acquire(1).unwrap(), bulkhead.try_acquire(1).unwrap()];
    assert_eq!(
        bulkhead.try_acquire(1).unwrap_err(),
        Rejected::BulkheadFull { limit: 2, in_flight: 2 },
        "who does not want to wait"
    );
    let first = join(&bulkhead, 1);
    let refused = bulkhead.acquire(1, t0).unwrap_err();
    assert_eq!(refused, Rejected::BulkheadQueueFull { limit: 2, waiting: 1 });
    let since = first.since();
    let timed_out = first.time_out(since + 100 * MS);
    assert_eq!(timed_out, Rejected::BulkheadTimedOut { waited: 100 * MS, max_wait: 100 * MS });
    assert_eq!(bulkhead.snapshot().waiting, 0);

    let impatient = Bulkhead::new(Config::new(1));
    let _held = impatient.try_acquire(1).unwrap();
    let refused = impatient.acquire(1, t0).unwrap_err();
    assert_eq!(refused, Rejected::BulkheadFull { limit: 1, in_flight: 1 }, "nobody waits here");
}

#[test]
fn who_waits_is_served_in_order_and_woken_once() {
    for (order, expected) in [(Order::Fifo, [0, 1, 2]), (Order::Lifo, [2, 1, 0])] {
        let bulkhead = Bulkhead::new(waiting(1).max_queue(3).order(order));
        let mut held = Some(bulkhead.try_acquire(1).unwrap());
        let mut waiters = [join(&bulkhead, 1), join(&bulkhead, 1), join(&bulkhead, 1)];
        let woken: [Arc<Woken>; 3] = Default::default();
        for (waiter, woken) in waiters.iter_mut().zip(&woken) {
            let waker = Waker::from(Arc::clone(woken));
            assert!(waiter.poll(&mut Context::from_waker(&waker), t0).is_pending());
        }
        for next in expected {
            drop(held.take());
            let counts: Vec<u32> = woken.iter().map(|woken| woken.0.load(Ordering::Relaxed)).collect();
            assert_eq!(counts[next], 1, "{order:?} {counts:?}");
            held = fetch(&mut waiters[next]);
            assert!(held.is_some(), "{order:?} {next}");
        }
        assert!(woken.iter().all(|woken| woken.0.load(Ordering::Relaxed) == 1), "and nobody twice");
    }
}

#[test]
fn nobody_overtakes_the_queue() {
    let bulkhead = Bulkhead::new(waiting(2));
    let held = [bulkhead.try_acquire(1).unwrap(), bulkhead.try_acquire(1).unwrap()];
    let mut heavy = join(&bulkhead, 2);
    let mut light = join(&bulkhead, 1);
    let [one, other] = held;
    drop(one);
    assert!(fetch(&mut light).is_none(), "the heavy one is first, although one is free");
    assert!(bulkhead.try_acquire(1).is_err());
    drop(other);
    let permit = fetch(&mut heavy).unwrap();
    assert!(fetch(&mut light).is_none());
    drop(permit);
    assert!(fetch(&mut light).is_some());
}

#[test]
fn what_the_limit_never_allows_is_not_waited_for() {
    let bulkhead = Bulkhead::new(waiting(2));
    assert_eq!(bulkhead.acquire(3, t0).unwrap_err(), Rejected::BulkheadFull { limit: 2, in_flight: 0 });
    let _all = bulkhead.try_acquire(2).unwrap();
    assert_eq!(bulkhead.snapshot().in_flight, 2);
}

#[test]
fn trap_23_resizing_neither_blocks_nor_revokes() {
    let bulkhead = Bulkhead::new(waiting(3));
    let held: Vec<Permit> = (0..3).map(|_| bulkhead.try_acquire(1).unwrap()).collect();
    bulkhead.resize(1);
    assert_eq!((bulkhead.snapshot().limit, bulkhead.snapshot().in_flight), (1, 3));
    let mut waiter = join(&bulkhead, 1);
    let mut held = held.into_iter();
    drop((held.next(), held.next()));
    assert!(fetch(&mut waiter).is_none(), "the surplus drains first");
    bulkhead.resize(2);
    assert!(fetch(&mut waiter).is_some(), "a higher limit serves at once");
    drop((waiter, held));
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[test]
fn a_waiter_that_leaves_makes_room_and_passes_on_what_it_was_given() {
    let bulkhead = Bulkhead::new(waiting(2).max_queue(2));
    let held = [bulkhead.try_acquire(1).unwrap(), bulkhead.try_acquire(1).unwrap()];
    let heavy = join(&bulkhead, 2);
    let mut light = join(&bulkhead, 1);
    let [one, other] = held;
    drop(one);
    drop(heavy);
    let permit = fetch(&mut light).expect("what the heavy one could not use is free for the light one");
    let (gone, mut next) = (join(&bulkhead, 1), join(&bulkhead, 1));
    drop(other);
    drop(gone);
    assert!(fetch(&mut next).is_some(), "served and never fetched");
    drop((permit, next));
    assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().waiting), (0, 0));
}

#[test]
fn a_queue_that_does_not_drain_is_shed() {
    let bulkhead = Bulkhead::new(Config::new(1).max_wait(Duration::from_secs(9)).shed_queue(true));
    let mut held = Some(bulkhead.try_acquire(1).unwrap());
    let start = t0();
    let mut ends = Vec::new();
    for n in 1..40 {
        let now = start + n * 10 * MS;
        let joined = now.checked_sub(20 * MS).unwrap();
        let Ok(Acquired::Later(mut waiter)) = bulkhead.acquire(1, || joined) else { panic!("it is full") };
        drop(held.take());
        match waiter.poll(&mut Context::from_waker(Waker::noop()), || now) {
            Poll::Ready(Ok(Served { permit, waited })) => {
                assert_eq!(waited, 20 * MS);
                held = Some(permit);
                ends.push(true);
            }
            Poll::Ready(Err(refused)) => {
                assert_eq!(refused, Rejected::BulkheadShed { waited: 20 * MS });
                assert_eq!(bulkhead.snapshot().in_flight, 0, "its permit is free again");
                held = Some(bulkhead.try_acquire(1).unwrap());
                ends.push(false);
            }
            Poll::Pending => panic!("its turn has come"),
        }
    }
    assert!(ends[..11].iter().all(|&served| served) && !ends[11], "{ends:?}");
}

#[test]
fn one_with_calls_in_it_is_worth_keeping() {
    let bulkhead = Bulkhead::new(Config::new(1));
    assert_eq!(bulkhead.worth(t0()), Worth::Nothing);
    let permit = bulkhead.try_acquire(1).unwrap();
    assert_eq!(bulkhead.worth(t0()), Worth::InForce);
    drop(permit);
    assert_eq!(bulkhead.worth(t0()), Worth::Nothing);
}

#[test]
fn settings_change_while_it_runs() {
    let bulkhead = Bulkhead::new(waiting(1).max_queue(5));
    let _held = bulkhead.try_acquire(1).unwrap();
    let _waiter = join(&bulkhead, 1);
    bulkhead.reconfigure(waiting(1).max_queue(1));
    let refused = bulkhead.acquire(1, t0).unwrap_err();
    assert_eq!(refused, Rejected::BulkheadQueueFull { limit: 1, waiting: 1 });
    assert_eq!(bulkhead.config(), waiting(1).max_queue(1));
}

#[test]
#[should_panic(expected = "max_concurrent is 0, it must be from 1 to 2147483647")]
fn no_permits_at_all_is_a_mistake() {
    let _ = Config::new(0);
}

#[test]
#[should_panic(expected = "max_concurrent is 2147483648, it must be from 1 to 2147483647")]
fn more_than_can_be_counted_is_a_mistake() {
    Bulkhead::new(Config::new(1)).resize(1 << 31);
}

#[test]
fn trap_23_threads_never_exceed_the_limit_and_nothing_is_lost() {
    const LIMIT: u32 = 3;
    let bulkhead = Bulkhead::new(Config::new(LIMIT));
    let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    if let Ok(_permit) = bulkhead.try_acquire(1) {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= LIMIT);
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}
