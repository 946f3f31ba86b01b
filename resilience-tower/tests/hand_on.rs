//! A deadline that goes from a server's call to the calls that its handler makes, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    cell::Cell,
    future::{Future, Ready, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{self, Poll, Waker},
    time::{Duration, Instant},
};

use resilience_core::{Call, Context, Deadline, Error, Rejected};
use resilience_tower::{
    TimeoutLayer,
    call::{HandOnLayer, InheritLayer, inherited, with_deadline},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Failure = Error<&'static str>;

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn until(left: u32) -> Option<Deadline> {
    Some(Deadline::after(now(), left * MS))
}

fn call(deadline: Option<Deadline>) -> Call<u32> {
    Call::with_context(7, deadline.into_iter().fold(Context::new(), Context::with_deadline))
}

/// The deadline with which a call goes out from here.
async fn outgoing(own: Option<Deadline>) -> Option<Deadline> {
    let transport = service_fn(|call: Call<u32>| ready(Ok::<_, Failure>(call.context().deadline())));
    InheritLayer::new().layer(transport).oneshot(call(own)).await.unwrap()
}

fn poll_once<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut task::Context::from_waker(Waker::noop()))
}

/// A server whose handler lets others run, and makes a call that has `own` as its deadline.
fn server(own: Option<Deadline>) -> impl Service<Call<u32>, Response = Option<Deadline>, Error = Failure> {
    HandOnLayer::new().layer(service_fn(move |_: Call<u32>| async move {
        tokio::task::yield_now().await;
        Ok(outgoing(own).await)
    }))
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_handler_makes_takes_its_deadline_over() {
    assert_eq!(server(None).oneshot(call(until(250))).await, Ok(until(250)));
    assert_eq!(server(until(100)).oneshot(call(until(250))).await, Ok(until(100)), "its own is nearer");
    assert_eq!(server(until(900)).oneshot(call(until(250))).await, Ok(until(250)));
    assert_eq!(server(None).oneshot(call(None)).await, Ok(None));
    assert_eq!((outgoing(None).await, inherited()), (None, None), "outside there is none");
}

#[tokio::test(start_paused = true)]
async fn calls_on_one_task_do_not_mix() {
    let (first, second) = (server(None).oneshot(call(until(250))), server(None).oneshot(call(until(500))));
    assert_eq!(tokio::join!(first, second), (Ok(until(250)), Ok(until(500))));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_made_at_once_takes_it_over_too() {
    let handler = service_fn(|_: Call<u32>| ready(Ok::<_, Failure>(inherited())));
    assert_eq!(HandOnLayer::new().layer(handler).oneshot(call(until(250))).await, Ok(until(250)));
    assert_eq!(inherited(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_within_a_server_brings_it_nearer_and_never_takes_it_away() {
    for (inner, seen) in [(until(100), 100), (until(900), 250), (None, 250)] {
        let outer = HandOnLayer::new()
            .layer(service_fn(move |_: Call<u32>| async move { server(None).oneshot(call(inner)).await }));
        assert_eq!(outer.oneshot(call(until(250))).await, Ok(until(seen)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_has_it_only_if_it_is_given() {
    let handler = HandOnLayer::new().layer(service_fn(|_: Call<u32>| async {
        let lost = tokio::spawn(outgoing(None)).await.unwrap();
        let given = tokio::spawn(with_deadline(inherited(), outgoing(None))).await.unwrap();
        Ok::<_, Failure>((lost, given))
    }));
    assert_eq!(handler.oneshot(call(until(250))).await, Ok((None, until(250))));
    let nearest = with_deadline(until(100), async { with_deadline(until(300), async { inherited() }).await });
    assert_eq!(nearest.await, until(100));
    let after =
        with_deadline(until(500), async { (with_deadline(until(100), ready(())).await, inherited()) });
    assert_eq!(after.await, ((), until(500)), "what was there is there again");
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_refused_by_the_timeout_further_in() {
    let transport = service_fn(|_: Call<u32>| -> Ready<Result<(), Failure>> { panic!("sent") });
    let client = ServiceBuilder::new()
        .layer(InheritLayer::new())
        .layer(TimeoutLayer::total(900 * MS))
        .service(transport);
    let refused = with_deadline(until(0), client.oneshot(call(None))).await.unwrap_err();
    assert!(matches!(
        refused,
        Error::Rejected { rejected: Rejected::DeadlineExceeded { called: false, .. }, .. }
    ));
}

/// Notes the deadline under which it is dropped.
struct Last(Rc<Cell<Option<Deadline>>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.set(inherited());
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_runs_is_dropped_under_the_deadline_too() {
    let seen = Rc::<Cell<_>>::default();
    let last = Last(Rc::clone(&seen));
    let mut hangs = Box::pin(with_deadline(until(250), async move {
        let _last = last;
        pending::<()>().await;
    }));
    assert!(poll_once(hangs.as_mut()).is_pending());
    drop(hangs);
    assert_eq!((seen.take(), inherited()), (until(250), None), "unfinished");

    struct Holds(#[expect(dead_code, reason = "it is dropped")] Last);
    impl Future for Holds {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    let mut holds = Box::pin(with_deadline(until(250), Holds(Last(Rc::clone(&seen)))));
    assert!(poll_once(holds.as_mut()).is_ready());
    assert_eq!((seen.take(), inherited()), (until(250), None), "as soon as it has completed");
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_no_deadline_behind() {
    let mut panics = Box::pin(with_deadline(until(250), async {
        assert_eq!(inherited(), None, "on purpose");
    }));
    let polled = catch_unwind(AssertUnwindSafe(|| poll_once(panics.as_mut())));
    assert!(polled.is_err());
    assert_eq!(inherited(), None);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled after it had completed")]
async fn it_is_not_polled_again() {
    let mut done = Box::pin(with_deadline(None, ready(())));
    assert!(poll_once(done.as_mut()).is_ready());
    let _ = poll_once(done.as_mut());
}

/// An `http::Request` is not given a context for nothing.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_request_that_inherits_nothing_gets_no_context() {
    use resilience_core::CarryContext;

    let client = InheritLayer::new().layer(service_fn(|request: http::Request<()>| {
        ready(Ok::<_, Failure>(request.context().map(Context::deadline)))
    }));
    assert_eq!(client.clone().oneshot(http::Request::new(())).await, Ok(None));
    let inside = with_deadline(until(250), client.oneshot(http::Request::new(())));
    assert_eq!(inside.await, Ok(Some(until(250))));
}
