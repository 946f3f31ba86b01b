//! The body is polled outside of the lock, so a later attempt can begin in the middle of that.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use resilience_tower::{
    http::{ReplayBody, ReplayError},
    retry::Replay,
};

use crate::{
    Tracked, copy,
    script::{Got, Plain, Script, Step, Wakes, data, next, poll, rest, text},
};

/// What the second attempt, which begins while the first polls the body for step two, got there and gets afterwards.
struct Overlap {
    first: Got,
    inside: Vec<Got>,
    woken: usize,
    second: ReplayBody<Script>,
}

/// The first attempt has sent "one"; while it polls the body for `step`, the second begins.
fn overlap(step: Step) -> Overlap {
    type Slot = Arc<Mutex<Option<ReplayBody<Script>>>>;

    let (slot, wakes, inside) = (Slot::default(), Arc::<Wakes>::default(), Arc::<Mutex<Vec<Got>>>::default());
    let mut script = Script::new([data("one"), step, data("three")]);
    let mut polls = 0;
    script.inside = Some(Box::new({
        let (slot, wakes, inside) = (Arc::clone(&slot), Arc::clone(&wakes), Arc::clone(&inside));
        move || {
            polls += 1;
            if polls == 2 {
                let mut slot = slot.lock().unwrap();
                let second = slot.as_mut().unwrap();
                for _ in 0..2 {
                    inside.lock().unwrap().push(poll(second, &wakes));
                }
                assert_eq!(wakes.count(), 0);
            }
        }
    }));
    let mut first = ReplayBody::new(script, 100);
    *slot.lock().unwrap() = Some(copy(&first));
    assert_eq!(next(&mut first), text("one"));
    let polled = catch_unwind(AssertUnwindSafe(|| next(&mut first)));
    let second = slot.lock().unwrap().take().unwrap();
    let inside = inside.lock().unwrap().clone();
    Overlap { first: polled.unwrap_or(Got::Failed), inside, woken: wakes.count(), second }
}

#[test]
fn a_later_attempt_waits_for_what_an_earlier_one_is_just_receiving() {
    let mut overlap = overlap(data("two"));
    assert_eq!(overlap.inside, [text("one"), Got::Pending]);
    assert_eq!(overlap.first, Got::Superseded);
    assert!(overlap.woken > 0);
    assert_eq!(rest(&mut overlap.second), [text("two"), text("three"), Got::End]);
}

#[test]
fn a_later_attempt_polls_the_body_that_was_pending() {
    let mut overlap = overlap(Step::Pending);
    assert_eq!((overlap.first, overlap.woken > 0), (Got::Superseded, true));
    assert_eq!(rest(&mut overlap.second), [text("three"), Got::End]);
}

#[test]
fn a_later_attempt_is_told_of_an_error_that_an_earlier_one_got() {
    let mut overlap = overlap(Step::Fail);
    assert_eq!((overlap.first, overlap.woken > 0), (Got::Failed, true));
    assert_eq!(rest(&mut overlap.second), [Got::Incomplete]);
}

#[test]
fn a_later_attempt_does_not_wait_for_a_body_that_panicked() {
    let mut overlap = overlap(Step::Panic);
    assert_eq!((overlap.first, overlap.woken > 0), (Got::Failed, true), "the panic passes through");
    assert_eq!(rest(&mut overlap.second), [Got::Incomplete]);
}

#[test]
fn a_later_attempt_ends_where_the_body_did() {
    let slot = Arc::<Mutex<Option<ReplayBody<Script>>>>::default();
    let wakes = Arc::<Wakes>::default();
    let mut script = Script::new([]);
    script.inside = Some(Box::new({
        let (slot, wakes) = (Arc::clone(&slot), Arc::clone(&wakes));
        move || assert_eq!(poll(slot.lock().unwrap().as_mut().unwrap(), &wakes), Got::Pending)
    }));
    let mut first = ReplayBody::new(script, 100);
    *slot.lock().unwrap() = Some(copy(&first));
    assert_eq!(next(&mut first), Got::Superseded);
    assert!(wakes.count() > 0);
    assert_eq!(next(slot.lock().unwrap().as_mut().unwrap()), Got::End);
}

/// The first attempt is just receiving, the second waits for it and is already judged, and the third was promised all.
#[test]
fn a_promise_is_kept_whoever_receives() {
    let slot = Arc::<Mutex<Option<[ReplayBody<Script>; 2]>>>::default();
    let wakes = Arc::<Wakes>::default();
    let mut script = Script::new([data("one"), data("two"), data("three")]);
    let mut polls = 0;
    script.inside = Some(Box::new({
        let (slot, wakes) = (Arc::clone(&slot), Arc::clone(&wakes));
        move || {
            polls += 1;
            if polls == 2 {
                let mut slot = slot.lock().unwrap();
                let [second, third] = slot.as_mut().unwrap();
                assert_eq!((poll(second, &wakes), poll(second, &wakes)), (text("one"), Got::Pending));
                assert!(third.is_complete());
            }
        }
    }));
    let mut first = ReplayBody::new(script, 3);
    *slot.lock().unwrap() = Some([copy(&first), copy(&first)]);
    assert_eq!(next(&mut first), text("one"));
    assert_eq!(next(&mut first), Got::Superseded);
    let [mut second, mut third] = slot.lock().unwrap().take().unwrap();
    assert!(wakes.count() > 0);
    assert_eq!(next(&mut second), Got::Superseded);
    assert_eq!(rest(&mut third), [text("one"), text("two"), text("three"), Got::End]);
}

/// The later attempt, which is the last, is dropped while an earlier one is just receiving: nothing stays behind.
#[test]
fn a_body_that_nobody_can_send_is_freed_when_it_comes_back() {
    let (slot, frames) = (Arc::<Mutex<Option<ReplayBody<Plain>>>>::default(), Arc::<()>::default());
    let mut body = Plain::new([(); 3].map(|()| Bytes::from_owner(Tracked(Arc::clone(&frames)))));
    let taken = Arc::clone(&slot);
    body.inside = Some(Box::new(move || {
        if let Some(mut second) = taken.lock().unwrap().take() {
            assert_eq!(next(&mut second), Got::Pending);
        }
    }));
    let mut first = ReplayBody::new(body, 100);
    *slot.lock().unwrap() = Some(copy(&first));
    assert_eq!(next(&mut first), Got::Superseded);
    assert_eq!(Arc::strong_count(&frames), 1, "though the first is still there");
    assert_eq!(next(&mut first), Got::Superseded);
}

/// In a thread of its own, so that a deadlock is a failure.
fn must_return(what: &str, act: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        act();
        let _ = done.send(());
    });
    assert!(is_done.recv_timeout(Duration::from_secs(10)).is_ok(), "deadlock or panic: {what}");
}

type Slot = Arc<Mutex<Option<ReplayBody<Looking>>>>;

/// Two handles to a body of some frames that then waits: one that has yielded the first frame, and a fresh one. The body, its
/// frames and the wakers ask a third one, which is over.
fn looking(frames: usize, cap: usize) -> (ReplayBody<Looking>, ReplayBody<Looking>, Slot) {
    let slot = Slot::default();
    let mut asked = ReplayBody::new(Looking { left: frames, slot: Arc::clone(&slot) }, cap);
    let mut body = copy(&asked);
    let later = copy(&asked);
    assert!(!waits(&mut asked, &slot));
    assert!(!waits(&mut body, &slot), "what was kept, and the other is over");
    *slot.lock().unwrap() = Some(asked);
    (body, later, slot)
}

struct Looking {
    left: usize,
    slot: Slot,
}

/// Data that asks the shared state when it is dropped.
struct AsksOnDrop(Slot);

impl AsksOnDrop {
    fn ask(&self) {
        // `try_lock`: the test may hold the slot itself.
        if let Ok(Some(body)) = self.0.try_lock().as_deref() {
            let _ = (body.is_complete(), body.is_end_stream(), body.size_hint());
        }
    }
}

impl AsRef<[u8]> for AsksOnDrop {
    fn as_ref(&self) -> &[u8] {
        b"data"
    }
}

impl Drop for AsksOnDrop {
    fn drop(&mut self) {
        self.ask();
    }
}

impl Wake for AsksOnDrop {
    fn wake(self: Arc<Self>) {
        self.ask();
    }
}

impl Body for Looking {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        AsksOnDrop(Arc::clone(&self.slot)).ask();
        let Some(left) = self.left.checked_sub(1) else { return Poll::Pending };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(AsksOnDrop(Arc::clone(&self.slot)))))))
    }

    fn is_end_stream(&self) -> bool {
        AsksOnDrop(Arc::clone(&self.slot)).ask();
        false
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        AsksOnDrop(Arc::clone(&self.slot)).ask();
    }
}

fn waits(body: &mut ReplayBody<Looking>, slot: &Slot) -> bool {
    // The only reference to the waker is the one that is kept.
    let waker = Waker::from(Arc::new(AsksOnDrop(Arc::clone(slot))));
    Pin::new(body).poll_frame(&mut Context::from_waker(&waker)).is_pending()
}

#[test]
fn nobodys_code_runs_under_the_lock() {
    must_return("over the cap", || {
        let (mut first, second, slot) = looking(3, 8);
        assert!(!waits(&mut first, &slot) && !waits(&mut first, &slot) && !second.is_complete());
        assert!(waits(&mut first, &slot) && waits(&mut first, &slot), "a waker replaces another");
    });
    must_return("an attempt that takes over", || {
        let (mut first, mut second, slot) = looking(1, 100);
        assert!(waits(&mut first, &slot));
        assert!(!waits(&mut second, &slot), "the first is woken");
    });
    must_return("handles that are dropped", || {
        let (mut first, second, slot) = looking(2, 100);
        assert!(!waits(&mut first, &slot) && waits(&mut first, &slot));
        drop(second);
        drop(first);
    });
    must_return("handles that are dropped with what was kept for them", || {
        let (first, second, _slot) = looking(2, 100);
        drop(first);
        drop(second);
    });
}

/// Real threads: an earlier attempt is under way somewhere when the later one begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attempts_on_many_threads_send_all_and_leave_nobody_waiting() {
    for round in 0..300_u32 {
        let frames = 1 + round % 17;
        let expected: Vec<u8> = (0..frames).flat_map(u32::to_be_bytes).collect();
        let mut attempt = ReplayBody::new(Yielding { next: 0, frames, yields: true }, usize::MAX);
        let mut earlier = Vec::new();
        for _ in 0..3 {
            let later = copy(&attempt);
            earlier.push(tokio::spawn(attempt.collect()));
            tokio::task::yield_now().await;
            assert!(later.is_complete());
            attempt = later;
        }
        let sent = attempt.collect().await.unwrap().to_bytes();
        assert_eq!(sent, expected);
        for attempt in earlier {
            match attempt.await.unwrap() {
                Ok(sent) => assert_eq!(sent.to_bytes(), expected),
                Err(error) => assert!(matches!(error, ReplayError::Superseded), "{error}"),
            }
        }
    }
}

/// Numbers, each after a poll that is pending and wakes from another task.
struct Yielding {
    next: u32,
    frames: u32,
    yields: bool,
}

impl Body for Yielding {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if std::mem::replace(&mut self.yields, false) {
            let waker = cx.waker().clone();
            tokio::spawn(async move { waker.wake() });
            return Poll::Pending;
        }
        self.yields = true;
        if self.next == self.frames {
            return Poll::Ready(None);
        }
        self.next += 1;
        let number = (self.next - 1).to_be_bytes();
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&number)))))
    }
}
