//! The channel under the client's stack, around services that answer as they are told.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::VecDeque,
    error::Error as _,
    future::{pending, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use resilience_core::{
    BoxError, Call, Event, FailureKind, Observer, Rejected, RetryPolicy, circuit_breaker::Config,
    retry::Trail,
};
use resilience_tower::{
    grpc::{ClassifyChannel, Client, Methods, RequestBody, client, client_with},
    stack::{self, ClientLayer, ClientSettings, Destination},
};
use tonic::{Code, Status, TimeoutExpired, body::Body};
use tower::{Service, ServiceExt, service_fn};

/// Yields what it has, and then ends or hangs.
struct Script(VecDeque<Option<Result<Frame<Bytes>, Status>>>);

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn data(bytes: impl Into<Bytes>) -> Option<Result<Frame<Bytes>, Status>> {
    Some(Ok(Frame::data(bytes.into())))
}

fn trailers(code: &'static str) -> Option<Result<Frame<Bytes>, Status>> {
    let trailers = [("grpc-status", code), ("grpc-message", "late"), ("x-two", "a")];
    let mut trailers: HeaderMap = trailers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .collect();
    trailers.append("x-two", HeaderValue::from_static("b"));
    Some(Ok(Frame::trailers(trailers)))
}

type Frames = Vec<Option<Result<Frame<Bytes>, Status>>>;

fn answer(frames: Frames) -> Response<Body> {
    let mut answer = Response::new(Body::new(Script(frames.into())));
    answer.headers_mut().insert("x-head", HeaderValue::from_static("there"));
    answer
}

const MESSAGE: &[u8] = &[0, 0, 0, 0, 2, 7, 8];

fn call() -> Request<Body> {
    Request::post("/shop.Shop/Stock").body(Body::new(Full::new(Bytes::from_static(MESSAGE)))).unwrap()
}

/// What a unary method's answer of these frames comes to.
async fn read(frames: Frames) -> Result<Response<Body>, Status> {
    let mut frames = Some(frames);
    let channel =
        service_fn(move |_: Request<Body>| ready(Ok::<_, BoxError>(answer(frames.take().unwrap()))));
    let settings = ClientSettings::new().retry(None);
    let mut client = client_with("shop", &settings, Fixed(channel)).unwrap().unary(Methods::all());
    client.ready().await?.call(call()).await
}

/// A clone would need the frames twice; nobody makes one without retries.
struct Fixed<S>(S);

impl<S> Clone for Fixed<S> {
    fn clone(&self) -> Self {
        unreachable!("nothing is sent again")
    }
}

impl<S: Service<Req>, Req> Service<Req> for Fixed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_arrives_as_it_was() {
    let good: Frames = vec![data(&MESSAGE[..3]), data(&MESSAGE[3..]), trailers("0"), None];
    let answer = read(good).await.unwrap();
    assert_eq!(answer.headers()["x-head"], "there");
    assert!(!answer.headers().contains_key("grpc-status"));
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), MESSAGE);
    // What a proxy may have made of it.
    let body = read(vec![data(MESSAGE), None]).await.unwrap().into_body().collect().await.unwrap();
    assert!(body.trailers().is_none());
    assert_eq!(body.to_bytes(), MESSAGE);
}

#[tokio::test(start_paused = true)]
async fn a_bad_status_is_in_the_headers_then_with_all_that_came() {
    for (code, body) in [("14", vec![data(MESSAGE), trailers("14")]), ("xx", vec![trailers("xx")])] {
        let answer = read(body).await.unwrap();
        let headers = answer.headers();
        let values = ["grpc-status", "grpc-message", "x-head"].map(|name| headers[name].to_str().unwrap());
        assert_eq!(values, [code, "late", "there"]);
        assert_eq!(headers.get_all("x-two").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(http_body::Body::is_end_stream(answer.body()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_is_the_error_of_the_call() {
    let status = read(vec![data(MESSAGE), Some(Err(Status::data_loss("torn")))]).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "torn"));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_passed_on_as_it_comes() {
    const MIB: usize = 1024 * 1024;
    let long = || (0..5).map(|_| data(vec![1; MIB])).chain([data(vec![2; MIB]), trailers("14"), None]);
    let body = read(long().collect()).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "14");
    assert_eq!(body.to_bytes().len(), 6 * MIB);
    // Up to it no more is asked for than has come: the rest of this one never does.
    read((0..6).map(|_| data(vec![1; MIB])).collect()).await.unwrap();
    // Crumbs take more memory than their data.
    read((0..100_000).map(|_| data(&b"."[..])).collect()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_attempt_timeout_holds_up_to_the_status() {
    let late = read(vec![data(MESSAGE)]).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
}

/// The kinds of failures that were followed by another attempt.
#[derive(Clone, Debug, Default)]
struct Retried(Arc<Mutex<Vec<FailureKind>>>);

impl Observer for Retried {
    fn observe(&self, event: &Event) {
        if let Event::RetryScheduled { kind, .. } = event {
            self.0.lock().unwrap().push(*kind);
        }
    }
}

/// What is made of an error of the channel, and of the call that may be made again or not.
async fn failing(error: fn() -> BoxError, may_repeat: bool) -> (Vec<FailureKind>, Status) {
    let retried = Retried::default();
    let settings = ClientSettings::new().retry(RetryPolicy::new().max_attempts(2));
    let layer = ClientLayer::new("shop", &settings).unwrap().per(Destination).classify(ClassifyChannel);
    let channel = service_fn(move |_: Request<Body>| ready(Err::<Response<Body>, _>(error())));
    let client = Client::with_layer(layer.with_observer(retried.clone()), channel);
    let client = client.idempotent(if may_repeat { Methods::all() } else { Methods::none() });
    let status = client.oneshot(call()).await.unwrap_err();
    let retried = retried.0.lock().unwrap().clone();
    (retried, status)
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_channel_are_judged_and_arrive_as_tonic_reads_them() {
    let expired = || TimeoutExpired(()).into();
    let (retried, status) = failing(expired, true).await;
    assert_eq!((retried, status.code()), (vec![FailureKind::Timeout], Code::DeadlineExceeded));

    let (retried, status) = failing(|| "reset".into(), true).await;
    assert_eq!((retried, status.code()), (vec![FailureKind::Transient], Code::Unknown));
    assert!(failing(|| "reset".into(), false).await.0.is_empty());

    let nobody = || tonic::ConnectError("nobody there".into()).into();
    let (retried, status) = failing(nobody, false).await;
    assert_eq!((retried, status.code()), (vec![FailureKind::Transient], Code::Unavailable));
}

/// What `tonic` says of a call after `wait`, and what the caller hears, with an attempt timeout of 200 ms.
async fn expiring(
    wait: Duration,
    says: fn() -> Result<Response<Body>, BoxError>,
) -> Result<Response<Body>, Status> {
    let channel = service_fn(move |_: Request<Body>| async move {
        tokio::time::sleep(wait).await;
        says()
    });
    let settings = ClientSettings::new().retry(None).attempt_timeout(Duration::from_millis(200));
    client_with("shop", &settings, channel).unwrap().oneshot(call()).await
}

fn cancelled() -> Result<Response<Body>, BoxError> {
    Ok(Status::cancelled("Timeout expired").into_http())
}

fn expired() -> Result<Response<Body>, BoxError> {
    Err(TimeoutExpired(()).into())
}

/// Its timers begin a little before ours.
#[tokio::test(start_paused = true)]
async fn the_stack_says_itself_that_the_time_is_over_however_quick_tonic_is() {
    let (soon, late) = (Duration::from_millis(199), Duration::from_millis(200));
    for says in [expired, cancelled] {
        let status = expiring(late, says).await.unwrap_err();
        let refusal = status.source().and_then(|source| source.downcast_ref::<Rejected>());
        assert!(matches!(refusal, Some(Rejected::AttemptTimeout { .. })), "{status:?}");
    }
    // Before that it is a limit of the channel's own, and a server that cancels.
    let own = expiring(soon, expired).await.unwrap_err();
    assert_eq!((own.code(), own.message()), (Code::DeadlineExceeded, "Timeout expired"));
    assert_eq!(expiring(soon, cancelled).await.unwrap().headers()["grpc-status"], "1");
    assert_eq!(expiring(late, || Err("reset".into())).await.unwrap_err().code(), Code::Unknown);
}

#[tokio::test(start_paused = true)]
async fn clones_share_their_state_and_keep_what_is_said_of_methods() {
    let hangs = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, BoxError>>());
    let breaker = Config::new().consecutive_failures(2);
    let settings = ClientSettings::new().retry(None).circuit_breaker(breaker);
    let first = client_with("shop", &settings, hangs).unwrap().idempotent(["shop.Shop/Stock"]);
    for _ in 0..2 {
        assert_eq!(first.clone().oneshot(call()).await.unwrap_err().code(), Code::DeadlineExceeded);
    }
    assert_eq!(first.oneshot(call()).await.unwrap_err().code(), Code::Unavailable);

    let trail = Trail::new();
    let fails = service_fn(|_: Request<Body>| ready(Err::<Response<Body>, BoxError>("reset".into())));
    let idempotent = client("shop", fails).idempotent(["shop.Shop/Stock"]);
    let mut call = call();
    call.extensions_mut().insert(resilience_core::Context::new().with_trail(trail.clone()));
    assert_eq!(idempotent.clone().oneshot(call).await.unwrap_err().code(), Code::Unknown);
    assert_eq!(trail.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn policies_may_be_for_each_method() {
    let layer = stack::client("shop")
        .per(|call: &Call<Request<RequestBody>>| call.request().uri().path().to_owned())
        .classify(ClassifyChannel);
    let answers = service_fn(|_: Request<Body>| ready(Ok::<_, BoxError>(answer(vec![trailers("0")]))));
    let client = Client::with_layer(layer, answers);
    client.handle().policies("/shop.Shop/Stock").circuit_breaker().unwrap().force_open(now());
    assert_eq!(client.clone().oneshot(call()).await.unwrap_err().code(), Code::Unavailable);
    let mut other = call();
    *other.uri_mut() = "/shop.Shop/Watch".parse().unwrap();
    assert!(client.oneshot(other).await.is_ok());
}

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_call_is_in_debug() {
    let client = client("shop", ()).idempotent(["shop.Shop/Stock"]);
    let text = format!("{client:?}");
    assert!(text.starts_with("Client { handle: ClientHandle") && text.contains("shop.Shop/Stock"), "{text}");
}
