use std::{error::Error as _, net::SocketAddr, time::Duration};

use resilience_core::{Context, Deadline, Rejected};
use resilience_tower::{
    CallLayer, ErrorLayer, TimeoutLayer, TransportLayer,
    call::{HandOnLayer, InheritLayer, with_deadline},
    grpc::{RespondLayer, StatusLayer},
    http::deadline::{DeadlineHeader, ReadDeadlineLayer, WriteDeadlineLayer},
};
use tests::{
    grpc::{Unary, call, channel},
    server::listen,
    time,
};
use tonic::{
    Code, Request, Response,
    body::Body,
    client::GrpcService,
    transport::{Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

use super::{AMPLE, LITTLE, MS, Seen, WORK, each_has_seen_less};

/// A server that works for a while and then asks the next one, if there is one.
async fn hop(next: Option<SocketAddr>) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let log = seen.clone();
    let handler = move |request: Request<String>| {
        log.note(request.extensions().get::<Context>());
        let working = Working(log.clone());
        async move {
            let _working = working;
            let Some(next) = next else { return Ok(Response::new("the end".to_owned())) };
            tokio::time::sleep(WORK).await;
            call(client(next, AMPLE), "").await.map(Response::new)
        }
    };
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(ReadDeadlineLayer::new().header(DeadlineHeader::grpc()))
        .layer(TimeoutLayer::total(AMPLE))
        .layer(HandOnLayer::new())
        .layer(ErrorLayer::new());
    let (listener, address) = listen().await.unwrap();
    let server = Server::builder().layer(stack).add_service(Unary(handler));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (address, seen)
}

/// A handler at work.
struct Working(Seen);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.ended.notify_one();
    }
}

/// Takes over the deadline on the task, and gives each call no more than `limit`.
fn client(address: SocketAddr, limit: Duration) -> impl GrpcService<Body, ResponseBody = Body, Future: Send> {
    ServiceBuilder::new()
        .layer(StatusLayer::new())
        .layer(CallLayer::new())
        .layer(InheritLayer::new())
        .layer(TimeoutLayer::total(limit))
        .layer(WriteDeadlineLayer::new().header(DeadlineHeader::grpc()))
        .layer(TransportLayer::new())
        .service(channel(&format!("http://{address}")))
}

#[tokio::test]
async fn the_last_server_has_what_the_first_was_given_less_what_has_passed() {
    let (c, seen_c) = hop(None).await;
    let (b, seen_b) = hop(Some(c)).await;
    let (a, seen_a) = hop(Some(b)).await;
    assert_eq!(call(client(a, 20_000 * MS), "").await.unwrap(), "the end");
    let hops = [seen_a, seen_b, seen_c];
    each_has_seen_less(&hops, 20_000 * MS);
    // Of a caller that gives no time.
    assert_eq!(call(channel(&format!("http://{a}")), "").await.unwrap(), "the end");
    each_has_seen_less(&hops, AMPLE);
}

/// `tonic` keeps the time in `grpc-timeout` too, and its own timers may be quicker than ours.
#[tokio::test]
async fn a_server_whose_time_is_over_asks_nobody_and_the_caller_reads_deadline_exceeded() {
    let (c, seen_c) = hop(None).await;
    let (b, seen_b) = hop(Some(c)).await;
    let status = call(client(b, LITTLE), "").await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    // If the call has come to B at all.
    if !seen_b.take().is_empty() {
        seen_b.ended.notified().await;
    }
    assert!(seen_c.take().is_empty());
}

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let (a, seen) = hop(None).await;
    let over = Deadline::after(time::now(), Duration::ZERO);
    let under = with_deadline(Some(over), call(client(a, AMPLE), ""));
    let status = under.await.unwrap_err();
    let source = status.source().and_then(|source| source.downcast_ref::<Rejected>());
    assert!(matches!(source, Some(Rejected::DeadlineExceeded { called: false, .. })), "{status:?}");
    assert!(seen.take().is_empty());
}
