//! Correlation ids over real sockets: one id at every attempt, and nothing hostile further in or back out.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, routing::get};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::{Client, Method, Request};
use resilience_core::{Backoff, RetryPolicy};
use resilience_tower::{
    CallLayer, RetryLayer, TransportLayer,
    http::correlation::{CorrelationId, CorrelationLayer, X_CORRELATION_ID},
    reqwest::ClassifyReqwest,
};
use tests::server::serve;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{Service, ServiceBuilder, ServiceExt};

/// The values of the header, for each request that a handler has seen.
type Seen = Arc<Mutex<Vec<Vec<HeaderValue>>>>;

async fn note(State(seen): State<Seen>, headers: HeaderMap) {
    seen.lock().unwrap().push(headers.get_all(X_CORRELATION_ID).iter().cloned().collect());
}

async fn note_and_fail(seen: State<Seen>, headers: HeaderMap) -> StatusCode {
    note(seen, headers).await;
    StatusCode::BAD_GATEWAY
}

fn ids(seen: &Seen) -> Vec<String> {
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let one = |values: Vec<HeaderValue>| {
        let [value] = <[_; 1]>::try_from(values).unwrap();
        value.to_str().unwrap().to_owned()
    };
    seen.into_iter().map(one).collect()
}

/// Three attempts, an id outside of them.
fn client(
    layer: CorrelationLayer,
) -> impl Service<Request, Response = reqwest::Response, Error: std::fmt::Debug> {
    let policy = RetryPolicy::new().max_attempts(3).backoff(Backoff::none());
    ServiceBuilder::new()
        .layer(layer)
        .layer(CallLayer::new())
        .layer(RetryLayer::new(policy).classify(ClassifyReqwest))
        .layer(TransportLayer::new())
        .service(Client::builder().no_proxy().build().unwrap())
}

async fn failing_server() -> (Seen, SocketAddr) {
    let seen = Seen::default();
    let router = Router::new().route("/", get(note_and_fail)).with_state(Arc::clone(&seen));
    (seen, serve(router).await.unwrap())
}

fn request(address: SocketAddr) -> Request {
    Request::new(Method::GET, format!("http://{address}/").parse().unwrap())
}

#[tokio::test]
async fn every_attempt_has_the_same_id_and_every_operation_its_own() {
    let (seen, address) = failing_server().await;
    let mut client = client(CorrelationLayer::new());
    let mut operations = Vec::new();
    for _ in 0..2 {
        let response = client.ready().await.unwrap().call(request(address)).await.unwrap();
        assert!(response.headers().get(X_CORRELATION_ID).is_none(), "it is asked for in requests only");
        let ids = ids(&seen);
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        operations.extend(ids.into_iter().next());
    }
    assert_ne!(operations[0], operations[1]);
    assert!(operations.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
}

#[tokio::test]
async fn the_callers_own_id_wins_and_goes_into_every_attempt() {
    let (seen, address) = failing_server().await;
    let mut client = client(CorrelationLayer::new());
    let mut known = request(address);
    known.headers_mut().insert(X_CORRELATION_ID, HeaderValue::from_static("order-7"));
    let _ = client.ready().await.unwrap().call(known).await.unwrap();
    assert_eq!(ids(&seen), ["order-7"; 3]);
}

async fn guarded_server(layer: CorrelationLayer) -> (Seen, SocketAddr) {
    let seen = Seen::default();
    // With a header of the handler's own, which the id replaces.
    let router = Router::new()
        .route(
            "/",
            get(async |state: State<Seen>, headers: HeaderMap| {
                note(state, headers).await;
                [(X_CORRELATION_ID, "the handler's own")]
            }),
        )
        .with_state(Arc::clone(&seen))
        .layer(layer);
    (seen, serve(router).await.unwrap())
}

/// What comes back for a request with these header lines.
async fn raw(address: SocketAddr, lines: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".to_vec();
    request.extend_from_slice(lines);
    request.extend_from_slice(b"\r\n");
    socket.write_all(&request).await.unwrap();
    let mut response = Vec::new();
    socket.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

/// The id in a response; there is one and only one.
fn answered(response: &str) -> &str {
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    let mut values = response.lines().filter_map(|line| line.strip_prefix("x-correlation-id: "));
    let value = values.next().unwrap();
    assert_eq!(values.next(), None);
    value
}

#[tokio::test]
async fn a_server_keeps_a_good_id_and_answers_with_it() {
    let (seen, address) = guarded_server(CorrelationLayer::new().answered(true)).await;
    let longest = "Az09-._~".repeat(8);
    for good in ["7", "018f6b2e-7a52-7cc3-98c4-dc0c0c07398f", &longest] {
        let response = raw(address, format!("X-Correlation-ID: {good}\r\n").as_bytes()).await;
        assert_eq!(answered(&response), good);
        assert_eq!(ids(&seen), [good]);
    }
    let response = raw(address, b"").await;
    assert_eq!(ids(&seen), [answered(&response)], "a new one");
}

#[tokio::test]
async fn a_hostile_id_is_replaced_before_anybody_sees_it() {
    let (seen, address) = guarded_server(CorrelationLayer::new().answered(true)).await;
    let too_long = format!("x-correlation-id: {}\r\n", "x".repeat(65));
    let hostile: [&[u8]; 9] = [
        b"x-correlation-id:\r\n",
        b"x-correlation-id: two words\r\n",
        b"x-correlation-id: \x1b[2Jcls\r\n",
        b"x-correlation-id: <script>\r\n",
        b"x-correlation-id: ${jndi:ldap://a}\r\n",
        b"x-correlation-id: ../../etc/passwd\r\n",
        b"x-correlation-id: caf\xc3\xa9\r\n",
        b"x-correlation-id: one\r\nx-correlation-id: two\r\n",
        too_long.as_bytes(),
    ];
    for lines in hostile {
        let response = raw(address, lines).await;
        if response.starts_with("HTTP/1.1 400") {
            // The server has refused the line itself.
            assert!(ids(&seen).is_empty());
            continue;
        }
        let id = answered(&response);
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(ids(&seen), [id], "the handler and the client know the same one");
    }
}

#[tokio::test]
async fn the_name_and_the_maker_of_ids_can_be_chosen() {
    let seen = Seen::default();
    let name = HeaderName::from_static("x-request-id");
    let layer = CorrelationLayer::new()
        .header(name.clone())
        .create(|| "made-here".parse::<CorrelationId>().unwrap())
        .answered(true);
    let router = Router::new().route("/", get(note)).with_state(Arc::clone(&seen)).layer(layer);
    let address = serve(router).await.unwrap();
    let response = raw(address, b"x-correlation-id: left alone\r\n").await;
    assert!(response.contains("\r\nx-request-id: made-here\r\n"), "{response}");
    assert_eq!(ids(&seen), ["left alone"]);
    let response = raw(address, b"x-request-id: mine\r\n").await;
    assert!(response.contains("\r\nx-request-id: mine\r\n"), "{response}");
}

/// The ids that are found while a server works.
mod handed_on {
    use std::{
        convert::Infallible,
        panic::{AssertUnwindSafe, catch_unwind},
        pin::pin,
        task::{self, Poll, Waker},
    };

    use http::{Request, Response};
    use resilience_tower::http::correlation::{self, InheritLayer};
    use tower::{Layer, service_fn};

    use super::*;

    fn request(id: Option<&str>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(id) = id {
            request.headers_mut().insert(X_CORRELATION_ID, id.parse().unwrap());
        }
        request
    }

    fn found() -> Option<String> {
        correlation::inherited().map(|id| id.as_str().to_owned())
    }

    #[tokio::test]
    async fn calls_on_one_task_do_not_mix() {
        let server = CorrelationLayer::new().answered(true).layer(service_fn(async |_: Request<()>| {
            tokio::task::yield_now().await;
            let before = found();
            tokio::task::yield_now().await;
            assert_eq!(found(), before);
            Ok::<_, Infallible>(Response::new(before))
        }));
        let ask = |id| server.clone().oneshot(request(Some(id)));
        let (one, two) = tokio::join!(ask("one"), ask("two"));
        for (answer, id) in [(one, "one"), (two, "two")] {
            let answer = answer.unwrap();
            assert_eq!(answer.headers()[X_CORRELATION_ID], id);
            assert_eq!(answer.into_body().as_deref(), Some(id));
        }
        assert_eq!(found(), None, "outside there is none");
    }

    #[tokio::test]
    async fn a_server_within_a_server_has_its_own_and_leaves_the_others() {
        let inner = CorrelationLayer::new()
            .layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(found()))));
        let outer = CorrelationLayer::new().layer(service_fn(move |_: Request<()>| {
            let inner = inner.clone();
            async move {
                let seen = inner.oneshot(request(Some("inner"))).await.unwrap().into_body();
                Ok::<_, Infallible>(Response::new((seen, found())))
            }
        }));
        let (inner, outer) = outer.oneshot(request(Some("outer"))).await.unwrap().into_body();
        assert_eq!((inner.as_deref(), outer.as_deref()), (Some("inner"), Some("outer")));
    }

    #[tokio::test]
    async fn a_call_that_is_made_at_once_finds_it_too_and_may_say_it_in_another_header() {
        let name = HeaderName::from_static("x-request-id");
        let client = InheritLayer::new().header(name).layer(service_fn(|sent: Request<()>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(sent.headers().clone())))
        }));
        let mut server = CorrelationLayer::new()
            .layer(service_fn(move |_: Request<()>| client.clone().call(request(None))));
        let sent = server.ready().await.unwrap().call(request(Some("one"))).await.unwrap().into_body();
        assert_eq!(sent["x-request-id"], "one");
    }

    #[test]
    fn a_panic_leaves_no_id_behind() {
        let mut server = CorrelationLayer::new().layer(service_fn(
            async |_: Request<()>| -> Result<Response<()>, Infallible> {
                panic!("on purpose: {:?}", found())
            },
        ));
        let mut answer = pin!(server.call(request(Some("one"))));
        let poll = || -> Poll<_> { answer.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) };
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
        assert_eq!(found(), None);
    }
}
