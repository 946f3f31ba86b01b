use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use resilience_core::{
    CarryContext, Deadline, Refusal,
    idempotency::{IdempotencyKey, KeyRules},
};
use tower_service::Service;

use super::{KeyedRequest, KeyedResponse, ResponseFuture, header_value, layer::Settings};
use crate::time;

/// The service of [`IdempotencyKeyLayer`](super::IdempotencyKeyLayer).
#[derive(Clone, Debug)]
pub struct SendIdempotencyKey<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> SendIdempotencyKey<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, Req> Service<Req> for SendIdempotencyKey<S>
where
    S: Service<Req>,
    S::Error: Refusal,
    S::Response: KeyedResponse,
    Req: KeyedRequest + CarryContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Req) -> Self::Future {
        let key = self.settings.prepare(&mut request);
        ResponseFuture::new(self.inner.call(request), key)
    }
}

impl Settings {
    /// Sees to it that the request has a key, if it is one that needs it, and returns what it is sent with.
    fn prepare(&self, request: &mut (impl KeyedRequest + CarryContext)) -> Option<HeaderValue> {
        if !self.methods.contains(request.method()) {
            return None;
        }
        let value = match request.headers().get(&self.header) {
            Some(value) => value.clone(),
            None => self.add_key(request),
        };
        if self.server_honours_keys {
            self.allow_repetition(request, &value);
        }
        Some(value)
    }

    fn add_key(&self, request: &mut impl KeyedRequest) -> HeaderValue {
        let header = match request.key() {
            Some(key) => header_value(key, self.format),
            None if self.by_time => header_value(&IdempotencyKey::uuid_v7(since_1970()), self.format),
            None => header_value(&IdempotencyKey::random(), self.format),
        };
        request.headers_mut().insert(self.header.clone(), header.clone());
        header
    }

    /// Lets retry layers send the request again, for as long as the server remembers the key. An empty or broken key protects
    /// nothing.
    fn allow_repetition(&self, request: &mut impl CarryContext, value: &HeaderValue) {
        let Some(key) = key(value) else { return };
        let age = key.created().map_or(Duration::ZERO, |created| since_1970().saturating_sub(created));
        let left = self.max_key_lifetime.saturating_sub(age);
        if let (false, Some(context)) = (left.is_zero(), request.context_mut()) {
            context.tighten(Deadline::after(time::now(), left));
            *context = std::mem::take(context).assume_idempotent();
        }
    }
}

/// The key that a request was sent with.
pub(super) fn key(value: &HeaderValue) -> Option<IdempotencyKey> {
    KeyRules::new().parse(value.as_bytes()).ok()
}

fn since_1970() -> Duration {
    time::wall_now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
