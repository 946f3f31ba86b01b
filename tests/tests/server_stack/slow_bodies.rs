//! Clients that send their bodies slowly, and an adaptive limit that goes by how long requests take.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::Response;
use http_body::Frame;
use resilience_tower::stack;
use tokio::time::{Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

use super::MS;

/// A body of one piece, which takes its time.
struct Slow(Pin<Box<Sleep>>, bool);

impl Slow {
    fn new(takes: Duration) -> Self {
        Self(Box::pin(sleep(takes)), false)
    }
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.1 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.0.as_mut().poll(cx));
        self.1 = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"2 pears")))))
    }
}

/// All of a body.
async fn read(body: Body) -> Bytes {
    axum::body::to_bytes(body, 100).await.unwrap()
}

/// The adaptive limit after eight seconds of requests that the handler reads before it answers, unless something outside of the stack
/// has read them already.
async fn limit_after(takes: Duration, is_read_before: bool) -> u32 {
    let layer = stack::server("api");
    let handle = layer.handle().clone();
    let service = layer.layer(service_fn(async |request: Request| {
        Ok::<_, Infallible>(Response::new(Body::from(read(request.into_body()).await)))
    }));
    for _ in 0..4_000 {
        let service = service.clone();
        tokio::spawn(async move {
            let mut body = Body::new(Slow::new(takes));
            if is_read_before {
                body = Body::from(read(body).await);
            }
            service.oneshot(Request::new(body)).await
        });
        sleep(2 * MS).await;
    }
    handle.adaptive().unwrap().snapshot().limit
}

/// The handler waits, and nobody can tell for what.
#[tokio::test(start_paused = true)]
async fn a_handler_that_reads_slow_bodies_looks_like_one_that_is_slow() {
    assert_eq!(limit_after(1_000 * MS, false).await, 2, "the minimum");
    assert!(limit_after(10 * MS, false).await >= 16, "quick ones are nothing to it");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_read_outside_of_the_stack_cost_nobody_anything() {
    assert!(limit_after(1_000 * MS, true).await >= 15);
}
