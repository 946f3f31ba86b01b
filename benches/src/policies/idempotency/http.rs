//! The layer around an HTTP handler that answers at once: what a request costs with a key and without.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use resilience_core::idempotency::{MemoryStore, memory::Config};
use resilience_tower::idempotency::{
    Execution, Guard, IdempotencyLayer, Idempotent, Settings, http::Http, memory_store,
};
use tower::{Layer, Service, ServiceExt};

use super::RESPONSE;
use crate::subject::Subject;

/// A request that passes by.
pub(super) fn without_key() -> Vec<Subject> {
    let guarded = guarded(Execution::Detached);
    vec![
        Subject::tasks("bare", async |n| Handler.oneshot(request(None)).await.map(|_| n)),
        Subject::tasks("resilience", async move |n| guarded.clone().oneshot(request(None)).await.map(|_| n)),
    ]
}

/// A key that nobody has used.
pub(super) fn first() -> Vec<Subject> {
    let (detached, inline) = (guarded(Execution::Detached), guarded(Execution::Inline));
    vec![
        Subject::tasks("bare", async |n| Handler.oneshot(request(Some(n))).await.map(|_| n)),
        Subject::tasks("resilience, detached", async move |n| status(&detached, n, false).await),
        Subject::tasks("resilience, inline", async move |n| status(&inline, n, false).await),
    ]
}

/// A key whose response is known.
pub(super) fn replay() -> Vec<Subject> {
    let service = guarded(Execution::Detached);
    vec![Subject::tasks("resilience", async move |n| {
        let known = n % 1024;
        match status(&service, known, true).await {
            Ok(status) => Ok(status),
            // The first time.
            Err(_) => status(&service, known, true).await,
        }
    })]
}

type Service_ = Idempotent<Handler, Http, MemoryStore>;

fn guarded(execution: Execution) -> Service_ {
    let settings = Settings::new().execution(execution).retain(Duration::from_secs(600));
    let guard = Guard::with_settings(memory_store(Config::new()), settings);
    IdempotencyLayer::new(guard, Http::single_tenant()).layer(Handler)
}

async fn status(service: &Service_, n: u64, replayed: bool) -> Result<u64, u16> {
    let Ok(response) = service.clone().oneshot(request(Some(n))).await;
    let status = response.status().as_u16();
    let is_replayed = response.headers().contains_key("idempotent-replayed");
    if status == 200 && is_replayed == replayed { Ok(n) } else { Err(status) }
}

fn request(key: Option<u64>) -> Request<Full<Bytes>> {
    let request = Request::post("/payments").header("content-type", "application/json");
    let request = match key {
        Some(key) => request.header("idempotency-key", format!("018f6b2e-7a52-7cc3-{key:017}")),
        None => request,
    };
    request.body(Full::from(Bytes::from_static(&RESPONSE))).expect("a request")
}

/// Answers 1 KiB at once.
#[derive(Clone, Copy, Debug)]
struct Handler;

impl<B> Service<Request<B>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Full::from(Bytes::from_static(&RESPONSE)))))
    }
}
