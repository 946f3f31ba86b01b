//! gRPC calls that answer once.

use std::{convert::Infallible, future::ready, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use resilience_core::{
    Classify, Hint,
    idempotency::{Ending, StoreErrorKind},
};
use resilience_tower::{
    grpc::{ClassifyCode, Methods},
    idempotency::{
        Disposition, Guard, IdempotencyLayer, OnStoreError, Settings, grpc::Grpc, http::IdempotentBody,
    },
};
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::script::{Do, Heard, SECOND, Scripted, settle};

type Body = Full<Bytes>;
type Answers = BoxBody<Bytes, Infallible>;

const BUY: &str = "/shop.Orders/Buy";

fn grpc() -> Grpc {
    Grpc::single_tenant(Methods::from(["shop.Orders/Buy"]))
}

/// A message, in the frame of gRPC.
fn message(text: &str) -> Bytes {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    Bytes::from([&[0][..], &length, text.as_bytes()].concat())
}

fn call(path: &str, key: &str, text: &str) -> Request<Body> {
    let call = Request::post(path).header("content-type", "application/grpc");
    call.header("idempotency-key", key).body(Full::new(message(text))).unwrap()
}

fn status(code: Code) -> HeaderMap {
    HeaderMap::from_iter([
        (Status::GRPC_STATUS, HeaderValue::from(code as i32)),
        ("x-metadata".parse().unwrap(), HeaderValue::from_static("there")),
    ])
}

/// A message, and the status behind it.
fn answer(text: &str, code: Code) -> Response<Answers> {
    let trailers = status(code);
    let body = Unsized(Full::new(message(text))).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// Does not say how long it is, as bodies of `tonic` do not.
struct Unsized(Body);

impl http_body::Body for Unsized {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

/// The status alone.
fn bare(code: Code) -> Response<Answers> {
    let mut response = Response::new(Body::default().boxed());
    response.headers_mut().extend(status(code));
    response
}

struct Case {
    guard: Guard<Scripted, Heard>,
    store: Scripted,
    heard: Heard,
    calls: Arc<std::sync::atomic::AtomicU32>,
    grpc: Grpc,
}

/// What a client reads.
struct Read {
    status: Status,
    message: Bytes,
    headers: HeaderMap,
    trailers: HeaderMap,
}

impl Case {
    fn new(settings: Settings, grpc: Grpc) -> Self {
        let (store, heard) = (Scripted::new(), Heard::default());
        let guard = Guard::with_observer(store.clone(), settings, heard.clone());
        Self { guard, store, heard, calls: Arc::default(), grpc }
    }

    async fn send(
        &self,
        call: Request<Body>,
        answer: impl Fn() -> Response<Answers> + Clone + Send + Sync + 'static,
    ) -> Read {
        let calls = Arc::clone(&self.calls);
        let handler = service_fn(move |request: Request<IdempotentBody<Body>>| {
            let (answer, calls) = (answer.clone(), Arc::clone(&calls));
            async move {
                calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                request.into_body().collect().await.unwrap();
                Ok::<_, Infallible>(answer())
            }
        });
        let mut service = IdempotencyLayer::new(self.guard.clone(), self.grpc.clone()).layer(handler);
        let response = service.ready().await.unwrap().call(call).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let said = if trailers.contains_key(Status::GRPC_STATUS) { &trailers } else { &parts.headers };
        let status = Status::from_header_map(said).unwrap();
        Read { status, message: body.to_bytes(), headers: parts.headers, trailers }
    }

    fn calls(&self) -> u32 {
        self.calls.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn endings(&self) -> Vec<&'static str> {
        self.heard.take().into_iter().map(Ending::as_str).collect()
    }
}

fn hint(status: &Status) -> Option<Hint> {
    ClassifyCode.hint(Err::<&(), _>(status))
}

#[tokio::test(start_paused = true)]
async fn a_result_comes_back_with_its_message_and_the_status_behind_it() {
    let case = Case::new(Settings::new(), grpc());
    let ok = || answer("bought", Code::Ok);
    let first = case.send(call(BUY, "k", "pears"), ok).await;
    let again = case.send(call(BUY, "k", "pears"), ok).await;
    for read in [&first, &again] {
        assert_eq!((read.status.code(), &read.message), (Code::Ok, &message("bought")));
        assert_eq!((&read.trailers["x-metadata"], read.trailers.len()), (&"there".parse().unwrap(), 2));
        assert_eq!(read.headers["content-type"], "application/grpc");
    }
    assert!(!first.headers.contains_key("idempotent-replayed"));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!((case.calls(), case.endings()), (1, vec!["stored", "replayed"]));
}

#[tokio::test(start_paused = true)]
async fn the_status_decides_behind_a_message_and_without_one() {
    for (code, ending) in [
        (Code::Ok, "stored"),
        (Code::NotFound, "stored"),
        (Code::Unavailable, "released"),
        (Code::PermissionDenied, "released"),
        (Code::Internal, "abandoned"),
        (Code::DeadlineExceeded, "abandoned"),
    ] {
        for answer in [answer as fn(&str, Code) -> _, |_, code| bare(code)] {
            let case = Case::new(Settings::new(), grpc());
            let read = case.send(call(BUY, "k", "pears"), move || answer("", code)).await;
            assert_eq!((read.status.code(), case.endings()), (code, vec![ending]));
            let again = case.send(call(BUY, "k", "pears"), move || answer("", code)).await;
            assert_eq!(again.status.code(), code);
            assert_eq!(case.calls(), if ending == "stored" { 1 } else { 2 });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_says_what_becomes_of_its_response() {
    let case = Case::new(Settings::new(), grpc());
    let said = || {
        let mut response = bare(Code::Internal);
        response.extensions_mut().insert(Disposition::Store);
        response
    };
    case.send(call(BUY, "k", "pears"), said).await;
    assert_eq!(case.endings(), ["stored"]);
}

#[tokio::test(start_paused = true)]
async fn methods_that_are_not_named_pass_with_their_keys() {
    let case = Case::new(Settings::new(), grpc().require_key(true));
    for path in ["/shop.Orders/Watch", "/shop.Stock/Count"] {
        for _ in 0..2 {
            case.send(call(path, "k", "pears"), || answer("", Code::Ok)).await;
        }
    }
    assert_eq!((case.calls(), case.endings()), (4, vec!["bypassed"; 4]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_is_a_status_without_a_message() {
    let case = Case::new(Settings::new(), grpc().require_key(true).max_request_body(20));
    let ok = || answer("bought", Code::Ok);
    case.send(call(BUY, "k", "pears"), ok).await;
    let mut missing = call(BUY, "k", "pears");
    missing.headers_mut().remove("idempotency-key");
    let mut two = call(BUY, "k", "pears");
    two.headers_mut().append("idempotency-key", HeaderValue::from_static("j"));
    for (call, code) in [
        (missing, Code::InvalidArgument),
        (two, Code::InvalidArgument),
        (call(BUY, "a b", "pears"), Code::InvalidArgument),
        (call(BUY, "k", "plums"), Code::InvalidArgument),
        (call(BUY, "k2", "pears and plums and more"), Code::ResourceExhausted),
    ] {
        let refused = case.send(call, ok).await;
        assert_eq!((refused.status.code(), refused.message.len(), hint(&refused.status)), (code, 0, None));
        assert_eq!(refused.headers["content-type"], "application/grpc");
        assert!(!refused.status.message().is_empty());
    }
    assert_eq!(case.calls(), 1);
    assert_eq!(case.endings(), ["stored", "missing_key", "invalid_key", "invalid_key", "mismatch"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_early_is_told_when_to_come_again() {
    let case = Arc::new(Case::new(Settings::new(), grpc()));
    let body = case.guard.clone();
    let slow = service_fn(async |_: Request<IdempotentBody<Body>>| {
        tokio::time::sleep(SECOND).await;
        Ok::<_, Infallible>(answer("", Code::Ok))
    });
    let service = IdempotencyLayer::new(body, grpc()).layer(slow);
    let running = tokio::spawn(service.oneshot(call(BUY, "k", "pears")));
    settle().await;
    let refused = case.send(call(BUY, "k", "pears"), || answer("", Code::Ok)).await;
    assert_eq!(refused.status.code(), Code::Aborted);
    assert_eq!(hint(&refused.status), Some(Hint::Exactly(SECOND)));
    let mut without = refused.headers.clone();
    without.remove("grpc-retry-pushback-ms");
    let detailed = Status::from_header_map(&without).unwrap();
    assert_eq!(hint(&detailed), Some(Hint::AtLeast(SECOND)), "in the details, too");
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_unavailable_or_passed_by() {
    for policy in [OnStoreError::Closed, OnStoreError::Open] {
        let case = Case::new(Settings::new().on_store_error(policy), grpc());
        case.store.always(Do::Fail(StoreErrorKind::Unavailable));
        let read = case.send(call(BUY, "k", "pears"), || answer("bought", Code::Ok)).await;
        if policy == OnStoreError::Open {
            assert_eq!(
                (read.status.code(), &read.headers["idempotency-status"]),
                (Code::Ok, &"unprotected".parse().unwrap())
            );
        } else {
            assert_eq!(read.status.code(), Code::Unavailable);
            assert!(
                matches!(hint(&read.status), Some(Hint::Exactly(wait)) if wait >= SECOND && wait <= 2 * SECOND)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_of_and_what_was_not_kept_are_failed_preconditions() {
    let case = Case::new(Settings::new().at_most_once(), grpc());
    case.send(call(BUY, "k", "pears"), || bare(Code::Internal)).await;
    let unknown = case.send(call(BUY, "k", "pears"), || bare(Code::Ok)).await;
    assert_eq!(unknown.status.code(), Code::FailedPrecondition);

    let case = Case::new(Settings::new(), grpc().max_stored_response(10));
    let long = || answer("much more than that", Code::Ok);
    let first = case.send(call(BUY, "k", "pears"), long).await;
    assert_eq!((first.status.code(), &first.message), (Code::Ok, &message("much more than that")));
    let again = case.send(call(BUY, "k", "pears"), long).await;
    assert_eq!((again.status.code(), case.calls()), (Code::FailedPrecondition, 1));
    assert_eq!(case.endings(), ["stored", "not_retained"]);
}

#[tokio::test(start_paused = true)]
async fn keys_belong_to_a_scope_and_nobody_has_none() {
    let scoped =
        Grpc::scoped_by(Methods::all(), |parts| Some(parts.headers.get("x-account")?.as_bytes().to_vec()));
    let case = Case::new(Settings::new(), scoped);
    let of = |account: &'static str| {
        let mut call = call(BUY, "k", "pears");
        call.headers_mut().insert("x-account", HeaderValue::from_static(account));
        call
    };
    let ok = || answer("", Code::Ok);
    for (account, calls) in [("a", 1), ("b", 2), ("a", 2)] {
        assert_eq!(case.send(of(account), ok).await.status.code(), Code::Ok);
        assert_eq!(case.calls(), calls);
    }
    assert_eq!(case.send(call(BUY, "k", "pears"), ok).await.status.code(), Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_breaks_off_and_a_panic_are_internal_and_attempted_again() {
    let case = Case::new(Settings::new(), grpc());
    let read = case.send(call(BUY, "k", "pears"), || panic!("as told")).await;
    assert_eq!((read.status.code(), case.endings()), (Code::Internal, vec!["abandoned"]));
    assert_eq!(read.headers.get("grpc-retry-pushback-ms"), None);
    let answered = case.send(call(BUY, "k", "pears"), || {
        let mut response = bare(Code::Ok);
        *response.status_mut() = StatusCode::OK;
        response
    });
    assert_eq!(answered.await.status.code(), Code::Ok);
    assert_eq!(case.calls(), 2);
}
