//! Calls that come and go, a drain that begins and is taken back, racing each other in every order that loom can find.

#![cfg(loom)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
    time::Duration,
};

use loom::thread;

use super::{End, shared::Shared};
use crate::sync::{AtomicU64, Ordering};

/// Two stripes, as for two threads that are apart.
type Lab = Arc<Shared<2>>;

fn lab() -> Lab {
    Arc::new(Shared::new(Duration::ZERO))
}

/// Not loom's: it is looked at when all threads have ended.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

fn waker() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken::default());
    (Arc::clone(&woken), Waker::from(woken))
}

#[test]
fn loom_the_last_call_wakes_who_waits_or_was_seen_to_end() {
    loom::model(|| {
        let lab = lab();
        assert!(lab.enter_on(0) && lab.enter_on(1));
        let threads = [0, 1].map(|stripe| {
            let lab = Arc::clone(&lab);
            thread::spawn(move || lab.leave(stripe))
        });
        let place = lab.begin();
        let (woken, waker) = waker();
        let mut end = lab.poll_end(&place, &waker);
        for thread in threads {
            thread.join().unwrap();
        }
        if end.is_pending() {
            assert!(woken.0.load(SeqCst), "it would sleep for ever");
            end = lab.poll_end(&place, &waker);
        }
        assert_eq!(end, Poll::Ready(End::Idle));
    });
}

#[test]
fn loom_one_who_looks_again_each_time_it_is_woken_sees_the_end() {
    loom::model(|| {
        let lab = lab();
        assert!(lab.enter_on(0) && lab.enter_on(1));
        let other = Arc::clone(&lab);
        let calls = thread::spawn(move || {
            other.leave(0);
            other.leave(1);
        });
        let place = lab.begin();
        let (first, waker_of_first) = waker();
        let (second, waker_of_second) = waker();
        let mut end = lab.poll_end(&place, &waker_of_first);
        let again = end.is_pending() && first.0.load(SeqCst);
        if again {
            end = lab.poll_end(&place, &waker_of_second);
        }
        calls.join().unwrap();
        let woken = if again { &second } else { &first };
        assert!(end.is_ready() || woken.0.load(SeqCst), "it would sleep for ever");
    });
}

#[test]
fn loom_a_call_is_refused_or_waited_for() {
    loom::model(|| {
        let lab = lab();
        let calls = [0, 1].map(|stripe| {
            let lab = Arc::clone(&lab);
            thread::spawn(move || lab.enter_on(stripe))
        });
        let place = lab.begin();
        let (_, waker) = waker();
        let idle = lab.poll_end(&place, &waker).is_ready();
        let admitted = calls.map(|call| call.join().unwrap());
        let running = admitted.iter().filter(|&&admitted| admitted).count();
        assert_eq!(lab.running(), running as u64);
        assert!(!idle || running == 0, "admitted after the end");
        assert!(!lab.enter_on(0) && !lab.enter_on(1));
    });
}

#[test]
fn loom_what_a_call_did_is_seen_after_the_end() {
    loom::model(|| {
        let lab = lab();
        assert!(lab.enter_on(1));
        let work = Arc::new(AtomicU64::new(0));
        let (other, done) = (Arc::clone(&lab), Arc::clone(&work));
        let call = thread::spawn(move || {
            done.store(1, Ordering::Relaxed);
            other.leave(1);
        });
        let place = lab.begin();
        let (_, waker) = waker();
        if lab.poll_end(&place, &waker).is_ready() {
            assert_eq!(work.load(Ordering::Relaxed), 1);
        }
        call.join().unwrap();
    });
}

#[test]
fn loom_a_drain_that_is_taken_back_wakes_who_waits() {
    loom::model(|| {
        let lab = lab();
        assert!(lab.enter_on(0));
        let place = lab.begin();
        let other = Arc::clone(&lab);
        let operator = thread::spawn(move || other.resume());
        let (woken, waker) = waker();
        let end = lab.poll_end(&place, &waker);
        operator.join().unwrap();
        assert!(end == Poll::Ready(End::Resumed) || woken.0.load(SeqCst));
        assert_eq!(lab.poll_end(&place, &waker), Poll::Ready(End::Resumed));
        assert!(lab.enter_on(1));
        assert_eq!(lab.running(), 2);
    });
}
