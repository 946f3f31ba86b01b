//! Requests, from the header with the key to the handler or the refusal.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use resilience_core::idempotency::{FingerprintSecret, IdempotencyKey, KeyRules, StoreErrorKind};
use resilience_tower::idempotency::{
    IdempotencyContext, IdempotencyLayer, OnStoreError, Settings,
    http::{Http, IdempotentBody},
};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    http::{Answer, Body, Server, keyed, post},
    script::{Do, MS, Op, SECOND, settle},
};

fn single() -> Http {
    Http::single_tenant()
}

#[tokio::test(start_paused = true)]
async fn the_second_request_gets_the_answer_of_the_first() {
    let server = Server::new(single());
    let first = server.post("abc", "one").await;
    let second = server.post("abc", "one").await;
    assert_eq!((first.status, first.is_replayed(), &*first.body), (201, false, &b"one"[..]));
    assert_eq!((second.status, second.is_replayed(), &*second.body), (201, true, &b"one"[..]));
    assert_eq!(second.length, Some(3));
    assert_eq!(server.calls(), 1);
    assert_eq!(server.endings(), ["stored", "replayed"]);
}

#[tokio::test(start_paused = true)]
async fn post_and_patch_are_guarded_and_keys_of_others_are_ignored() {
    let server = Server::new(single());
    for (method, calls) in [("POST", 1), ("PATCH", 1), ("GET", 2), ("PUT", 2), ("DELETE", 2), ("HEAD", 2)] {
        let before = server.calls();
        for _ in 0..2 {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = server.send(keyed(method.clone(), "/a", &[method.as_str()], "")).await;
            assert_eq!(answer.status, 201);
        }
        assert_eq!(server.calls() - before, calls, "{method}");
    }
    let server = Server::new(single().methods([Method::PUT]));
    for _ in 0..2 {
        server.send(keyed(Method::PUT, "/a", &["k"], "")).await;
        server.send(keyed(Method::POST, "/a", &["k"], "")).await;
    }
    assert_eq!(server.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_it_passes_unless_one_is_required() {
    let server = Server::new(single());
    for _ in 0..2 {
        assert_eq!(server.send(keyed(Method::POST, "/a", &[], "x")).await.status, 201);
    }
    assert_eq!((server.calls(), server.store.count(Op::Begin)), (2, 0));
    assert_eq!(server.endings(), ["bypassed", "bypassed"]);

    let server = Server::new(single().require_key(true));
    let missing = server.send(keyed(Method::POST, "/a", &[], "x")).await;
    assert_eq!((missing.status, missing.code()), (400, "missing-key".to_owned()));
    assert_eq!(server.send(keyed(Method::GET, "/a", &[], "")).await.status, 201);
    assert_eq!((server.calls(), server.endings()), (1, vec!["missing_key", "bypassed"]));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_be_used_is_refused_and_never_ignored() {
    let server = Server::new(single());
    let long = "x".repeat(256);
    for keys in [&[""][..], &["a b"], &["a,b"], &["\"a"], &[&long], &["a", "b"], &["a", "a"]] {
        let refused = server.send(keyed(Method::POST, "/a", keys, "")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid-key".to_owned()), "{keys:?}");
        assert!(keys.iter().all(|key| key.is_empty() || *key == "a" || !contains(&refused.body, key)));
    }
    assert_eq!(server.calls(), 0);
    assert_eq!(server.endings(), ["invalid_key"; 7]);

    let strict = Server::new(single().keys(KeyRules::new().strict()));
    assert_eq!(strict.post("abc", "").await.code(), "invalid-key");
    assert_eq!(strict.post("\"abc\"", "").await.status, 201);
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn bare_and_quoted_are_the_same_key() {
    let server = Server::new(single());
    server.post("abc", "").await;
    assert!(server.post("\"abc\";v=1", "").await.is_replayed());
}

#[tokio::test(start_paused = true)]
async fn trap_36_the_same_key_for_something_else_is_refused() {
    let server = Server::new(single());
    server.post("k", "one").await;
    let mut other_type = post("k", "one");
    other_type.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    for request in [
        post("k", "two"),
        other_type,
        keyed(Method::POST, "/orders?dry=0", &["k"], "one"),
        keyed(Method::POST, "/orders", &["k"], "one"),
        keyed(Method::POST, "/refunds?dry=1", &["k"], "one"),
        keyed(Method::PATCH, "/orders?dry=1", &["k"], "one"),
    ] {
        let refused = server.send(request).await;
        assert_eq!((refused.status, refused.code()), (422, "key-reused".to_owned()));
        assert_eq!(refused.header("retry-after"), None);
    }
    assert_eq!(server.calls(), 1);
    assert!(server.post("k", "one").await.is_replayed());
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_for_each_route() {
    let server = Server::new(single().per_route_keys(true));
    server.post("k", "one").await;
    assert_eq!(server.send(keyed(Method::POST, "/refunds?dry=1", &["k"], "one")).await.status, 201);
    assert_eq!(server.send(keyed(Method::PATCH, "/orders?dry=1", &["k"], "one")).await.status, 201);
    assert_eq!(server.send(keyed(Method::POST, "/orders?dry=0", &["k"], "one")).await.code(), "key-reused");
    assert_eq!(server.calls(), 3);
}

#[derive(Clone)]
struct Tenant(&'static str);

fn of(tenant: &'static str, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(Tenant(tenant));
    request
}

#[tokio::test(start_paused = true)]
async fn each_scope_has_keys_of_its_own_and_nobody_has_none() {
    let server = Server::new(Http::scoped_by(|parts| Some(parts.extensions.get::<Tenant>()?.0)));
    server.send(of("a", post("k", "of a"))).await;
    let of_b = server.send(of("b", post("k", "of b"))).await;
    assert_eq!((of_b.status, &*of_b.body), (201, &b"of b"[..]));
    assert!(server.send(of("a", post("k", "of a"))).await.is_replayed());
    for nobody in [post("k", "of a"), of("", post("k", "of a"))] {
        let refused = server.send(nobody).await;
        assert_eq!((refused.status, refused.code()), (500, "unknown-scope".to_owned()));
    }
    assert_eq!(server.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn services_that_share_a_store_have_namespaces() {
    let server = Server::new(single().namespace("a"));
    server.post("k", "one").await;
    let handler = service_fn(async |_: Request<IdempotentBody<Body>>| {
        Ok::<_, std::convert::Infallible>(Response::new(Body::default()))
    });
    for (namespace, is_replayed) in [("b", false), ("a", true)] {
        let other = IdempotencyLayer::new(server.guard.clone(), single().namespace(namespace)).layer(handler);
        let answer = Answer::read(other.oneshot(post("k", "one")).await.unwrap()).await;
        assert_eq!(answer.is_replayed(), is_replayed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_covered_passes_with_its_key() {
    let server = Server::new(single().require_key(true).covers(|parts| parts.uri.path() != "/events"));
    for keys in [&[][..], &["k"], &["k"], &["a", "b"]] {
        assert_eq!(server.send(keyed(Method::POST, "/events", keys, "x")).await.status, 201);
    }
    assert_eq!((server.calls(), server.store.count(Op::Begin)), (4, 0));
    assert_eq!(server.send(keyed(Method::POST, "/a", &[], "x")).await.code(), "missing-key");
}

#[tokio::test(start_paused = true)]
async fn the_header_may_have_another_name() {
    let server = Server::new(
        single()
            .header(HeaderName::from_static("x-operation"))
            .replayed_header(HeaderName::from_static("x-again")),
    );
    let request = || Request::post("/a").header("x-operation", "k").body(Body::default()).unwrap();
    server.send(request()).await;
    assert_eq!(server.send(request()).await.header("x-again"), Some("true"));
    server.post("k", "").await;
    assert_eq!(server.calls(), 2, "the usual name means nothing then");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_older_than_results_are_kept_is_refused() {
    let server = Server::new(single().max_key_age(Duration::from_secs(3600)));
    let old = IdempotencyKey::uuid_v7(Duration::from_secs(1_600_000_000));
    let refused = server.post(old.as_str(), "").await;
    assert_eq!((refused.status, refused.code()), (412, "key-expired".to_owned()));
    assert_eq!((server.calls(), server.endings()), (0, vec!["invalid_key"]));
    assert_eq!(server.post(IdempotencyKey::random().as_str(), "").await.status, 201);
}

/// A body that counts how much is read of it.
struct Counted {
    frames: u32,
    polled: Arc<AtomicU32>,
    says: SizeHint,
    fails: bool,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.polled.fetch_add(1, Ordering::SeqCst);
        if self.frames == 0 {
            return Poll::Ready(self.fails.then_some(Err("cut")));
        }
        self.frames -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 100])))))
    }

    fn size_hint(&self) -> SizeHint {
        self.says
    }
}

/// Status and code of the answer, whether the handler was called, and how often the body was polled.
async fn send_counted(http: Http, frames: u32, says: SizeHint, fails: bool) -> (u16, String, u32) {
    let polled = Arc::<AtomicU32>::default();
    let body = Counted { frames, polled: Arc::clone(&polled), says, fails };
    let handler = service_fn(async |request: Request<IdempotentBody<Counted>>| {
        let read = request.into_body().collect().await.map(|body| body.to_bytes().len());
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(format!("{read:?}"))))
    });
    let guard = Server::new(single()).guard;
    let service = IdempotencyLayer::new(guard, http).layer(handler);
    let request = Request::post("/a").header("idempotency-key", "k").body(body).unwrap();
    let answer = Answer::read(service.oneshot(request).await.unwrap()).await;
    let text =
        if answer.status == 200 { String::from_utf8(answer.body.to_vec()).unwrap() } else { answer.code() };
    (answer.status, text, polled.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn trap_37_a_body_is_read_to_its_limit_and_no_further() {
    let http = || single().max_request_body(1000);
    let unknown = SizeHint::new;
    assert_eq!(send_counted(http(), 10, unknown(), false).await, (200, "Ok(1000)".to_owned(), 11));
    assert_eq!(
        send_counted(http(), 1_000_000, unknown(), false).await,
        (413, "body-too-large".to_owned(), 11)
    );
    let says = SizeHint::with_exact(1001);
    assert_eq!(
        send_counted(http(), 11, says, false).await,
        (413, "body-too-large".to_owned(), 0),
        "not read at all"
    );
    let default = single();
    assert_eq!(send_counted(default.clone(), 10_485, unknown(), false).await.0, 200, "1 MiB");
    assert_eq!(send_counted(default, 10_486, unknown(), false).await.0, 413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_refused() {
    let cut = send_counted(single(), 3, SizeHint::new(), true).await;
    assert_eq!((cut.0, cut.1), (400, "body-unreadable".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_stream_past_the_fingerprint() {
    let head_only = || single().fingerprint_head_only(true).max_request_body(10);
    assert_eq!(send_counted(head_only(), 20, SizeHint::new(), false).await.1, "Ok(2000)");
    let server = Server::new(head_only());
    server.post("k", "one").await;
    assert!(server.post("k", "two").await.is_replayed());
    assert_eq!(server.send(keyed(Method::POST, "/other", &["k"], "")).await.code(), "key-reused");
}

#[tokio::test(start_paused = true)]
async fn what_of_a_body_counts_may_be_said_and_hashed_with_a_secret() {
    let http = single().fingerprint(|_, body| body.to_ascii_lowercase());
    let server = Server::new(http.fingerprint_secret(FingerprintSecret::new([7; 32])));
    server.post("k", "One").await;
    assert!(server.post("k", "oNE").await.is_replayed());
    assert_eq!(server.post("k", "two").await.code(), "key-reused");
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_body_headers_and_the_context_of_its_run() {
    let server = Server::new(single());
    server.post("k", "text").await;
    let (parts, body) = server.last();
    let run = parts.extensions.get::<IdempotencyContext>().unwrap();
    assert_eq!((&*body, run.attempt(), run.is_protected()), (&b"text"[..], 1, true));
    assert_eq!(parts.headers["idempotency-key"], "k");
    server.send(keyed(Method::POST, "/a", &[], "")).await;
    assert!(server.last().0.extensions.get::<IdempotencyContext>().is_none());
}

#[tokio::test(start_paused = true)]
async fn while_one_runs_another_is_told_to_come_in_a_second() {
    let settings = Settings::new();
    let slow = Server::with_settings(settings, single(), SECOND, |_, _| Response::new(Body::from("done")));
    let first = tokio::spawn(slow.service.clone().oneshot(post("k", "")));
    settle().await;
    let refused = slow.post("k", "").await;
    assert_eq!((refused.status, refused.code()), (409, "in-flight".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(slow.post("k", "other").await.code(), "key-reused", "while it runs, too");
    first.await.unwrap().unwrap();
    assert!(slow.post("k", "").await.is_replayed());
    assert_eq!(slow.endings(), ["in_flight", "mismatch", "stored", "replayed"]);
}

#[tokio::test(start_paused = true)]
async fn who_may_wait_gets_the_answer_when_it_is_there() {
    let settings = Settings::new().wait_for(2 * SECOND);
    let slow = Server::with_settings(settings, single(), SECOND, |_, _| Response::new(Body::from("done")));
    let first = tokio::spawn(slow.service.clone().oneshot(post("k", "")));
    settle().await;
    assert!(slow.post("k", "").await.is_replayed());
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn trap_38_a_store_that_is_down_is_told_to_callers_with_keys_alone() {
    let server = Server::new(single().documentation("https://example.com/keys"));
    server.store.always(Do::Fail(StoreErrorKind::Unavailable));
    let refused = server.post("k", "").await;
    assert_eq!((refused.status, refused.code()), (503, "store-unavailable".to_owned()));
    assert!(matches!(refused.header("retry-after"), Some("1" | "2")));
    assert_eq!(refused.header("link"), Some("<https://example.com/keys>; rel=\"describedby\""));
    assert_eq!((server.calls(), server.endings()), (0, vec!["store_error"]));
    assert_eq!(server.send(keyed(Method::POST, "/a", &[], "")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn not_all_are_told_the_same_second() {
    let server = Server::new(single());
    server.store.always(Do::Fail(StoreErrorKind::Unavailable));
    let mut seconds = std::collections::BTreeSet::new();
    for _ in 0..64 {
        seconds.insert(server.post("k", "").await.header("retry-after").unwrap().to_owned());
    }
    assert_eq!(seconds.into_iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_protection_says_so() {
    let settings = Settings::new().on_store_error(OnStoreError::Open);
    let server =
        Server::with_settings(settings, single(), Duration::ZERO, |_, _| Response::new(Body::from("done")));
    server.store.always(Do::Fail(StoreErrorKind::Unavailable));
    for _ in 0..2 {
        let answer = server.post("k", "").await;
        assert_eq!((answer.status, answer.header("idempotency-status")), (200, Some("unprotected")));
        assert_eq!(&*answer.body, b"done");
    }
    assert_eq!((server.calls(), server.endings()), (2, vec!["unprotected", "unprotected"]));
    server.store.always(Do::Fail(StoreErrorKind::Corrupt));
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(server.post("k", "").await.code(), "store-unavailable");
    server.store.always(Do::Pass);
    let answer = server.post("k", "").await;
    assert_eq!(answer.header("idempotency-status"), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_full_or_drains_says_that_nothing_was_begun() {
    let settings = Settings::new().max_in_flight(1);
    let slow = Server::with_settings(settings, single(), SECOND, |_, _| Response::new(Body::from("done")));
    let first = tokio::spawn(slow.service.clone().oneshot(post("k", "")));
    settle().await;
    let full = slow.post("other", "").await;
    assert_eq!(
        (full.status, full.code(), full.header("retry-after")),
        (503, "not-started".to_owned(), Some("1"))
    );
    let drained = slow.guard.drain(10 * SECOND);
    first.await.unwrap().unwrap();
    assert_eq!(drained.await.left, 0);
    assert_eq!(slow.post("new", "").await.code(), "not-started");
    assert!(slow.post("k", "").await.is_replayed());
    slow.guard.resume();
    assert_eq!(slow.post("other", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_operation_is_refused_if_nothing_may_run_twice() {
    let settings = Settings::new().at_most_once();
    let server = Server::with_settings(settings, single(), Duration::ZERO, |_, _| panic!("as told"));
    let panicked = server.post("k", "").await;
    assert_eq!((panicked.status, panicked.code()), (500, "execution-failed".to_owned()));
    let unknown = server.post("k", "").await;
    assert_eq!((unknown.status, unknown.code()), (409, "outcome-unknown".to_owned()));
    assert_eq!(unknown.header("retry-after"), None);
    assert_eq!((server.calls(), server.endings()), (1, vec!["abandoned", "outcome_unknown"]));
}

#[tokio::test(start_paused = true)]
async fn problems_have_the_base_that_was_chosen() {
    let server = Server::new(single().problem_base("https://example.com/problems/"));
    let refused = server.post("", "").await;
    assert_eq!(refused.problem()["type"], "https://example.com/problems/invalid-key");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_the_store_counts_its_time_from_before() {
    use resilience_core::Context as Call;
    let server = Server::new(single());
    server.store.next(Op::Begin, [Do::Late(300 * MS)]);
    let mut request = post("k", "");
    let mut call = Call::new();
    call.limit_attempt(SECOND);
    request.extensions_mut().insert(call);
    let end = crate::script::now() + SECOND;
    server.send(request).await;
    let (parts, _) = server.last();
    let call = parts.extensions.get::<Call>().unwrap();
    assert_eq!(call.deadline().unwrap().at(), end);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_request_is_shown() {
    let server =
        Server::new(single().namespace("secret").fingerprint_secret(FingerprintSecret::new([7; 32])));
    let calling = server.service.clone().oneshot(post("secret", "secret"));
    let layer = IdempotencyLayer::new(server.guard.clone(), single());
    let service = layer.layer(());
    let http = resilience_tower::idempotency::ReadRequest::<Request<Body>>::sort(
        &single(),
        post("secret", "secret"),
    );
    let shown =
        format!("{:?} {layer:?} {service:?} {http:?} {:?}", single(), IdempotentBody::<Body>::default());
    let answer = calling.await.unwrap();
    let shown = format!("{shown} {:?}", answer.into_body());
    assert!(shown.contains("Idempotent") && !shown.contains("secret"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn detached_work_finds_the_deadline_and_the_correlation_id_of_its_caller() {
    use resilience_core::Deadline;
    use resilience_tower::{
        call::{inherited, with_deadline},
        http::correlation::{self, CorrelationLayer, X_CORRELATION_ID},
    };
    let found = service_fn(async |_: Request<IdempotentBody<Body>>| {
        tokio::task::yield_now().await;
        let id = correlation::inherited();
        let text = format!("{:?} {:?}", id.as_ref().map(|id| id.as_str()), inherited().map(Deadline::limit));
        Ok::<_, std::convert::Infallible>(Response::new(Body::from(text)))
    });
    let guard = Server::new(single()).guard;
    let service = CorrelationLayer::new().layer(IdempotencyLayer::new(guard, single()).layer(found));
    let mut request = post("k", "");
    request.headers_mut().insert(X_CORRELATION_ID, "order-7".parse().unwrap());
    let deadline = Deadline::after(crate::script::now(), SECOND);
    let answer = with_deadline(Some(deadline), service.oneshot(request)).await.unwrap();
    assert_eq!(Answer::read(answer).await.body, "Some(\"order-7\") Some(1s)");
}

#[tokio::test(start_paused = true)]
async fn a_layer_within_another_leaves_the_request_to_that() {
    let handler = service_fn(async |_: Request<IdempotentBody<IdempotentBody<Body>>>| {
        Ok::<_, std::convert::Infallible>(Response::new(Body::from("done")))
    });
    let guard = Server::new(single()).guard;
    let layer = IdempotencyLayer::new(guard, single());
    let service = layer.layer(layer.layer(handler));
    for is_replayed in [false, true] {
        let answer = Answer::read(service.clone().oneshot(post("k", "")).await.unwrap()).await;
        assert_eq!((answer.status, answer.is_replayed()), (200, is_replayed));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_readied_is_let_go_while_the_store_is_asked() {
    use tower::{Service, limit::ConcurrencyLimit};
    let handler = service_fn(async |_: Request<IdempotentBody<Body>>| {
        Ok::<_, std::convert::Infallible>(Response::new(Body::from("done")))
    });
    let guard = Server::new(single()).guard;
    let mut service = IdempotencyLayer::new(guard, single()).layer(ConcurrencyLimit::new(handler, 1));
    for key in ["a", "b"] {
        // The one permit there is, which the work needs. The service is kept.
        let answering = service.ready().await.unwrap().call(post(key, ""));
        let answer = tokio::time::timeout(SECOND, answering).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
    }
}
