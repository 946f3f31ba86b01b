//! How much time a request has: the caller's word and the server's own limit.

use std::{convert::Infallible, future::pending, net::SocketAddr, time::Duration};

use axum::{Router, routing};
use http::Request;
use resilience_tower::{
    call::inherited,
    http::deadline::WriteDeadlineLayer,
    stack::{self, ServerHandle, ServerLayer, ServerSettings},
};
use tests::server::serve;
use tower::{Layer, ServiceExt, service_fn};

use super::{
    AMPLE, all_is_given_back,
    client::{Answer, get},
};

/// Tells the deadline that the handler is under, and what it writes to the next server through a client's stack.
async fn tell() -> String {
    let limit = inherited().unwrap().limit().as_millis();
    let next = service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(request.headers()["x-request-timeout-ms"].to_str().unwrap().to_owned())
    });
    let client = stack::client("next").attempt(WriteDeadlineLayer::new()).layer(next);
    let next = client.oneshot(Request::new(())).await.unwrap();
    format!("{limit} {next}")
}

async fn server(total: impl Into<Option<Duration>>) -> (SocketAddr, ServerHandle) {
    let layer = ServerLayer::new("api", &ServerSettings::new().total_timeout(total)).unwrap();
    let handle = layer.handle().clone();
    let router = Router::new()
        .route("/", routing::get(tell))
        .route("/hangs", routing::get(pending::<()>))
        .layer(layer);
    (serve(router).await.unwrap(), handle)
}

async fn ask(address: SocketAddr, path: &str, ms: &str) -> Answer {
    Answer::to(get(address, path).header("x-request-timeout-ms", ms)).await
}

/// The milliseconds that the handler and the one after it were given.
async fn told(address: SocketAddr, ms: Option<&str>) -> [u128; 2] {
    let answer = match ms {
        Some(ms) => ask(address, "/", ms).await,
        None => Answer::to(get(address, "/")).await,
    };
    let (handler, next) = answer.text.split_once(' ').unwrap();
    [handler, next].map(|ms| ms.parse().unwrap())
}

#[tokio::test]
async fn the_nearer_one_of_the_callers_and_the_servers_is_the_deadline() {
    let (address, _) = server(AMPLE).await;
    assert_eq!(told(address, Some("45000")).await[0], 45_000);
    for ms in [None, Some("70000"), Some("18446744073709551615"), Some("soon"), Some("-1")] {
        assert_eq!(told(address, ms).await[0], AMPLE.as_millis(), "{ms:?}");
    }
}

#[tokio::test]
async fn the_handlers_calls_inherit_it() {
    let (address, _) = server(AMPLE).await;
    // Of its own it gives each attempt two seconds.
    assert_eq!(told(address, None).await[1], 2_000);
    let [handler, next] = told(address, Some("1500")).await;
    assert_eq!(handler, 1_500);
    assert!((1..=1_500).contains(&next), "{next}");
}

#[tokio::test]
async fn a_caller_without_time_is_refused_and_one_with_little_is_cut() {
    let (address, handle) = server(AMPLE).await;
    let refused = ask(address, "/", "0").await;
    assert_eq!(refused.problem(), (504, "deadline_exceeded"));
    assert!(refused.text.contains("not carried out"), "{refused:?}");
    let cut = ask(address, "/hangs", "20").await;
    assert_eq!(cut.problem(), (504, "deadline_exceeded"));
    assert!(cut.text.contains("may have been carried out"), "{cut:?}");
    all_is_given_back(&handle).await;
}

#[tokio::test]
async fn without_a_limit_of_its_own_the_callers_holds() {
    let (address, handle) = server(None).await;
    let cut = ask(address, "/hangs", "20").await;
    assert_eq!(cut.problem(), (504, "deadline_exceeded"));
    all_is_given_back(&handle).await;
}
