//! A `tonic` server under the stack, over a real socket: any client reads refusals as it reads a status of the handler's.

use std::{error::Error as _, time::Duration};

use resilience_core::{Classify, Hint, Quota, circuit_breaker::Config};
use resilience_tower::{
    CircuitBreakerLayer, ErrorLayer, RateLimitLayer, TimeoutLayer,
    grpc::{ClassifyCode, RespondLayer},
};
use tests::{
    grpc::{Unary, call, channel},
    server::listen,
    time,
};
use tonic::{
    Code, Status,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

use super::{AMPLE, MS, over_grpc::greet};

/// Two calls a minute, each within `limit`, through `breaker`.
async fn server(limit: Duration, breaker: CircuitBreakerLayer) -> Channel {
    let (listener, address) = listen().await.unwrap();
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(RateLimitLayer::new(Quota::per_minute(1).burst(2)))
        .layer(TimeoutLayer::total(limit))
        .layer(breaker)
        .layer(ErrorLayer::new());
    let server = Server::builder().layer(stack).add_service(Unary(greet));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    channel(&format!("http://{address}"))
}

fn hint(status: &Status) -> Option<Hint> {
    ClassifyCode.hint(Err::<&(), _>(status))
}

#[tokio::test]
async fn answers_and_the_handlers_own_status_arrive_and_then_the_rate_limit() {
    let channel = server(AMPLE, CircuitBreakerLayer::new(Config::new())).await;
    assert_eq!(call(channel.clone(), "world").await.unwrap(), "hello world");
    let nobody = call(channel.clone(), "nobody").await.unwrap_err();
    assert_eq!((nobody.code(), nobody.message()), (Code::NotFound, "no such person"));

    let limited = call(channel, "world").await.unwrap_err();
    assert_eq!(limited.code(), Code::ResourceExhausted);
    assert!(limited.message().starts_with("Too many requests"), "{limited}");
    assert!(limited.source().is_none(), "it has come over the wire");
    let Some(Hint::Exactly(wait)) = hint(&limited) else { panic!("{limited:?}") };
    assert!(wait > Duration::ZERO && wait <= AMPLE, "{wait:?}");
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_deadline_exceeded() {
    let channel = server(20 * MS, CircuitBreakerLayer::new(Config::new())).await;
    let late = call(channel, "sleeper").await.unwrap_err();
    assert_eq!((late.code(), hint(&late)), (Code::DeadlineExceeded, None));
}

#[tokio::test]
async fn an_open_breaker_is_unavailable() {
    let breaker = CircuitBreakerLayer::new(Config::new());
    breaker.breaker().force_open(time::now());
    let refused = call(server(AMPLE, breaker).await, "world").await.unwrap_err();
    assert_eq!((refused.code(), hint(&refused)), (Code::Unavailable, None));
}
