//! The bulkhead layers, in paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use resilience_core::{
    Call, Context, Deadline, Error, Event, Observer, Rejected,
    bulkhead::{Config, Order},
};
use resilience_tower::{BulkheadLayer, TimeoutLayer, bulkhead::BulkheadByRequestLayer};
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Failure = Error<&'static str>;

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

/// Answers with the number of calls that began before, after as many milliseconds as it is asked for.
#[derive(Clone, Debug, Default)]
struct Begun(Arc<AtomicU32>);

impl Begun {
    fn slow(
        &self,
    ) -> impl Service<Call<u32>, Response = u32, Error = Failure, Future: Send> + Clone + Send + 'static + use<>
    {
        let begun = Arc::clone(&self.0);
        service_fn(move |call: Call<u32>| {
            let before = begun.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(*call.request() * MS).await;
                Ok(before)
            }
        })
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn slow() -> impl Service<Call<u32>, Response = u32, Error = Failure, Future: Send> + Clone + Send + 'static {
    Begun::default().slow()
}

/// A call in a task of its own that has begun, or waits, when this returns; with the time at which it ended.
async fn spawn<S>(service: &S, call: Call<u32>) -> JoinHandle<(Result<u32, Failure>, Instant)>
where
    S: Service<Call<u32>, Response = u32, Error = Failure, Future: Send> + Clone + Send + 'static,
{
    let service = service.clone();
    let task = tokio::spawn(async move { (service.oneshot(call).await, now()) });
    tokio::task::yield_now().await;
    task
}

fn refusal(result: Result<u32, Failure>) -> Rejected {
    match result {
        Err(Error::Rejected { rejected, .. }) => rejected,
        other => panic!("{other:?}"),
    }
}

fn poll_ready<S: Service<Call<u32>>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut TaskContext::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_call_too_many_is_refused_at_once_and_the_observer_hears_of_it() {
    let heard = Heard::default();
    let layer = BulkheadLayer::new(Config::new(2)).with_observer(heard.clone());
    let service = layer.layer(slow());
    let running = [spawn(&service, Call::new(10)).await, spawn(&service, Call::new(10)).await];
    let start = now();
    let rejected = Rejected::BulkheadFull { limit: 2, in_flight: 2 };
    assert_eq!(refusal(service.clone().oneshot(Call::new(1)).await), rejected);
    assert_eq!((now(), heard.events()), (start, vec![Event::BulkheadRejected(rejected)]));
    for running in running {
        assert!(running.await.unwrap().0.is_ok());
    }
    assert_eq!(layer.bulkhead().snapshot().in_flight, 0);
    assert!(service.oneshot(Call::new(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_may_wait_is_served_in_order() {
    for (order, expected) in [(Order::Fifo, [10, 20, 30]), (Order::Lifo, [30, 20, 10])] {
        let heard = Heard::default();
        let config = Config::new(1).max_wait(SECOND).max_queue(3).order(order);
        let layer = BulkheadLayer::new(config).with_observer(heard.clone());
        let service = layer.layer(slow());
        let start = now();
        let first = spawn(&service, Call::new(10)).await;
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(spawn(&service, Call::new(10)).await);
        }
        assert_eq!(layer.bulkhead().snapshot().waiting, 3);
        assert!(first.await.unwrap().0.is_ok());
        for (task, wait) in waiting.into_iter().zip(expected) {
            let (answer, end) = task.await.unwrap();
            assert!(answer.is_ok());
            assert_eq!(end - start, (wait + 10) * MS, "{order:?}");
        }
        let waited: Vec<Event> =
            [10, 20, 30].map(|wait| Event::BulkheadWaited { waited: wait * MS }).to_vec();
        assert_eq!(heard.events(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_19_a_wait_that_was_too_long_is_told_from_a_full_queue() {
    let layer = BulkheadLayer::new(Config::new(1).max_wait(50 * MS).max_queue(1));
    let service = layer.layer(slow());
    let _running = spawn(&service, Call::new(1000)).await;
    let start = now();
    let waiting = spawn(&service, Call::new(1)).await;
    assert_eq!(
        refusal(service.clone().oneshot(Call::new(1)).await),
        Rejected::BulkheadQueueFull { limit: 1, waiting: 1 }
    );
    assert_eq!(now(), start, "trap_20: a refusal that is certain is not waited for");
    let (answer, end) = waiting.await.unwrap();
    assert_eq!(refusal(answer), Rejected::BulkheadTimedOut { waited: 50 * MS, max_wait: 50 * MS });
    assert_eq!(end - start, 50 * MS);
}

#[tokio::test(start_paused = true)]
async fn trap_20_a_refusal_that_is_certain_is_not_waited_for() {
    let heavy = BulkheadByRequestLayer::weighted(Config::new(2).max_wait(SECOND), |_: &Call<u32>| 3);
    let start = now();
    let answer = heavy.layer(slow()).oneshot(Call::new(1)).await;
    assert_eq!(refusal(answer), Rejected::BulkheadFull { limit: 2, in_flight: 0 });
    assert_eq!(now(), start);
}

#[tokio::test(start_paused = true)]
async fn a_permit_wins_a_tie_with_the_end_of_the_wait() {
    let layer = BulkheadLayer::new(Config::new(1).max_wait(50 * MS));
    let service = layer.layer(slow());
    let _running = spawn(&service, Call::new(50)).await;
    let waiting = spawn(&service, Call::new(1)).await;
    assert!(waiting.await.unwrap().0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn trap_21_who_waits_does_not_hold_the_readiness_of_what_is_inside() {
    let inner = ConcurrencyLimit::new(slow(), 1);
    let layer = BulkheadLayer::new(Config::new(1).max_wait(SECOND));
    let by_request = BulkheadByRequestLayer::weighted(Config::new(1).max_wait(SECOND), |_: &Call<u32>| 1);
    let held = layer.bulkhead().try_acquire(1).unwrap();
    let mut queueing = layer.layer(inner.clone());
    assert!(poll_ready(&mut queueing).is_pending());
    let _held_too = by_request.bulkhead().try_acquire(1).unwrap();
    let mut waiting = by_request.layer(inner.clone());
    assert!(poll_ready(&mut waiting).is_ready());
    let mut response = pin!(waiting.call(Call::new(1)));
    assert!(response.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());

    let mut other = inner;
    assert!(poll_ready(&mut other).is_ready(), "the inner limit is free for others");
    drop(held);
    assert!(poll_ready(&mut queueing).is_pending(), "now it waits for that one");
    assert_eq!(layer.bulkhead().snapshot().in_flight, 1);
    drop(other);
    assert!(poll_ready(&mut queueing).is_ready());
}

#[derive(Debug, Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_22_who_waits_is_woken_by_a_permit_or_by_the_end_of_the_wait_and_by_nothing_else() {
    let layer = BulkheadLayer::new(Config::new(1).max_wait(SECOND).max_queue(2));
    let held = layer.bulkhead().try_acquire(1).unwrap();
    let mut waiting = [layer.layer(slow()), layer.layer(slow())];
    let woken: [Arc<Woken>; 2] = Default::default();
    for (service, woken) in waiting.iter_mut().zip(&woken) {
        let waker = Waker::from(Arc::clone(woken));
        assert!(Service::poll_ready(service, &mut TaskContext::from_waker(&waker)).is_pending());
    }
    let counts = || woken.each_ref().map(|woken| woken.0.load(Ordering::Relaxed));
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(counts(), [0, 0], "they spin");
    drop(held);
    assert_eq!(counts(), [1, 0]);
    tokio::time::sleep(SECOND).await;
    assert_eq!(counts()[1], 1, "its time is over");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_leaves_the_queue_and_leaks_nothing() {
    let layer = BulkheadLayer::new(Config::new(1).max_wait(SECOND).max_queue(3));
    let mut services: Vec<_> = (0..3).map(|_| layer.layer(slow())).collect();
    let held = layer.bulkhead().try_acquire(1).unwrap();
    for service in &mut services {
        assert!(poll_ready(service).is_pending());
    }
    let mut services = services.into_iter();
    drop(services.next());
    assert_eq!(layer.bulkhead().snapshot().waiting, 2);
    drop(held);
    // Served, and gone before it knew.
    drop(services.next());
    let mut last = services.next().unwrap();
    assert!(poll_ready(&mut last).is_ready());
    drop(last);
    let snapshot = layer.bulkhead().snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn trap_23_a_resize_serves_at_once_and_revokes_nothing() {
    let layer = BulkheadLayer::new(Config::new(1).max_wait(SECOND).max_queue(3));
    let service = layer.layer(slow());
    let start = now();
    let mut tasks = vec![spawn(&service, Call::new(100)).await];
    for _ in 0..2 {
        tasks.push(spawn(&service, Call::new(100)).await);
    }
    tokio::time::sleep(10 * MS).await;
    layer.bulkhead().resize(3);
    tokio::task::yield_now().await;
    assert_eq!(layer.bulkhead().snapshot().in_flight, 3);
    layer.bulkhead().resize(1);
    let ends = [100, 110, 110];
    for (task, end) in tasks.into_iter().zip(ends) {
        let (answer, ended) = task.await.unwrap();
        assert!(answer.is_ok());
        assert_eq!(ended - start, end * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_holds_no_permit_although_its_future_is_there() {
    let layer = BulkheadLayer::new(Config::new(1));
    let by_key = BulkheadByRequestLayer::keyed(Config::new(1), |_: &Call<u32>| 0);
    for fails in [false, true] {
        let inner = service_fn(move |_: Call<u32>| async move {
            if fails { Err(Failure::inner("down")) } else { Ok(()) }
        });
        let mut response = pin!(layer.layer(inner).oneshot(Call::new(1)));
        assert_eq!(response.as_mut().await.is_err(), fails);
        assert_eq!(layer.bulkhead().snapshot().in_flight, 0);
        let mut response = pin!(by_key.layer(inner).oneshot(Call::new(1)));
        assert_eq!(response.as_mut().await.is_err(), fails);
        assert_eq!(by_key.bulkhead_of(0).snapshot().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_28_all_services_of_a_layer_share_the_permits() {
    let layer = BulkheadLayer::new(Config::new(1));
    let _running = spawn(&layer.layer(slow()), Call::new(10)).await;
    let answer = layer.clone().layer(slow()).oneshot(Call::new(1)).await;
    assert_eq!(refusal(answer), Rejected::BulkheadFull { limit: 1, in_flight: 1 });
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_bulkhead_of_its_own() {
    let layer = BulkheadByRequestLayer::keyed(Config::new(1), |call: &Call<u32>| *call.request());
    let service = layer.layer(slow());
    let _running = spawn(&service, Call::new(100)).await;
    let same = service.clone().oneshot(Call::new(100)).await;
    assert_eq!(refusal(same), Rejected::BulkheadFull { limit: 1, in_flight: 1 });
    assert!(service.oneshot(Call::new(1)).await.is_ok());
    assert_eq!((layer.bulkheads().len(), layer.bulkhead_of(100).snapshot().in_flight), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_heavy_call_takes_as_many_permits_as_it_weighs() {
    let heard = Heard::default();
    let layer = BulkheadByRequestLayer::weighted(Config::new(100).max_wait(SECOND), |call: &Call<u32>| {
        *call.request()
    })
    .with_observer(heard.clone());
    let service = layer.layer(slow());
    let _running = spawn(&service, Call::new(80)).await;
    assert_eq!(layer.bulkhead().snapshot().in_flight, 80);
    let start = now();
    let (answer, end) = spawn(&service, Call::new(30)).await.await.unwrap();
    assert!(answer.is_ok());
    assert_eq!((end - start, heard.events()), (110 * MS, vec![Event::BulkheadWaited { waited: 80 * MS }]));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_of_a_call_that_has_one() {
    let layer = BulkheadByRequestLayer::keyed(Config::new(1).max_wait(SECOND), |_: &Call<u32>| 0);
    let begun = Begun::default();
    let service = layer.layer(begun.slow());
    let _running = spawn(&service, Call::new(500)).await;
    let context = Context::new().with_deadline(Deadline::after(now(), 50 * MS));
    let answer = service.clone().oneshot(Call::with_context(1, context)).await;
    assert!(
        matches!(refusal(answer), Rejected::DeadlineExceeded { limit, called: false, .. } if limit == 50 * MS)
    );
    assert_eq!((begun.count(), layer.bulkhead_of(0).snapshot().waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_limit_from_further_out_counts_the_wait() {
    let seen = Arc::new(Mutex::new(None));
    let inner = {
        let seen = Arc::clone(&seen);
        service_fn(move |call: Call<u32>| {
            *seen.lock().unwrap() = call.context().deadline().map(Deadline::at);
            async { Ok::<_, Failure>(0) }
        })
    };
    let layer = BulkheadByRequestLayer::weighted(Config::new(1).max_wait(SECOND), |_: &Call<u32>| 1);
    let held = layer.bulkhead().try_acquire(1).unwrap();
    let service = ServiceBuilder::new().layer(TimeoutLayer::attempt(SECOND)).layer(layer).service(inner);
    let start = now();
    let waiting = spawn(&service, Call::new(1)).await;
    tokio::time::sleep(20 * MS).await;
    drop(held);
    assert!(waiting.await.unwrap().0.is_ok());
    assert_eq!(*seen.lock().unwrap(), Some(start + SECOND));
}

#[cfg(feature = "http")]
mod until_body_end {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body::{Body as _, Frame, SizeHint};
    use http_body_util::BodyExt;

    use super::*;

    /// Two frames, then the end, or an error.
    struct Streaming(u32, bool);

    impl http_body::Body for Streaming {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
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
    async fn a_permit_is_held_until_the_body_has_been_read_has_failed_or_is_dropped() {
        let layer = BulkheadLayer::new(Config::new(1)).until_body_end();
        let respond = |fails| {
            service_fn(move |_: Request<()>| async move {
                Ok::<_, Error<Infallible>>(Response::new(Streaming(2, fails)))
            })
        };
        let in_flight = || layer.bulkhead().snapshot().in_flight;
        for fails in [false, true] {
            let response = layer.layer(respond(fails)).oneshot(Request::new(())).await.unwrap();
            let mut body = response.into_body();
            assert_eq!((in_flight(), body.size_hint().exact()), (1, Some(20)));
            assert!(body.frame().await.unwrap().is_ok() && body.frame().await.unwrap().is_ok());
            assert_eq!(in_flight(), 1);
            assert_eq!(body.frame().await.is_some(), fails);
            assert_eq!(in_flight(), 0, "fails: {fails}");
        }
        let response = layer.layer(respond(false)).oneshot(Request::new(())).await.unwrap();
        assert_eq!(in_flight(), 1);
        drop(response);
        assert_eq!(in_flight(), 0);
    }
}
