//! The deadline from header to context and back, to the tick, on a paused clock.

#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use resilience_core::{
    Backoff, Call, CarryContext, Context, Deadline, Error, ErrorsAreFailures, Event, Observer, Rejected,
    RetryPolicy, backoff::Jitter,
};
use resilience_tower::{
    RetryLayer, TimeoutLayer,
    http::deadline::{DeadlineHeader, ReadDeadlineLayer, WriteDeadlineLayer},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Failure = Error<&'static str>;

const MS: Duration = Duration::from_millis(1);
const DEFAULT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const GRPC: HeaderName = HeaderName::from_static("grpc-timeout");

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn request(header: &HeaderName, values: &[&str]) -> Request<()> {
    let mut request = Request::new(());
    for value in values {
        request.headers_mut().append(header, HeaderValue::from_str(value).unwrap());
    }
    request
}

/// Counts what it is told, and the limit of the last one.
#[derive(Clone, Default)]
struct Told(Arc<(AtomicU32, Mutex<Option<Duration>>)>);

impl Observer for Told {
    fn observe(&self, event: &Event) {
        let Event::DeadlineExceeded { limit, .. } = event else { panic!("{event:?}") };
        self.0.0.fetch_add(1, Ordering::SeqCst);
        *self.0.1.lock().unwrap() = Some(*limit);
    }
}

impl Told {
    fn times(&self) -> u32 {
        self.0.0.load(Ordering::SeqCst)
    }
}

/// The deadline that the inner service sees: the time until it, and what it was given.
async fn seen<O: Observer>(
    layer: ReadDeadlineLayer<O>,
    request: Request<()>,
) -> Option<(Duration, Duration)> {
    let inner = service_fn(|request: Request<()>| {
        let deadline = request.context().and_then(Context::deadline);
        ready(Ok::<_, Failure>(deadline.map(|deadline| (deadline.remaining(now()), deadline.limit()))))
    });
    layer.layer(inner).oneshot(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_time_in_the_header_becomes_the_deadline_of_the_call() {
    let layer = ReadDeadlineLayer::new();
    assert_eq!(seen(layer.clone(), request(&DEFAULT, &["250"])).await, Some((250 * MS, 250 * MS)));
    assert_eq!(seen(layer.clone(), request(&DEFAULT, &[])).await, None);
    assert_eq!(seen(layer.clone(), request(&GRPC, &["250m"])).await, None, "another header");

    let grpc = layer.clone().header(DeadlineHeader::grpc());
    assert_eq!(seen(grpc, request(&GRPC, &["1500u"])).await, Some((1500 * MS / 1000, 1500 * MS / 1000)));
    let named = HeaderName::from_static("x-budget");
    let own = layer.header(DeadlineHeader::milliseconds(named.clone()));
    assert_eq!(seen(own, request(&named, &["3"])).await, Some((3 * MS, 3 * MS)));
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_wrapper_carries_it_by_value() {
    let inner = service_fn(|call: Call<Request<()>>| {
        assert!(call.request().extensions().get::<Context>().is_none());
        ready(Ok::<_, Failure>(call.context().deadline().map(Deadline::limit)))
    });
    let call = Call::new(request(&DEFAULT, &["250"]));
    assert_eq!(ReadDeadlineLayer::new().layer(inner).oneshot(call).await, Ok(Some(250 * MS)));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_there_already_only_comes_nearer() {
    for (there, read) in [(100, 100), (900, 250)] {
        let mut request = request(&DEFAULT, &["250"]);
        request.context_mut().unwrap().tighten(Deadline::after(now(), there * MS));
        let seen = seen(ReadDeadlineLayer::new(), request).await.unwrap();
        assert_eq!(seen.0, read * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_the_maximum_is_the_maximum() {
    let hour = 3600 * 1000 * MS;
    for (layer, max) in [(ReadDeadlineLayer::new(), hour), (ReadDeadlineLayer::new().max(9 * MS), 9 * MS)] {
        for value in ["3600001", "18446744073709551615", "99999999999999999999999999"] {
            assert_eq!(seen(layer.clone(), request(&DEFAULT, &[value])).await, Some((max, max)), "{value}");
        }
        let grpc = layer.header(DeadlineHeader::grpc());
        assert_eq!(seen(grpc, request(&GRPC, &["99999999H"])).await, Some((max, max)));
    }
}

#[test]
#[should_panic(expected = "max is zero")]
fn a_maximum_of_nothing_is_refused() {
    let _ = ReadDeadlineLayer::new().max(Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_no_deadline_and_no_refusal() {
    let layer = ReadDeadlineLayer::new();
    for values in [&["-1"][..], &["soon"], &[""], &["0x10"], &["10", "20"], &["0", "0"], &["10, 20"]] {
        assert_eq!(seen(layer.clone(), request(&DEFAULT, values)).await, None, "{values:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_time_the_call_is_refused_and_the_handler_not_called() {
    let inner = service_fn(|_: Request<()>| -> Ready<Result<(), Failure>> { panic!("called") });
    let told = Told::default();
    let layer = ReadDeadlineLayer::new().with_observer(told.clone());
    let (limit, elapsed) = (Duration::ZERO, Duration::ZERO);
    let refused = layer.layer(inner).oneshot(request(&DEFAULT, &["0"])).await;
    assert_eq!(refused, Err(Rejected::DeadlineExceeded { limit, elapsed, called: false }.into()));
    assert_eq!(told.times(), 1);
    let again = layer.clone().header(DeadlineHeader::grpc());
    assert!(again.layer(inner).oneshot(request(&GRPC, &["0H"])).await.is_err());
    assert_eq!(told.times(), 2);
    assert!(seen(layer, request(&DEFAULT, &["1"])).await.is_some());
    assert_eq!(told.times(), 2, "who is let through is not told of");
}

/// The headers that were sent.
async fn sent<O: Observer>(
    layer: WriteDeadlineLayer<O>,
    request: Request<()>,
    context: Context,
) -> Result<HeaderMap, Failure> {
    let transport =
        service_fn(|call: Call<Request<()>>| ready(Ok::<_, Failure>(call.request().headers().clone())));
    layer.layer(transport).oneshot(Call::with_context(request, context)).await
}

fn until(left: Duration) -> Context {
    Context::new().with_deadline(Deadline::after(now(), left))
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_written_and_nothing_where_there_is_no_limit() {
    let layer = WriteDeadlineLayer::new();
    let headers = sent(layer.clone(), Request::new(()), until(Duration::from_micros(1999))).await.unwrap();
    assert_eq!(values(&headers, &DEFAULT), ["1"]);
    assert!(sent(layer.clone(), Request::new(()), Context::new()).await.unwrap().is_empty());

    let grpc = layer.clone().header(DeadlineHeader::grpc());
    let headers = sent(grpc, Request::new(()), until(Duration::from_micros(1999))).await.unwrap();
    assert_eq!((values(&headers, &GRPC), headers.len()), (vec!["1999u"], 1));
    let own = layer.header(DeadlineHeader::milliseconds(HeaderName::from_static("x-budget")));
    assert_eq!(sent(own, Request::new(()), until(7 * MS)).await.unwrap()["x-budget"], "7");
}

#[tokio::test(start_paused = true)]
async fn a_header_of_the_callers_stays_if_it_says_less() {
    for (there, written) in [
        (&["100"][..], "100"),
        (&["250"], "250"),
        (&["900"], "250"),
        (&["soon"], "250"),
        (&["1", "2"], "250"),
        (&["0"], "0"),
    ] {
        let request = request(&DEFAULT, there);
        let headers = sent(WriteDeadlineLayer::new(), request, until(250 * MS)).await.unwrap();
        assert_eq!(values(&headers, &DEFAULT), [written], "{there:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_attempt_binds_if_it_is_shorter() {
    for (total, attempt, written) in [(900, 200, "200"), (100, 200, "100")] {
        let mut context = until(total * MS);
        context.limit_attempt(attempt * MS);
        let headers = sent(WriteDeadlineLayer::new(), Request::new(()), context).await.unwrap();
        assert_eq!(values(&headers, &DEFAULT), [written]);
    }
    let mut alone = Context::new();
    alone.limit_attempt(40 * MS);
    let headers = sent(WriteDeadlineLayer::new(), Request::new(()), alone).await.unwrap();
    assert_eq!(values(&headers, &DEFAULT), ["40"]);
    // What an attempt timeout further in will take from the context.
    let own = until(900 * MS).with_attempt_timeout(30 * MS);
    let headers = sent(WriteDeadlineLayer::new(), Request::new(()), own).await.unwrap();
    assert_eq!(values(&headers, &DEFAULT), ["30"]);
    let mut short = until(900 * MS);
    short.limit_attempt(MS / 2);
    assert!(
        sent(WriteDeadlineLayer::new(), Request::new(()), short).await.unwrap().is_empty(),
        "it cannot be said, and is not over"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_when_the_time_is_over() {
    let transport = service_fn(|_: Call<Request<()>>| -> Ready<Result<(), Failure>> { panic!("sent") });
    let told = Told::default();
    let layer = WriteDeadlineLayer::new().with_observer(told.clone());
    let context = until(20 * MS);
    tokio::time::advance(30 * MS).await;
    let call = Call::with_context(Request::new(()), context);
    let refused = layer.layer(transport).oneshot(call).await;
    let (limit, elapsed) = (20 * MS, 30 * MS);
    assert_eq!(refused, Err(Rejected::DeadlineExceeded { limit, elapsed, called: false }.into()));
    assert_eq!((told.times(), *told.0.1.lock().unwrap()), (1, Some(limit)));
}

#[tokio::test(start_paused = true)]
async fn less_than_the_header_can_say_is_nothing() {
    let nearly = || until(Duration::from_nanos(999_999));
    assert!(sent(WriteDeadlineLayer::new(), Request::new(()), nearly()).await.is_err());
    let grpc = WriteDeadlineLayer::new().header(DeadlineHeader::grpc());
    assert_eq!(sent(grpc.clone(), Request::new(()), nearly()).await.unwrap()[GRPC], "999999n");
    assert!(sent(grpc, Request::new(()), until(Duration::ZERO)).await.is_err());
}

/// Takes 100 ms and fails; remembers what was sent.
#[derive(Clone, Default)]
struct Failing(Arc<Mutex<Vec<String>>>);

impl Failing {
    fn service(
        &self,
    ) -> impl Service<Call<Request<()>>, Response = (), Error = Failure, Future: Send> + Clone + use<> {
        let log = self.clone();
        service_fn(move |call: Call<Request<()>>| {
            let text = values(call.request().headers(), &DEFAULT).join("+");
            log.0.lock().unwrap().push(text);
            async {
                tokio::time::sleep(100 * MS).await;
                Err(Error::inner("down"))
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_says_what_is_left_when_it_is_sent() {
    let failing = Failing::default();
    let policy = RetryPolicy::new().max_attempts(5).backoff(Backoff::constant(50 * MS).jitter(Jitter::None));
    let client = ServiceBuilder::new()
        .layer(TimeoutLayer::total(1000 * MS))
        .layer(RetryLayer::new(policy).classify(ErrorsAreFailures).without_budget())
        .layer(TimeoutLayer::attempt(800 * MS))
        .layer(WriteDeadlineLayer::new())
        .service(failing.service());
    let mut get = Request::new(());
    *get.method_mut() = http::Method::GET;
    assert!(client.oneshot(Call::new(get)).await.is_err());
    assert_eq!(*failing.0.lock().unwrap(), ["800", "800", "700", "550", "400"]);
}
