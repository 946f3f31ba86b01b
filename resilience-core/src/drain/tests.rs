//! What a drain does, one step after the other.

#![cfg(not(loom))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use super::{Drain, End, Snapshot, Waiter};
use crate::Rejected;

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Task(Arc<Woken>);

impl Task {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn poll(&self, waiter: &mut Waiter) -> Poll<End> {
        let waker = Waker::from(Arc::clone(&self.0));
        waiter.poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> u32 {
        self.0.0.load(Ordering::SeqCst)
    }
}

#[test]
fn calls_are_counted_and_then_refused() {
    let drain = Drain::with_retry_after(Duration::from_millis(5));
    let permits = [drain.try_acquire().unwrap(), drain.clone().try_acquire().unwrap()];
    assert_eq!(drain.snapshot(), Snapshot { draining: false, running: 2 });
    assert!(!drain.is_draining());
    let _waiter = drain.begin();
    assert!(drain.is_draining() && drain.clone().is_draining());
    let refused = drain.clone().try_acquire().unwrap_err();
    assert_eq!(refused, Rejected::Draining { retry_after: Duration::from_millis(5) });
    assert_eq!(drain.snapshot(), Snapshot { draining: true, running: 2 }, "a refused call is none");
    drop(permits);
    assert_eq!(drain.snapshot(), Snapshot { draining: true, running: 0 });
    assert_eq!(format!("{drain:?}"), "Drain { draining: true, running: 0, .. }");
}

#[test]
fn a_drain_without_calls_has_ended() {
    assert_eq!(Task::new().poll(&mut Drain::new().begin()), Poll::Ready(End::Idle));
}

#[test]
fn the_last_call_wakes_all_who_wait_and_no_other_does() {
    let drain = Drain::new();
    let [one, other] = [drain.try_acquire().unwrap(), drain.try_acquire().unwrap()];
    let tasks = [Task::new(), Task::new()];
    let mut waiters = [drain.begin(), drain.begin()];
    for (task, waiter) in tasks.iter().zip(&mut waiters) {
        assert!(task.poll(waiter).is_pending());
    }
    drop(one);
    assert_eq!(tasks.each_ref().map(Task::woken), [0, 0]);
    drop(other);
    assert_eq!(tasks.each_ref().map(Task::woken), [1, 1]);
    for (task, waiter) in tasks.iter().zip(&mut waiters) {
        assert_eq!(task.poll(waiter), Poll::Ready(End::Idle));
    }
}

#[test]
fn a_call_ends_on_any_thread_and_every_thread_refuses() {
    let drain = Drain::new();
    let here = drain.try_acquire().unwrap();
    let drain = &drain;
    let there: Vec<_> = thread::scope(|s| {
        (0..20).map(|_| s.spawn(|| drain.try_acquire().unwrap()).join().unwrap()).collect()
    });
    assert_eq!(drain.snapshot().running, 21);
    let mut waiter = drain.begin();
    let task = Task::new();
    assert!(task.poll(&mut waiter).is_pending());
    thread::scope(|s| {
        for permit in there {
            s.spawn(move || drop(permit));
            s.spawn(|| assert!(drain.try_acquire().is_err()));
        }
        s.spawn(move || drop(here));
    });
    assert!(task.woken() > 0);
    assert_eq!(task.poll(&mut waiter), Poll::Ready(End::Idle));
}

#[test]
fn the_waker_that_counts_is_the_last_and_one_who_left_has_none() {
    let drain = Drain::new();
    let permit = drain.try_acquire().unwrap();
    let [earlier, later, gone] = [Task::new(), Task::new(), Task::new()];
    let (mut waiter, mut leaver) = (drain.begin(), drain.begin());
    assert!(earlier.poll(&mut waiter).is_pending());
    assert!(later.poll(&mut waiter).is_pending());
    assert!(gone.poll(&mut leaver).is_pending());
    assert_eq!(drain.shared.waits(), 2);
    drop(leaver);
    assert_eq!(drain.shared.waits(), 1);
    drop(permit);
    assert_eq!([earlier.woken(), later.woken(), gone.woken()], [0, 1, 0]);
}

#[test]
fn calls_are_admitted_again_and_who_waits_is_told() {
    let drain = Drain::new();
    let permit = drain.try_acquire().unwrap();
    let task = Task::new();
    let mut waiter = drain.begin();
    assert!(task.poll(&mut waiter).is_pending());
    drain.resume();
    assert_eq!(task.woken(), 1);
    assert_eq!(drain.snapshot(), Snapshot { draining: false, running: 1 });
    let more = drain.try_acquire().unwrap();
    let mut next = drain.begin();
    assert_eq!(task.poll(&mut waiter), Poll::Ready(End::Resumed), "not the end of the next drain");
    assert!(task.poll(&mut next).is_pending());
    drop((permit, more));
    assert_eq!(task.poll(&mut next), Poll::Ready(End::Idle));
}

#[test]
fn to_resume_what_does_not_drain_changes_nothing() {
    let drain = Drain::new();
    drain.resume();
    assert!(drain.try_acquire().is_ok());
    let mut waiter = drain.begin();
    assert_eq!(Task::new().poll(&mut waiter), Poll::Ready(End::Idle));
    drop(waiter);
    assert!(drain.is_draining(), "who waits no more has not resumed");
}

#[test]
fn handles_know_each_other() {
    let drain = Drain::new();
    assert!(drain.is_same(&drain.clone()) && !drain.is_same(&Drain::default()));
    assert!(drain.begin().drain().is_same(&drain));
}
