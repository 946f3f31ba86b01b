//! Taking, giving back, waiting, leaving and resizing, racing each other in every order that loom can find.

#![cfg(loom)]

use std::{
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use loom::thread;

use super::{Acquired, Bulkhead, Config, Permit, Waiter};

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn now() -> Instant {
    Instant::now()
}

/// One permit, and room for two in the queue.
fn lab() -> Bulkhead {
    Bulkhead::new(Config::new(1).max_wait(Duration::from_secs(1)).max_queue(2))
}

fn waiter(bulkhead: &Bulkhead) -> Waiter {
    match bulkhead.acquire(1, now) {
        Ok(Acquired::Later(waiter)) => waiter,
        other => panic!("{other:?}"),
    }
}

fn fetch(waiter: &mut Waiter) -> Option<Permit> {
    match waiter.poll(&mut Context::from_waker(Waker::noop()), now) {
        Poll::Ready(served) => Some(served.unwrap().permit),
        Poll::Pending => None,
    }
}

#[test]
fn loom_two_callers_race_for_the_last_permit_and_one_gets_it() {
    loom::model(|| {
        let bulkhead = Bulkhead::new(Config::new(1));
        let other = bulkhead.clone();
        let thread = thread::spawn(move || other.try_acquire(1).ok());
        let here = bulkhead.try_acquire(1).ok();
        let there = thread.join().unwrap();
        assert!(here.is_some() != there.is_some());
        drop((here, there));
        assert_eq!(bulkhead.snapshot().in_flight, 0);
    });
}

#[test]
fn loom_a_permit_given_back_while_somebody_joins_the_queue_reaches_him() {
    loom::model(|| {
        let bulkhead = lab();
        let permit = bulkhead.try_acquire(1).unwrap();
        let thread = thread::spawn(move || drop(permit));
        let acquired = bulkhead.acquire(1, now).unwrap();
        thread.join().unwrap();
        match acquired {
            Acquired::Now(permit) => drop(permit),
            Acquired::Later(mut waiter) => {
                assert!(fetch(&mut waiter).is_some(), "the permit was lost on the way")
            }
        }
        assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().waiting), (0, 0));
        assert!(bulkhead.try_acquire(1).is_ok(), "and nobody is thought to wait");
    });
}

#[test]
fn loom_a_waiter_that_leaves_as_it_is_served_passes_the_permit_on() {
    loom::model(|| {
        let bulkhead = lab();
        let permit = bulkhead.try_acquire(1).unwrap();
        let first = waiter(&bulkhead);
        let mut second = waiter(&bulkhead);
        let threads = [thread::spawn(move || drop(permit)), thread::spawn(move || drop(first))];
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(fetch(&mut second).is_some());
        drop(second);
        assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().waiting), (0, 0));
    });
}

#[test]
fn loom_a_higher_limit_and_a_permit_given_back_serve_both_who_wait() {
    loom::model(|| {
        let bulkhead = lab();
        let permit = bulkhead.try_acquire(1).unwrap();
        let mut waiters = [waiter(&bulkhead), waiter(&bulkhead)];
        let other = bulkhead.clone();
        let threads = [thread::spawn(move || drop(permit)), thread::spawn(move || other.resize(2))];
        for thread in threads {
            thread.join().unwrap();
        }
        let permits: Vec<Permit> = waiters.iter_mut().filter_map(fetch).collect();
        assert_eq!(permits.len(), 2);
        drop(permits);
        assert_eq!(bulkhead.snapshot().in_flight, 0);
    });
}

#[test]
fn loom_a_newcomer_does_not_take_what_a_waiter_is_owed() {
    loom::model(|| {
        let bulkhead = lab();
        let permit = bulkhead.try_acquire(1).unwrap();
        let mut waiter = waiter(&bulkhead);
        let other = bulkhead.clone();
        let newcomer = thread::spawn(move || other.try_acquire(1).is_ok());
        drop(permit);
        assert!(fetch(&mut waiter).is_some(), "it had waited");
        // It got a permit only if the waiter had fetched and dropped its own before.
        let _ = newcomer.join().unwrap();
        assert_eq!(bulkhead.snapshot().in_flight, 0);
    });
}
