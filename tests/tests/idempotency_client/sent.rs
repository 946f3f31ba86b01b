//! What is put on a request, and noted on an answer.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use http::{HeaderName, Method, Request, Response};
use resilience_core::{
    BoxError, Call, Classify, Context, Error, FailureKind, Hint, Rejected, Verdict,
    fallback::Cause,
    idempotency::{IdempotencyKey, KeyFormat, KeyRules, OutcomeUnknown},
    retry::{GaveUp, Reason},
};
use resilience_tower::{
    CallLayer, TransportLayer,
    http::ClassifyStatus,
    idempotency::client::{ClassifyKeyed, IdempotencyKeyLayer},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

type Failed = Error<&'static str>;

const KEY: &str = "9b2d6a1e-6f1c-4d2a-8c3b-1a2b3c4d5e6f";

/// The values of a header of the request, and the context with which it arrived.
async fn sent_as(
    layer: IdempotencyKeyLayer,
    name: &'static str,
    request: Request<()>,
) -> (Vec<String>, Context) {
    let (tell, told) = std::sync::mpsc::channel();
    let service = layer.layer(service_fn(move |call: Call<Request<()>>| {
        let values = call.request().headers().get_all(name);
        let values: Vec<_> = values.iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        tell.send((values, call.context().clone())).unwrap();
        async { Ok::<_, Failed>(Response::new(())) }
    }));
    service.oneshot(Call::new(request)).await.unwrap();
    told.recv().unwrap()
}

async fn sent(layer: IdempotencyKeyLayer, request: Request<()>) -> (Vec<String>, Context) {
    sent_as(layer, "idempotency-key", request).await
}

fn post() -> Request<()> {
    Request::post("/charges").body(()).unwrap()
}

fn with_header(value: &str) -> Request<()> {
    Request::post("/charges").header("idempotency-key", value).body(()).unwrap()
}

fn since_1970() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "keys by time are made by the time of day")]
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn each_operation_gets_a_random_key_of_its_own() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (values, context) = sent(IdempotencyKeyLayer::new(), post()).await;
        let [key] = &values[..] else { panic!("{values:?}") };
        assert!(KeyRules::new().uuid_only().parse(key.as_bytes()).is_ok(), "{key}");
        assert!(!context.is_idempotent(), "nobody has said that the server honours it");
        keys.push(key.clone());
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn post_and_patch_have_keys_and_others_if_told() {
    for (method, has) in [("POST", true), ("PATCH", true), ("GET", false), ("PUT", false), ("DELETE", false)]
    {
        let request = || Request::builder().method(method).uri("/").body(()).unwrap();
        let layer = IdempotencyKeyLayer::new().server_honours_keys();
        let (values, context) = sent(layer.clone(), request()).await;
        assert_eq!((values.len() == 1, context.is_idempotent()), (has, has), "{method}");
        let (values, _) = sent(layer.methods([Method::PUT]), request()).await;
        assert_eq!(values.len() == 1, method == "PUT", "{method}");
    }
}

#[tokio::test]
async fn a_key_that_is_there_stays() {
    let (values, _) = sent(IdempotencyKeyLayer::new(), with_header("\"mine\"")).await;
    assert_eq!(values, ["\"mine\""]);

    let mut request = post();
    request.extensions_mut().insert(IdempotencyKey::new("mine, too").unwrap());
    let (values, _) = sent(IdempotencyKeyLayer::new(), request).await;
    assert_eq!(values, ["\"mine, too\""], "it cannot be written bare");

    let mut both = with_header("first");
    both.extensions_mut().insert(IdempotencyKey::new("second").unwrap());
    let (values, _) = sent(IdempotencyKeyLayer::new(), both).await;
    assert_eq!(values, ["first"]);
}

#[tokio::test]
async fn format_and_header_can_be_chosen() {
    let layer = IdempotencyKeyLayer::new().format(KeyFormat::StructuredString);
    let mut request = post();
    request.extensions_mut().insert(IdempotencyKey::new("mine").unwrap());
    let layer = layer.header(HeaderName::from_static("x-request-key"));
    assert_eq!(sent_as(layer.clone(), "x-request-key", request).await.0, ["\"mine\""]);
    assert!(sent(layer, post()).await.0.is_empty());
}

#[tokio::test]
async fn a_key_by_time_was_made_now() {
    let before = since_1970();
    let (values, _) = sent(IdempotencyKeyLayer::new().uuid_v7(), post()).await;
    let created = IdempotencyKey::new(&values[0]).unwrap().created().unwrap();
    // Cut to milliseconds.
    assert!(before < created + Duration::from_millis(1) && created <= since_1970());
}

#[tokio::test]
async fn a_server_that_honours_keys_allows_repetition_for_as_long_as_it_remembers() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let made = |ago: Duration| IdempotencyKey::uuid_v7(since_1970() - ago).as_str().to_owned();
    let layer = IdempotencyKeyLayer::new().server_honours_keys();
    for (key, left) in [
        ("mine".to_owned(), Some(23 * HOUR)),
        (made(Duration::ZERO), Some(23 * HOUR)),
        (made(22 * HOUR), Some(HOUR)),
        (made(23 * HOUR), None),
        (made(1000 * HOUR), None),
        (String::new(), None),
        ("\"\"".to_owned(), None),
        ("a, b".to_owned(), None),
    ] {
        let (_, context) = sent(layer.clone(), with_header(&key)).await;
        assert_eq!(context.is_idempotent(), left.is_some());
        let limit = context.deadline().map(|deadline| deadline.limit().as_secs_f64());
        let wanted = left.map(|left| left.as_secs_f64());
        // A test may take its time.
        assert!(limit.unwrap_or(0.0) <= wanted.unwrap_or(0.0), "{limit:?} {wanted:?}");
        assert!(limit.unwrap_or(0.0) >= wanted.unwrap_or(0.0) - 60.0, "{limit:?} {wanted:?}");
    }
    let (_, context) = sent(layer.max_key_lifetime(HOUR), with_header(&made(2 * HOUR))).await;
    assert!(!context.is_idempotent());
}

#[test]
#[should_panic = "max_key_lifetime is 0ns, it must be longer than zero"]
fn no_lifetime_is_refused() {
    let _ = IdempotencyKeyLayer::new().max_key_lifetime(Duration::ZERO);
}

/// The key of the note on an answer with this head.
async fn noted(status: u16, headers: &[(&'static str, &'static str)]) -> Option<String> {
    let headers = headers.to_vec();
    let service = IdempotencyKeyLayer::new().layer(service_fn(move |_: Request<()>| {
        let head = headers
            .iter()
            .fold(Response::builder().status(status), |head, (name, value)| head.header(*name, *value));
        async move { Ok::<_, Failed>(head.body(()).unwrap()) }
    }));
    let response = service.oneshot(with_header(KEY)).await.unwrap();
    let note = response.extensions().get::<OutcomeUnknown>();
    assert!(!format!("{response:?}").contains("9b2d"));
    note.map(|note| note.key().unwrap().as_str().to_owned())
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_the_operation_is_noted() {
    let known = Some(KEY.to_owned());
    for status in [408, 429, 500, 502, 503, 504] {
        assert_eq!(noted(status, &[]).await, known, "{status}");
    }
    assert_eq!(noted(409, &[("retry-after", "1")]).await, known);
    for status in [200, 201, 303, 400, 404, 409, 412, 422] {
        assert_eq!(noted(status, &[]).await, None, "{status}");
    }
    assert_eq!(noted(500, &[("idempotent-replayed", "true")]).await, None);
    assert_eq!(noted(500, &[("idempotent-replayed", "false")]).await, known);
}

/// The note on an error.
async fn noted_on(error: Failed, request: Request<()>) -> Option<String> {
    let service = IdempotencyKeyLayer::new()
        .layer(service_fn(move |_: Request<()>| async move { Err::<Response<()>, _>(error) }));
    let error = service.oneshot(request).await.unwrap_err();
    error.outcome_unknown().map(|note| note.key().map_or(String::new(), |key| key.as_str().to_owned()))
}

#[tokio::test]
async fn an_error_of_a_request_that_may_have_arrived_is_noted() {
    let known = Some(KEY.to_owned());
    let keyed = || with_header(KEY);
    let timeout = Rejected::AttemptTimeout { limit: Duration::ZERO, elapsed: Duration::ZERO };
    let open = Failed::from(Rejected::CircuitOpen { retry_after: None });
    assert_eq!(noted_on(Error::inner("reset"), keyed()).await, known);
    assert_eq!(noted_on(timeout.into(), keyed()).await, known);
    assert_eq!(noted_on(open, keyed()).await, None, "it was never sent");
    let mut later = open;
    resilience_core::Refusal::set_gave_up(&mut later, GaveUp { attempts: 1, reason: Reason::NotRetryable });
    assert_eq!(noted_on(later, keyed()).await, None);
    resilience_core::Refusal::set_gave_up(&mut later, GaveUp { attempts: 2, reason: Reason::NotRetryable });
    assert_eq!(noted_on(later, keyed()).await, known, "an earlier attempt was");
    assert_eq!(
        noted_on(Error::inner("reset"), with_header("a, b")).await,
        None,
        "there is no key to ask again with"
    );
    assert_eq!(
        noted_on(Error::inner("reset"), with_header("mine")).await,
        Some(String::new()),
        "its sender has it"
    );
    let get = Request::get("/").header("idempotency-key", KEY).body(()).unwrap();
    assert_eq!(noted_on(Error::inner("reset"), get).await, None);
}

#[test]
fn answers_to_keys_are_judged() {
    let judge = |status: u16, headers: &[(&str, &str)]| {
        let head = Response::builder().status(status);
        let head = headers.iter().fold(head, |head, (name, value)| head.header(*name, *value));
        let response = head.body(()).unwrap();
        let result: Result<_, &Infallible> = Ok(&response);
        let classify = ClassifyKeyed::new(ClassifyStatus);
        (classify.classify(result), classify.hint(result))
    };
    let failed = Verdict::Failure;
    let second = Some(Hint::AtLeast(Duration::from_secs(1)));
    assert_eq!(judge(409, &[("retry-after", "1")]), (failed(FailureKind::Throttled), second));
    assert_eq!(judge(409, &[]).0, failed(FailureKind::Permanent));
    assert_eq!(judge(422, &[("retry-after", "1")]).0, failed(FailureKind::Permanent));
    assert_eq!(judge(500, &[]).0, failed(FailureKind::Transient));
    for status in [500, 502, 503] {
        assert_eq!(judge(status, &[("idempotent-replayed", "true")]).0, failed(FailureKind::Fault));
    }
    assert_eq!(judge(404, &[("idempotent-replayed", "true")]).0, failed(FailureKind::Permanent));
    assert_eq!(judge(201, &[("idempotent-replayed", "true")]).0, Verdict::Success);
}

/// Notes in headers what it is told.
struct Notes;

impl Classify<Response<()>, Infallible> for Notes {
    fn classify(&self, _: Result<&Response<()>, &Infallible>) -> Verdict {
        Verdict::Ignored
    }

    fn was_sent(&self, _: Result<&Response<()>, &Infallible>) -> bool {
        false
    }

    fn annotate(&self, response: &mut Response<()>, _: GaveUp) {
        response.headers_mut().insert("gave-up", 1.into());
    }

    fn annotate_fallback(&self, response: &mut Response<()>, _: Cause) {
        response.headers_mut().insert("fallback", 1.into());
    }

    fn is_fallback(&self, response: &Response<()>) -> bool {
        response.headers().contains_key("fallback")
    }
}

#[test]
fn what_has_nothing_to_do_with_keys_is_left_to_the_other_classifier() {
    let (classify, mut response) = (ClassifyKeyed::new(Notes), Response::new(()));
    assert_eq!(classify.classify(Ok(&response)), Verdict::Ignored);
    assert!(!classify.was_sent(Ok(&response)) && !classify.is_fallback(&response));
    classify.annotate(&mut response, GaveUp { attempts: 1, reason: Reason::NotRetryable });
    classify.annotate_fallback(&mut response, Cause::Failure(FailureKind::Fault));
    assert!(response.headers().contains_key("gave-up") && classify.is_fallback(&response));
}

#[tokio::test]
async fn it_works_in_a_plain_stack_and_over_boxed_errors() {
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(TransportLayer::new())
        .service(service_fn(|request: Request<()>| async move {
            assert!(request.headers().contains_key("idempotency-key"));
            Err::<Response<()>, _>("reset")
        }));
    assert!(stack.oneshot(post()).await.unwrap_err().outcome_unknown().is_some());

    let boxed = IdempotencyKeyLayer::new()
        .layer(service_fn(|_: Request<()>| async { Err::<Response<()>, BoxError>("reset".into()) }));
    assert_eq!(boxed.oneshot(post()).await.unwrap_err().to_string(), "reset");
}

#[tokio::test]
async fn nothing_shows_the_key() {
    let service = IdempotencyKeyLayer::new().layer(service_fn(|request: Request<()>| async move {
        assert!(!format!("{request:?}").contains("sesame"), "the header is sensitive");
        Err::<Response<()>, Failed>(Error::inner("reset"))
    }));
    let mut request = post();
    request.extensions_mut().insert(IdempotencyKey::new("opensesame").unwrap());
    let future = service.oneshot(request);
    assert!(!format!("{future:?}").contains("sesame"));
    let error = future.await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sesame"));
}
