//! The drain layer, in paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, Instant},
};

use resilience_core::{Call, Drain, Error, Event, Observer, Rejected};
use resilience_tower::{
    DrainLayer,
    drain::{Drained, Stopped},
};
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Failure = Error<&'static str>;

const DRAINING: Rejected = Rejected::Draining { retry_after: SECOND };

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Answers after as many milliseconds as it is asked for.
fn slow() -> impl Service<Call<u64>, Response = u64, Error = Failure, Future: Send> + Clone + Send + 'static {
    service_fn(|call: Call<u64>| async move {
        tokio::time::sleep(Duration::from_millis(*call.request())).await;
        Ok(*call.request())
    })
}

/// A call in a task of its own that has begun when this returns.
async fn spawn<S>(service: &S, millis: u64) -> JoinHandle<Result<u64, Failure>>
where
    S: Service<Call<u64>, Response = u64, Error = Failure, Future: Send> + Clone + Send + 'static,
{
    let task = tokio::spawn(service.clone().oneshot(Call::new(millis)));
    tokio::task::yield_now().await;
    task
}

fn refusal(result: Result<u64, Failure>) -> Rejected {
    match result {
        Err(Error::Rejected { rejected, .. }) => rejected,
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_ends_and_what_comes_is_refused_at_once() {
    let heard = Heard::default();
    let layer = DrainLayer::new().with_observer(heard.clone());
    let handle = layer.handle();
    let service = layer.layer(slow());
    let running = [spawn(&service, 10).await, spawn(&service, 30).await];
    assert_eq!(handle.snapshot().running, 2);

    let start = now();
    let drained = handle.drain(SECOND);
    assert_eq!(refusal(service.clone().oneshot(Call::new(1)).await), DRAINING, "before it was polled");
    assert_eq!(now(), start);
    assert_eq!(*heard.0.lock().unwrap(), [Event::DrainRejected { retry_after: SECOND }]);

    assert_eq!(drained.await, Drained { left: 0, stopped: Stopped::Idle });
    assert_eq!(now(), start + 30 * MS, "with the last call, not with the deadline");
    let [one, other] = running;
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (Ok(10), Ok(30)));
    assert_eq!(refusal(service.oneshot(Call::new(1)).await), DRAINING, "and afterwards");
}

#[tokio::test(start_paused = true)]
async fn when_time_is_over_it_says_how_many_are_left() {
    let layer = DrainLayer::new();
    let service = layer.layer(slow());
    let _running = [spawn(&service, 10).await, spawn(&service, 500).await, spawn(&service, 500).await];
    let start = now();
    let drained = layer.handle().drain(100 * MS);
    // The limit begins when it is asked for, not when it is polled.
    tokio::time::sleep(60 * MS).await;
    assert_eq!(drained.await, Drained { left: 2, stopped: Stopped::OutOfTime });
    assert_eq!(now(), start + 100 * MS);
    assert_eq!(refusal(service.oneshot(Call::new(1)).await), DRAINING, "it drains on");
    assert_eq!(layer.handle().drain(Duration::ZERO).await, Drained { left: 2, stopped: Stopped::OutOfTime });
    assert_eq!(now(), start + 100 * MS);
    assert_eq!(layer.handle().drain(SECOND).await.stopped, Stopped::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_limit_without_end_is_none() {
    let layer = DrainLayer::new();
    let _running = spawn(&layer.layer(slow()), 100).await;
    assert_eq!(layer.handle().drain(Duration::MAX).await.stopped, Stopped::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_has_ended() {
    let layer = DrainLayer::new();
    let service = layer.layer(slow());
    let [first, last] = [spawn(&service, 500).await, spawn(&service, 500).await];
    let start = now();
    let drained = tokio::spawn(layer.handle().drain(SECOND));
    tokio::task::yield_now().await;
    first.abort();
    tokio::time::sleep(5 * MS).await;
    assert!(!drained.is_finished());
    last.abort();
    assert_eq!(drained.await.unwrap(), Drained { left: 0, stopped: Stopped::Idle });
    assert_eq!(now(), start + 5 * MS);
}

#[tokio::test(start_paused = true)]
async fn calls_are_admitted_again() {
    let layer = DrainLayer::new();
    let service = layer.layer(slow());
    let running = spawn(&service, 50).await;
    let drained = tokio::spawn(layer.handle().drain(SECOND));
    tokio::task::yield_now().await;
    layer.handle().resume();
    assert_eq!(drained.await.unwrap(), Drained { left: 1, stopped: Stopped::Resumed });
    assert_eq!(service.oneshot(Call::new(1)).await, Ok(1));
    assert_eq!(running.await.unwrap(), Ok(50));
}

#[tokio::test(start_paused = true)]
async fn a_busy_inner_service_keeps_nobody_from_being_refused() {
    let layer = DrainLayer::new();
    let service = layer.layer(ConcurrencyLimit::new(slow(), 1));
    let _running = spawn(&service, 500).await;
    let waiting = spawn(&service, 500).await;
    assert_eq!(layer.handle().snapshot().running, 1, "who waits to be ready does not run");
    let drained = layer.handle().drain(100 * MS);
    let start = now();
    assert_eq!(refusal(service.oneshot(Call::new(1)).await), DRAINING);
    assert_eq!(now(), start);
    assert_eq!(drained.await.left, 1);
    assert_eq!(refusal(waiting.await.unwrap()), DRAINING, "when its turn came");
}

/// One that was found draining in `poll_ready` has not readied the inner service, which must not be called then.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_readied_because_of_a_drain_is_refused_after_it() {
    let layer = DrainLayer::new();
    let mut service = layer.layer(ConcurrencyLimit::new(slow(), 1));
    assert_eq!(service.ready().await.unwrap().call(Call::new(1)).await, Ok(1), "its readiness is used up");
    drop(layer.handle().drain(SECOND));
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    layer.handle().resume();
    let refused = service.call(Call::new(1)).await;
    assert_eq!(refusal(refused), Rejected::Draining { retry_after: Duration::ZERO });
    assert_eq!(layer.handle().snapshot().running, 0);
    assert_eq!(service.ready().await.unwrap().call(Call::new(1)).await, Ok(1));
}

/// What was readied before stays reserved, and is used when calls are admitted again.
#[tokio::test(start_paused = true)]
async fn a_service_that_was_readied_before_the_drain_is_refused_in_it() {
    let layer = DrainLayer::new();
    let mut service = layer.layer(ConcurrencyLimit::new(slow(), 1));
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    drop(layer.handle().drain(SECOND));
    assert_eq!(refusal(service.call(Call::new(1)).await), DRAINING);
    layer.handle().resume();
    assert_eq!(service.ready().await.unwrap().call(Call::new(1)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn one_drain_for_several_layers_and_a_time_of_its_own() {
    let drain = Drain::with_retry_after(5 * SECOND);
    let [one, other] = [DrainLayer::with_drain(drain.clone()), DrainLayer::with_drain(drain.clone())];
    let running = spawn(&one.layer(slow()), 50).await;
    let drained = other.handle().drain(SECOND);
    let refused = one.clone().layer(slow()).oneshot(Call::new(1)).await;
    assert_eq!(refusal(refused), Rejected::Draining { retry_after: 5 * SECOND });
    assert!(one.drain().is_same(&drain));
    assert_eq!((drained.await.left, running.await.unwrap()), (0, Ok(50)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_inner_future_that_has_panicked() {
    let layer = DrainLayer::new();
    let service =
        layer.layer(service_fn(|_: Call<u64>| async { std::panic::resume_unwind(Box::new("as told")) }));
    let mut service = service.map_result(|result: Result<u64, Failure>| result);
    let panics = tokio::spawn(service.ready().await.unwrap().call(Call::new(1)));
    assert!(panics.await.is_err());
    assert_eq!(layer.handle().drain(SECOND).await, Drained { left: 0, stopped: Stopped::Idle });
}

#[tokio::test(start_paused = true)]
async fn debug_says_what_is_going_on() {
    let layer = DrainLayer::new();
    let mut service = layer.layer(slow());
    let text = {
        let running = pin!(service.ready().await.unwrap().call(Call::new(1)));
        assert!(format!("{running:?}").contains("Running"));
        format!("{:?}", layer.handle().drain(SECOND))
    };
    assert_eq!(text, "DrainFuture { drain: Drain { draining: true, running: 1, .. }, .. }");
}

#[cfg(feature = "http")]
mod until_body_end {
    use std::{convert::Infallible, pin::Pin};

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body::{Body as _, Frame, SizeHint};
    use http_body_util::{BodyExt, Empty};
    use resilience_tower::http::RespondLayer;

    use super::*;

    /// So many frames, then the end, or an error.
    #[derive(Default)]
    struct Streaming(u32, bool);

    impl http_body::Body for Streaming {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut TaskContext<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            if self.0 == 0 {
                return Poll::Ready(self.1.then_some(Err("reset")));
            }
            self.0 -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"0123456789")))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(u64::from(self.0) * 10)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_runs_until_its_body_has_been_read_has_failed_or_is_dropped() {
        for ends in ["read", "failed", "dropped"] {
            let layer = DrainLayer::new().until_body_end();
            let stream = service_fn(move |_: Request<()>| async move {
                Ok::<_, Error<Infallible>>(Response::new(Streaming(2, ends == "failed")))
            });
            let response = layer.layer(stream).oneshot(Request::new(())).await.unwrap();
            let mut drained = pin!(layer.handle().drain(SECOND));
            let mut cx = TaskContext::from_waker(Waker::noop());
            assert!(drained.as_mut().poll(&mut cx).is_pending(), "{ends}");
            let mut body = response.into_body();
            assert_eq!(body.size_hint().exact(), Some(20));
            if ends != "dropped" {
                assert!(body.frame().await.unwrap().is_ok() && body.frame().await.unwrap().is_ok());
                assert!(drained.as_mut().poll(&mut cx).is_pending(), "{ends}");
                assert_eq!(body.frame().await.is_some(), ends == "failed");
            } else {
                drop(body);
            }
            assert_eq!(drained.await, Drained { left: 0, stopped: Stopped::Idle }, "{ends}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_a_503_that_says_when_and_holds_nothing() {
        let layer = DrainLayer::new().until_body_end();
        let stream = service_fn(|_: Request<()>| async {
            Ok::<_, Error<Infallible>>(Response::new(Empty::<Bytes>::new()))
        });
        let server = RespondLayer::new().layer(layer.layer(stream));
        let response = server.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), layer.handle().snapshot().running),
            (200, 0),
            "it has no body"
        );
        let drained = layer.handle().drain(SECOND);
        let response = server.oneshot(Request::new(())).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["retry-after"].as_bytes()),
            (503, &b"1"[..])
        );
        assert_eq!(drained.await.stopped, Stopped::Idle);
    }
}
