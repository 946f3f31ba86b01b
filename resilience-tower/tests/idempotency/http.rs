//! What the tests over HTTP share: a service, requests and answers.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, request};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use resilience_tower::idempotency::{
    Guard, IdempotencyLayer, Idempotent, Settings,
    http::{Http, IdempotentBody},
};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};

use crate::script::{Heard, Scripted};

pub(crate) type Body = Full<Bytes>;

/// What a handler is called with.
pub(crate) type Incoming = Request<IdempotentBody<Body>>;

type Handle = dyn Fn(&request::Parts, Bytes) -> Response<Body> + Send + Sync;

/// Reads its body, counts, and answers what it is told to.
#[derive(Clone)]
pub(crate) struct Handler {
    calls: Arc<AtomicU32>,
    last: Arc<Mutex<Option<(request::Parts, Bytes)>>>,
    handle: Arc<Handle>,
    time: std::time::Duration,
}

impl Service<Incoming> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Incoming) -> Self::Future {
        let Self { calls, last, handle, time } = self.clone();
        Box::pin(async move {
            calls.fetch_add(1, Ordering::SeqCst);
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            if !time.is_zero() {
                tokio::time::sleep(time).await;
            }
            let response = handle(&parts, body.clone());
            *last.lock().unwrap() = Some((parts, body));
            Ok(response)
        })
    }
}

/// A server of one handler.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) service: Idempotent<Handler, Http, Scripted, Heard>,
    pub(crate) store: Scripted,
    pub(crate) heard: Heard,
    pub(crate) guard: Guard<Scripted, Heard>,
    handler: Handler,
}

impl Server {
    /// Answers 201 with what it was sent.
    pub(crate) fn new(http: Http) -> Self {
        let echo = |_: &request::Parts, body| {
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = http::StatusCode::CREATED;
            response
        };
        Self::answering(http, echo)
    }

    pub(crate) fn answering(
        http: Http,
        handle: impl Fn(&request::Parts, Bytes) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::with_settings(Settings::new(), http, std::time::Duration::ZERO, handle)
    }

    pub(crate) fn with_settings(
        settings: Settings,
        http: Http,
        time: std::time::Duration,
        handle: impl Fn(&request::Parts, Bytes) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let handler = Handler { calls: Arc::default(), last: Arc::default(), handle: Arc::new(handle), time };
        let (store, heard) = (Scripted::new(), Heard::default());
        let guard = Guard::with_observer(store.clone(), settings, heard.clone());
        let service = IdempotencyLayer::new(guard.clone(), http).layer(handler.clone());
        Self { service, store, heard, guard, handler }
    }

    /// How often the handler was called.
    pub(crate) fn calls(&self) -> u32 {
        self.handler.calls.load(Ordering::SeqCst)
    }

    /// The last request of the handler.
    pub(crate) fn last(&self) -> (request::Parts, Bytes) {
        self.handler.last.lock().unwrap().take().unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.service.clone().oneshot(request).await.unwrap()).await
    }

    /// A POST with a key.
    pub(crate) async fn post(&self, key: &str, body: &'static str) -> Answer {
        self.send(post(key, body)).await
    }
}

pub(crate) fn post(key: &str, body: impl Into<Bytes>) -> Request<Body> {
    keyed(Method::POST, "/orders?dry=1", &[key], body)
}

pub(crate) fn keyed(method: Method, uri: &str, keys: &[&str], body: impl Into<Bytes>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    for key in keys {
        request = request.header("Idempotency-Key", *key);
    }
    request.body(Full::new(body.into())).unwrap()
}

/// A response that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// How long it said that it was.
    pub(crate) length: Option<u64>,
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<IdempotentBody<B>>) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
    {
        let (parts, body) = response.into_parts();
        let length = body.size_hint().exact();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
            trailers,
            length,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// Its code, if it is a problem document with all that belongs to one.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let problem = self.problem();
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(problem["type"], format!("urn:resilience:idempotency:{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(
            !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty()
        );
        assert!(!self.is_replayed());
        code
    }

    pub(crate) fn problem(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Server {
    /// The endings that were heard.
    pub(crate) fn endings(&self) -> Vec<&'static str> {
        self.heard.take().into_iter().map(resilience_core::idempotency::Ending::as_str).collect()
    }
}
