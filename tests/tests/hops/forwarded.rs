//! Both presets: what a handler's client says to the next server without being told to for each call.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use http::{HeaderMap, StatusCode};
use resilience_core::{Backoff, RetryPolicy};
use resilience_tower::{
    call::inherited,
    http::correlation,
    reqwest::{ClassifyReqwest, Client},
    stack::{self, ClientLayer, ClientSettings, Destination},
};
use tests::{server::serve, time};

use super::{AMPLE, MS};

/// The headers of each request that has come.
type Seen = Arc<Mutex<Vec<HeaderMap>>>;

/// A server that notes what it is sent, and answers the first of two requests with a failure.
async fn last() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let note = async move |headers: HeaderMap| {
        let mut log = log.lock().unwrap();
        log.push(headers);
        if log.len() % 2 == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
    };
    (serve(Router::new().route("/", get(note))).await.unwrap(), seen)
}

fn client() -> ClientLayer<String, Destination, ClassifyReqwest> {
    let retry = RetryPolicy::new().max_attempts(2).backoff(Backoff::none());
    let settings = ClientSettings::new()
        .retry(retry)
        .without_retry_budget()
        .circuit_breaker(None)
        .total_timeout(2 * AMPLE)
        .attempt_timeout(AMPLE);
    ClientLayer::new("next", &settings).unwrap().per(Destination).classify(ClassifyReqwest)
}

fn reqwest() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A server under the preset, whose handler asks the next one by `ask`.
async fn first<F>(ask: impl Fn() -> F + Clone + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let handler = async move || ask().await;
    serve(Router::new().route("/", get(handler)).layer(stack::server("first"))).await.unwrap()
}

/// Asks with 20 seconds and an id.
async fn ask(first: SocketAddr) {
    let request = reqwest().get(format!("http://{first}/"));
    let request = request.header("x-request-timeout-ms", "20000").header("x-correlation-id", "order-7");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_next_server_hears_the_deadline_and_the_id_at_each_attempt() {
    let (last, seen) = last().await;
    let client = Client::with_layer(client().forward_deadline().forward_correlation_id(), reqwest());
    let first = first(move || {
        let request = client.get(format!("http://{last}/"));
        async move {
            assert_eq!(correlation::inherited().unwrap().as_str(), "order-7");
            let left = inherited().unwrap().remaining(time::now());
            assert!(left <= 20_000 * MS);
            assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        }
    })
    .await;
    ask(first).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.len(), 2);
    for headers in &seen {
        assert_eq!(text(headers, "x-correlation-id"), Some("order-7"));
        let left: u64 = text(headers, "x-request-timeout-ms").unwrap().parse().unwrap();
        assert!((1..=20_000).contains(&left), "{left}");
    }
}

#[tokio::test]
async fn nobody_hears_anything_unless_told_to() {
    let (last, seen) = last().await;
    let client = Client::with_layer(client(), reqwest());
    let first = first(move || {
        let request = client.get(format!("http://{last}/"));
        async move {
            request.send().await.unwrap();
        }
    })
    .await;
    ask(first).await;
    for headers in &*seen.lock().unwrap() {
        assert_eq!(text(headers, "x-correlation-id"), None);
        assert_eq!(text(headers, "x-request-timeout-ms"), None);
    }
}

#[tokio::test]
async fn what_a_request_says_itself_stays_and_without_a_handler_there_is_no_id() {
    let (last, seen) = last().await;
    let client = Client::with_layer(client().forward_deadline().forward_correlation_id(), reqwest());
    let (own, outside) = (client.clone(), client.get(format!("http://{last}/")));
    let first = first(move || {
        let request = own.get(format!("http://{last}/"));
        async move {
            request
                .header("x-correlation-id", "mine")
                .header("x-request-timeout-ms", "7")
                .send()
                .await
                .unwrap();
        }
    })
    .await;
    ask(first).await;
    outside.send().await.unwrap();
    let seen = seen.lock().unwrap();
    let ids: Vec<_> = seen.iter().map(|headers| text(headers, "x-correlation-id")).collect();
    assert_eq!(ids, [Some("mine"), Some("mine"), None, None]);
    let times: Vec<_> = seen.iter().map(|headers| text(headers, "x-request-timeout-ms")).collect();
    assert_eq!(times, [Some("7"), Some("7"), Some("60000"), Some("60000")]);
}
