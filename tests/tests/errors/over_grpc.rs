//! A `tonic` channel under the stack, against a real server: refusals arrive as a `Status`, and a `Status` as itself.

use std::{error::Error as _, future::pending};

use resilience_core::{CircuitBreaker, Rejected, circuit_breaker::Config};
use resilience_tower::{CallLayer, CircuitBreakerLayer, TimeoutLayer, TransportLayer, grpc::StatusLayer};
use tests::{
    grpc::{Unary, call, channel},
    server::listen,
    time,
};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    metadata::MetadataMap,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::{Service, ServiceBuilder};

use super::{AMPLE, MS};

pub(super) async fn greet(request: Request<String>) -> Result<Response<String>, Status> {
    match request.get_ref().as_str() {
        "nobody" => Err(no_such_person()),
        "sleeper" => pending().await,
        name => Ok(Response::new(format!("hello {name}"))),
    }
}

fn no_such_person() -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("hint", "somebody".parse().unwrap());
    Status::with_details_and_metadata(Code::NotFound, "no such person", "details".into(), metadata)
}

async fn server() -> Channel {
    let (listener, address) = listen().await.unwrap();
    let server = Server::builder().add_service(Unary(greet));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    channel(&format!("http://{address}"))
}

/// Opens after two failures in a row. `attempt` in milliseconds.
fn stack(
    channel: Channel,
    attempt: u32,
) -> (impl Service<http::Request<Body>, Response = http::Response<Body>, Error = Status>, CircuitBreaker) {
    let config = Config::new().consecutive_failures(2).open_for(AMPLE, AMPLE);
    let breaker = CircuitBreakerLayer::new(config);
    let handle = breaker.breaker().clone();
    let client = ServiceBuilder::new()
        .layer(StatusLayer::new())
        .layer(CallLayer::new())
        .layer(TimeoutLayer::total(AMPLE))
        .layer(breaker)
        .layer(TimeoutLayer::attempt(attempt * MS))
        .layer(TransportLayer::new())
        .service(channel);
    (client, handle)
}

fn refusal(status: &Status) -> Option<&Rejected> {
    status.source()?.downcast_ref()
}

#[tokio::test]
async fn an_answer_and_a_status_of_the_server_arrive_unchanged() {
    let channel = server().await;
    let (mut client, _) = stack(channel, 60_000);
    assert_eq!(call(&mut client, "world").await.unwrap(), "hello world");

    let (status, expected) = (call(&mut client, "nobody").await.unwrap_err(), no_such_person());
    assert_eq!(status.code(), expected.code());
    assert_eq!(status.message(), expected.message());
    assert_eq!(status.details(), expected.details());
    assert_eq!(status.metadata().get("hint"), expected.metadata().get("hint"));
    assert!(refusal(&status).is_none());
}

#[tokio::test]
async fn a_timeout_arrives_as_deadline_exceeded_and_opens_the_breaker() {
    let channel = server().await;
    let (mut client, _) = stack(channel, 20);
    for _ in 0..2 {
        let status = call(&mut client, "sleeper").await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(
            matches!(refusal(&status), Some(Rejected::AttemptTimeout { limit, .. }) if *limit == 20 * MS)
        );
    }
    let status = call(&mut client, "sleeper").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(matches!(refusal(&status), Some(Rejected::CircuitOpen { retry_after: Some(_) })));
}

#[tokio::test]
async fn a_forced_open_breaker_arrives_as_unavailable() {
    let channel = server().await;
    let (mut client, breaker) = stack(channel, 60_000);
    breaker.force_open(time::now());
    let status = call(&mut client, "world").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "circuit breaker is forced open");
    assert_eq!(refusal(&status), Some(&Rejected::CircuitOpen { retry_after: None }));
}

#[tokio::test]
async fn a_transport_error_reads_as_it_does_without_the_stack() {
    let nowhere = || channel("http://127.0.0.1:1");
    let bare = call(nowhere(), "world").await.unwrap_err();
    let (client, _) = stack(nowhere(), 60_000);
    let status = call(client, "world").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (bare.code(), bare.message()));
    assert!(refusal(&status).is_none());
}
