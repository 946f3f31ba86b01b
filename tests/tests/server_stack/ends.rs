//! Requests that end otherwise than with an answer: every permit comes back.

use std::net::SocketAddr;

use axum::{Router, body::Body, routing};
use bytes::Bytes;
use resilience_core::bulkhead;
use resilience_tower::stack::{ServerHandle, ServerLayer, ServerSettings};
use tests::server::serve;
use tokio::io::AsyncWriteExt;

use super::{
    AMPLE, MS, all_is_given_back,
    client::{self, read, send},
    gate::{Gate, streams},
};

/// With all that gives permits, and more of them than requests here.
fn settings() -> ServerSettings {
    ServerSettings::new().total_timeout(AMPLE).bulkhead(bulkhead::Config::new(5))
}

fn layer(settings: &ServerSettings) -> (ServerLayer, ServerHandle) {
    let layer = ServerLayer::new("api", settings).unwrap();
    let handle = layer.handle().clone();
    (layer, handle)
}

async fn is_fine(address: SocketAddr, handle: &ServerHandle) {
    all_is_given_back(handle).await;
    assert_eq!(client::status(address, "/fine").await, 200);
    all_is_given_back(handle).await;
}

fn fine() -> Router {
    Router::new().route("/fine", routing::get(|| async { "fine" }))
}

async fn panics() {
    panic!("on purpose");
}

#[tokio::test]
async fn handlers_that_panic_leak_nothing() {
    let (layer, handle) = layer(&settings());
    let address = serve(fine().route("/", routing::get(panics)).layer(layer)).await.unwrap();
    for _ in 0..10 {
        assert!(client::get(address, "/").send().await.is_err(), "the connection is closed");
    }
    is_fine(address, &handle).await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_the_handler_works_leaks_nothing() {
    let (layer, handle) = layer(&settings());
    let gate = Gate::new();
    let hold = gate.clone();
    let address = serve(fine().route("/", routing::get(move || hold.pass())).layer(layer)).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(send(address, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await);
        gate.has_one().await;
    }
    assert_eq!(handle.adaptive().unwrap().snapshot().in_flight, 3);
    assert_eq!(handle.bulkhead().unwrap().snapshot().in_flight, 3);
    drop(connections);
    is_fine(address, &handle).await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_reads_leaks_nothing() {
    let (layer, handle) = layer(&settings());
    let (sender, route) = streams();
    let address = serve(fine().route("/", route).layer(layer)).await.unwrap();
    let mut response = client::get(address, "/").send().await.unwrap();
    sender.send("some").await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "some");
    assert_eq!(handle.drain().snapshot().running, 1);
    drop(response);
    // The server has let go of the body.
    sender.closed().await;
    is_fine(address, &handle).await;
}

const SLOWLY: &str =
    "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 8\r\n\r\nslow";

/// A handler that reads all of the body first, as most do.
fn reads() -> Router {
    fine().route("/", routing::post(|body: Bytes| async move { body }))
}

#[tokio::test]
async fn a_slow_body_is_waited_for() {
    let (layer, handle) = layer(&settings());
    let address = serve(reads().layer(layer)).await.unwrap();
    let mut connection = send(address, SLOWLY).await;
    // Another request passes meanwhile.
    assert_eq!(client::status(address, "/fine").await, 200);
    connection.write_all(b"poke").await.unwrap();
    let answer = read(connection).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slowpoke"), "{answer}");
    is_fine(address, &handle).await;
}

#[tokio::test]
async fn a_body_that_never_comes_costs_no_more_than_the_total_timeout() {
    let (layer, handle) = layer(&settings().total_timeout(50 * MS));
    let address = serve(reads().layer(layer)).await.unwrap();
    let answer = read(send(address, SLOWLY).await).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains(r#""reason":"deadline_exceeded""#), "{answer}");
    all_is_given_back(&handle).await;
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_sends_leaks_nothing() {
    let (layer, handle) = layer(&settings());
    let gate = Gate::new();
    let arrived = gate.clone();
    arrived.let_pass(1);
    let route = routing::post(move |body: Body| async move {
        arrived.pass().await;
        axum::body::to_bytes(body, 100).await.map_or(0, |bytes| bytes.len()).to_string()
    });
    let address = serve(fine().route("/", route).layer(layer)).await.unwrap();
    let connection = send(address, SLOWLY).await;
    gate.has_one().await;
    drop(connection);
    is_fine(address, &handle).await;
}
