//! Connections that become something else: `101 Switching Protocols`, and then bytes that are nobody's request.

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing,
};
use http::{
    HeaderMap, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper_util::rt::TokioIo;
use resilience_core::bulkhead;
use resilience_tower::stack::{ServerHandle, ServerLayer, ServerSettings};
use tests::server::serve;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, split},
    net::TcpStream,
};

use super::{
    MS, all_is_given_back,
    client::{self, send},
};

/// Says yes, and then sends back whatever comes.
async fn echo(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut from, mut to) = split(TokioIo::new(upgrade.await.unwrap()));
        // Until the client closes it.
        copy(&mut from, &mut to).await.unwrap();
    });
    let headers =
        HeaderMap::from_iter([(CONNECTION, "upgrade".parse().unwrap()), (UPGRADE, "echo".parse().unwrap())]);
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

const UPGRADES: &str = "GET /echo HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\nx-correlation-id: order-7\r\n\r\n";

/// A connection that has been switched over, and the head of the answer.
async fn switch(address: std::net::SocketAddr) -> (TcpStream, String) {
    let mut connection = send(address, UPGRADES).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    (connection, String::from_utf8(head).unwrap())
}

async fn says_the_same(connection: &mut TcpStream, text: &[u8]) {
    connection.write_all(text).await.unwrap();
    let mut echoed = vec![0; text.len()];
    connection.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, text);
}

async fn server(settings: &ServerSettings) -> (std::net::SocketAddr, ServerHandle) {
    let layer = ServerLayer::new("api", settings).unwrap();
    let handle = layer.handle().clone();
    let fine = routing::get(|| async { "fine" });
    let router = Router::new().route("/echo", routing::get(echo)).route("/fine", fine);
    (serve(router.layer(layer)).await.unwrap(), handle)
}

#[tokio::test]
async fn a_connection_is_switched_and_what_follows_is_nobodys_request() {
    let (address, handle) = server(&ServerSettings::new().bulkhead(bulkhead::Config::new(1))).await;
    let (mut connection, head) = switch(address).await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    for header in ["connection: upgrade", "upgrade: echo", "x-correlation-id: order-7"] {
        assert!(head.contains(header), "{head}");
    }
    says_the_same(&mut connection, b"\x00 no HTTP \xff").await;
    // It holds nothing: not the only permit, and no drain waits for it.
    assert_eq!(client::status(address, "/fine").await, 200);
    all_is_given_back(&handle).await;
    says_the_same(&mut connection, b"still there").await;
}

#[tokio::test]
async fn the_total_timeout_ends_with_the_head() {
    let (address, handle) = server(&ServerSettings::new().total_timeout(50 * MS)).await;
    let (mut connection, _) = switch(address).await;
    tokio::time::sleep(100 * MS).await;
    says_the_same(&mut connection, b"still there").await;
    all_is_given_back(&handle).await;
}

#[tokio::test]
async fn a_refusal_switches_nothing() {
    let (address, handle) = server(&ServerSettings::new()).await;
    let drained = handle.drain().drain(MS).await;
    assert_eq!(drained.left, 0);
    let (_connection, head) = switch(address).await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(!head.contains("upgrade"), "{head}");
}
