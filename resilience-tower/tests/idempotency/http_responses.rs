//! Responses: what is kept of which, and what comes back.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::ready,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use resilience_core::{
    Error, Rejected,
    idempotency::{Begin, KeptResponse, Store},
};
use resilience_tower::idempotency::{
    Disposition, Guard, IdempotencyContext, IdempotencyLayer,
    http::{Http, IdempotentBody},
};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{
    http::{Answer, Body, Server, post},
    script::{Do, Heard, Op, SECOND, Scripted},
};

fn single() -> Http {
    Http::single_tenant()
}

fn with_status(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::from("text"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test(start_paused = true)]
async fn results_are_kept_and_what_says_that_nothing_happened_is_not() {
    for status in [200, 201, 204, 302, 400, 404, 409, 410, 422, 500, 501, 502, 504] {
        let server = Server::answering(single(), move |_, _| with_status(status));
        assert_eq!(server.post("k", "").await.status, status);
        let again = server.post("k", "").await;
        assert_eq!((again.status, again.is_replayed(), server.calls()), (status, true, 1));
        assert_eq!(server.endings(), ["stored", "replayed"]);
    }
    for status in [401, 403, 407, 408, 421, 425, 429, 503] {
        let server = Server::answering(single(), move |_, _| with_status(status));
        for _ in 0..2 {
            let answer = server.post("k", "").await;
            assert_eq!((answer.status, answer.is_replayed(), &*answer.body), (status, false, &b"text"[..]));
        }
        // Another request may have the key, too.
        assert_eq!(server.post("k", "other").await.status, status);
        assert_eq!((server.calls(), server.endings()), (3, vec!["released"; 3]));
    }
}

#[tokio::test(start_paused = true)]
async fn server_errors_may_be_run_again_as_further_attempts() {
    let server = Server::answering(single().reexecute_on_server_error(), |parts, _| {
        let run = parts.extensions.get::<IdempotencyContext>().unwrap();
        with_status(if run.attempt() < 3 { 500 } else { 200 })
    });
    for status in [500, 500, 200, 200] {
        assert_eq!(server.post("k", "").await.status, status);
    }
    assert_eq!(server.endings(), ["abandoned", "abandoned", "stored", "replayed"]);
    assert_eq!(server.post("k", "other").await.code(), "key-reused", "the key stays bound");
}

#[tokio::test(start_paused = true)]
async fn a_handler_says_what_becomes_of_its_response_and_a_classifier_of_all() {
    for (said, ending) in [
        (Disposition::Store, "stored"),
        (Disposition::Release, "released"),
        (Disposition::Abandon, "abandoned"),
    ] {
        for status in [200, 500, 503] {
            let judge = |_: &http::response::Parts| Some(Disposition::Release);
            let server = Server::answering(single().classify(judge), move |_, _| {
                let mut response = with_status(status);
                response.extensions_mut().insert(said);
                response
            });
            assert_eq!(server.post("k", "").await.status, status);
            assert_eq!(server.endings(), [ending]);
        }
    }
    let judge = |parts: &http::response::Parts| (parts.status == 404).then_some(Disposition::Abandon);
    let server = Server::answering(single().classify(judge), |_, body| {
        with_status(if body.is_empty() { 404 } else { 503 })
    });
    server.post("k", "").await;
    server.post("other", "left open").await;
    assert_eq!(server.endings(), ["abandoned", "released"]);
}

/// A server whose handler fails with these errors, one after the other.
async fn failing(errors: Vec<Error<&'static str>>) -> (Vec<Error<&'static str>>, Vec<&'static str>) {
    let left = std::sync::Arc::new(std::sync::Mutex::new(errors.clone()));
    let heard = Heard::default();
    let guard = Guard::with_observer(Scripted::new(), Default::default(), heard.clone());
    let handler = service_fn(move |_: Request<IdempotentBody<Body>>| {
        ready(Err::<Response<Body>, _>(left.lock().unwrap().remove(0)))
    });
    let service = IdempotencyLayer::new(guard, single()).layer(handler);
    let mut seen = Vec::new();
    for _ in errors {
        seen.push(service.clone().oneshot(post("k", "")).await.unwrap_err());
    }
    (seen, heard.take().into_iter().map(resilience_core::idempotency::Ending::as_str).collect())
}

#[tokio::test(start_paused = true)]
async fn errors_pass_through_and_say_themselves_whether_anything_happened() {
    let wait = SECOND;
    let table = [
        (Error::from(Rejected::CircuitOpen { retry_after: None }), "released"),
        (Error::from(Rejected::BulkheadFull { limit: 1, in_flight: 1 }), "released"),
        (Error::from(Rejected::RateLimited { retry_after: wait }), "released"),
        (Error::from(Rejected::Overloaded { limit: 1, in_flight: 1 }), "released"),
        (Error::from(Rejected::AttemptTimeout { limit: wait, elapsed: wait }), "abandoned"),
        (Error::from(Rejected::DeadlineExceeded { limit: wait, elapsed: wait, called: true }), "abandoned"),
        (Error::from(Rejected::DeadlineExceeded { limit: wait, elapsed: wait, called: false }), "released"),
        (Error::inner("lost"), "abandoned"),
    ];
    let (errors, endings): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let (seen, heard) = failing(errors.clone()).await;
    assert_eq!((seen, heard), (errors, endings));
}

/// Never ready.
#[derive(Clone)]
struct Broken;

impl Service<Request<IdempotentBody<Body>>> for Broken {
    type Response = Response<Body>;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Result<Response<Body>, Error<&'static str>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Err(Error::inner("broken")))
    }

    fn call(&mut self, _: Request<IdempotentBody<Body>>) -> Self::Future {
        panic!("it was not ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_not_called_has_done_nothing() {
    let heard = Heard::default();
    let guard = Guard::with_observer(Scripted::new(), Default::default(), heard.clone());
    let mut service = IdempotencyLayer::new(guard, single()).layer(Broken);
    // Not readied: what is called for a guarded request is another instance.
    let error = service.call(post("k", "")).await.unwrap_err();
    assert_eq!(error, Error::inner("broken"));
    assert_eq!(heard.take(), [resilience_core::idempotency::Ending::Released]);
}

#[tokio::test(start_paused = true)]
async fn headers_come_back_with_repeats_and_bytes_but_not_those_of_the_moment() {
    let server = Server::answering(single(), |_, _| {
        let mut response = with_status(201);
        let headers = response.headers_mut();
        for (name, value) in [
            ("location", "/orders/7"),
            ("link", "<a>"),
            ("link", "<b>"),
            ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
            ("set-cookie", "session=1"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-length", "4"),
            ("access-control-allow-origin", "*"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xe9\xff").unwrap());
        response
    });
    let first = server.post("k", "").await;
    assert_eq!(first.headers.len(), 10, "the first is as the handler made it");
    let again = server.post("k", "").await;
    let links: Vec<_> = again.headers.get_all("link").iter().collect();
    assert_eq!(links, ["<a>", "<b>"]);
    assert_eq!(again.headers["x-bytes"].as_bytes(), b"\xe9\xff");
    assert_eq!((again.header("location"), again.headers.len()), (Some("/orders/7"), 5));
}

#[tokio::test(start_paused = true)]
async fn lists_say_which_headers_come_back() {
    let handle = |_: &http::request::Parts, _| {
        let mut response = with_status(200);
        response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"1\""));
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/a"));
        response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("a=1"));
        response
    };
    let only = Server::answering(single().replay_headers([header::ETAG]), handle);
    only.post("k", "").await;
    let again = only.post("k", "").await;
    assert_eq!((again.headers.len(), again.header("etag")), (2, Some("\"1\"")));
    let cookies = Server::answering(single().replay_cookies(true), handle);
    cookies.post("k", "").await;
    assert_eq!(cookies.post("k", "").await.header("set-cookie"), Some("a=1"));
}

/// Answers with this body; asks twice.
async fn twice<B>(http: Http, body: impl Fn() -> B + Clone + Send + Sync + 'static) -> (Answer, Answer, Heard)
where
    B: HttpBody<Data = Bytes, Error: std::fmt::Debug + Send> + Send + 'static,
{
    let heard = Heard::default();
    let guard = Guard::with_observer(Scripted::new(), Default::default(), heard.clone());
    let handler = service_fn(move |_: Request<IdempotentBody<Body>>| {
        let mut response = Response::new(body());
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/orders/7"));
        ready(Ok::<_, Infallible>(response))
    });
    let service = IdempotencyLayer::new(guard, http).layer(handler);
    let first = Answer::read(service.clone().oneshot(post("k", "")).await.unwrap()).await;
    let again = Answer::read(service.oneshot(post("k", "")).await.unwrap()).await;
    (first, again, heard)
}

#[tokio::test(start_paused = true)]
async fn trailers_come_back() {
    let trailers = || HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"1\""))]);
    let body = move || Full::from("text").with_trailers(ready(Some(Ok::<_, Infallible>(trailers()))));
    let (first, again, _) = twice(single(), body).await;
    assert_eq!((&first.body, &first.trailers), (&Bytes::from("text"), &Some(trailers())));
    assert_eq!((&again.body, &again.trailers), (&Bytes::from("text"), &Some(trailers())));
    assert!(again.is_replayed());
}

#[track_caller]
fn is_not_retained(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.code()), (409, "response-not-retained".to_owned()));
    assert_eq!(answer.problem()["original_status"], status);
    assert_eq!((answer.header("location"), answer.header("retry-after")), (Some("/orders/7"), None));
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_to_its_caller_and_others_are_told_that_it_was_not_kept() {
    let body = || Pieces(["a", "b"].into());
    let (first, again, heard) = twice(single(), body).await;
    assert_eq!((first.status, &*first.body, first.length), (200, &b"ab"[..], None));
    is_not_retained(&again, 200);
    let endings = heard.take().into_iter().map(resilience_core::idempotency::Ending::as_str);
    assert_eq!(endings.collect::<Vec<_>>(), ["stored", "not_retained"]);
}

/// Does not say how long it is.
struct Pieces(VecDeque<&'static str>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_is_kept_up_to_a_length() {
    let http = || single().max_stored_response(100);
    let of = |len| move || Full::<Bytes>::from(vec![b'x'; len]);
    let (_, again, _) = twice(http(), of(100)).await;
    assert_eq!((again.is_replayed(), again.body.len()), (true, 100));
    let (first, again, _) = twice(http(), of(101)).await;
    assert_eq!((first.status, first.body.len()), (200, 101));
    is_not_retained(&again, 200);
    assert!(twice(single(), of(256 * 1024)).await.1.is_replayed());
    is_not_retained(&twice(single(), of(256 * 1024 + 1)).await.1, 200);
}

/// Says how long it is, and fails or goes on.
struct Lying {
    fails: bool,
    frames: u32,
}

impl HttpBody for Lying {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.frames == 0 {
            return Poll::Ready(self.fails.then_some(Err("cut")));
        }
        self.frames -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("text")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(8)
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_breaks_off_is_not_run_again_and_all_see_the_same() {
    for (fails, frames) in [(true, 1), (false, 1_000_000)] {
        let (first, again, heard) =
            twice(single().max_stored_response(64), move || Lying { fails, frames }).await;
        is_not_retained(&first, 200);
        is_not_retained(&again, 200);
        assert_eq!(heard.take()[0].as_str(), "stored");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_back_is_refused_and_not_run() {
    let mut bad_header = KeptResponse::new(200);
    bad_header.headers.push((Bytes::from("a b"), Bytes::new()));
    let mut bad_trailer = KeptResponse::new(200);
    bad_trailer.trailers.push((Bytes::from("a"), Bytes::from("1\n2")));
    let bad = [
        Bytes::from("junk"),
        Bytes::new(),
        KeptResponse::new(99).encode(),
        bad_header.encode(),
        bad_trailer.encode(),
    ];
    for bytes in bad {
        let server = Server::answering(single(), |_, _| with_status(503));
        server.post("k", "").await;
        let (parts, _) = server.last();
        let run = parts.extensions.get::<IdempotencyContext>().unwrap();
        let store = &server.store.inner;
        let Begin::Acquired(held) = store.begin(run.record_key(), run.claim()).await.unwrap() else {
            panic!()
        };
        store.finish(run.record_key(), run.claim(), held, bytes).await.unwrap();

        let refused = server.post("k", "").await;
        assert_eq!((refused.status, refused.code()), (503, "store-unavailable".to_owned()));
        assert_eq!((server.calls(), server.endings()), (1, vec!["released", "store_error"]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_told_to_the_store_before_the_caller_hears() {
    let server = Server::answering(single(), |_, _| with_status(503));
    server.store.next(Op::Release, [Do::Late(SECOND / 10)]);
    assert_eq!(server.post("k", "").await.status, 503);
    assert_eq!(server.post("k", "").await.status, 503, "and not: in flight");
}
