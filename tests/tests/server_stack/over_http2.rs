//! HTTP/2: many requests on one connection, each admitted, refused and ended by itself.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, routing};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    server::conn::http2 as server,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use resilience_core::bulkhead;
use resilience_tower::{
    drain::{Drained, Stopped},
    stack::{ServerHandle, ServerLayer, ServerSettings},
};
use tests::server::listen;
use tokio::{net::TcpStream, task::JoinHandle};
use tower::ServiceExt;

use super::{
    AMPLE, all_is_given_back,
    gate::{Gate, streams},
};

/// Serves the router over HTTP/2 alone, under a stack that lets so many requests run at a time.
async fn serve(router: Router, limit: u32) -> (SocketAddr, ServerHandle) {
    let settings = ServerSettings::new().bulkhead(bulkhead::Config::new(limit));
    let layer = ServerLayer::new("api", &settings).unwrap();
    let handle = layer.handle().clone();
    let router = router.layer(layer);
    let (listener, address) = listen().await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(
                router.clone().map_request(|request: Request<_>| request.map(Body::new)),
            );
            let builder = server::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, handle)
}

/// One connection.
#[derive(Clone)]
struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// Sends a request on a stream of its own, and waits for the head of the answer.
    fn send(&self, path: &str) -> JoinHandle<Response<Incoming>> {
        let request = Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap();
        let mut connection = self.0.clone();
        tokio::spawn(async move {
            connection.ready().await.unwrap();
            let sent = connection.send_request(request);
            tokio::time::timeout(AMPLE, sent).await.unwrap().unwrap()
        })
    }
}

async fn read(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn waits(gate: &Gate) -> Router {
    let gate = gate.clone();
    Router::new().route("/", routing::get(move || gate.pass()))
}

#[tokio::test]
async fn of_many_streams_on_one_connection_some_are_refused_and_the_others_answered() {
    let gate = Gate::new();
    let (address, handle) = serve(waits(&gate), 10).await;
    let connection = Connection::open(address).await;
    let running: Vec<_> = (0..10).map(|_| connection.send("/")).collect();
    for _ in &running {
        gate.has_one().await;
    }
    assert_eq!(handle.bulkhead().unwrap().snapshot().in_flight, 10);
    for _ in 0..10 {
        let (status, text) = read(connection.send("/").await.unwrap()).await;
        assert_eq!(status, 503);
        assert!(text.contains(r#""reason":"bulkhead_full""#), "{text}");
    }
    gate.let_pass(11);
    for answer in running {
        assert_eq!(read(answer.await.unwrap()).await, (200, "passed".to_owned()));
    }
    assert_eq!(read(connection.send("/").await.unwrap()).await.0, 200, "there is room again");
    all_is_given_back(&handle).await;
}

#[tokio::test]
async fn a_stream_that_is_reset_gives_back_what_it_held_and_the_others_go_on() {
    let gate = Gate::new();
    let (address, handle) = serve(waits(&gate), 10).await;
    let connection = Connection::open(address).await;
    let (leaves, stays) = (connection.send("/"), connection.send("/"));
    gate.has_one().await;
    gate.has_one().await;
    leaves.abort();
    while handle.drain().snapshot().running > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(handle.bulkhead().unwrap().snapshot().in_flight, 1);
    gate.let_pass(1);
    assert_eq!(read(stays.await.unwrap()).await, (200, "passed".to_owned()));
    all_is_given_back(&handle).await;
}

#[tokio::test]
async fn a_drain_ends_with_the_last_stream_and_refuses_further_ones_on_the_same_connection() {
    let (gate, (sender, route)) = (Gate::new(), streams());
    let (address, handle) = serve(waits(&gate).route("/stream", route), 10).await;
    let connection = Connection::open(address).await;
    let running = connection.send("/");
    gate.has_one().await;
    let streaming = connection.send("/stream").await.unwrap();

    let draining = tokio::spawn(handle.drain().drain(AMPLE));
    tokio::task::yield_now().await;
    let (status, text) = read(connection.send("/").await.unwrap()).await;
    assert_eq!(status, 503);
    assert!(text.contains(r#""reason":"draining""#), "{text}");

    gate.let_pass(1);
    assert_eq!(read(running.await.unwrap()).await, (200, "passed".to_owned()));
    let looked = handle.drain().drain(Duration::ZERO).await;
    assert_eq!(looked, Drained { left: 1, stopped: Stopped::OutOfTime }, "the body that streams");
    sender.send("last").await.unwrap();
    drop(sender);
    assert_eq!(read(streaming).await, (200, "last".to_owned()));
    assert_eq!(draining.await.unwrap(), Drained { left: 0, stopped: Stopped::Idle });
    handle.drain().resume();
    gate.let_pass(1);
    assert_eq!(read(connection.send("/").await.unwrap()).await.0, 200);
}
