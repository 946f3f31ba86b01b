//! A policy that needs a second instance of what it wraps: one more attempt after a failure.
//!
//! Not a retry policy to use, but what one has to do to keep the contracts of a stack: the same error type, the attempt
//! number in the context, readiness of the instance that is called.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use resilience_core::{CarryContext, Refusal, Rejected};
use tower::{Layer, Service, ServiceExt};

/// Makes a second attempt where the first failed and a second makes sense.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryOnceLayer;

impl<S> Layer<S> for RetryOnceLayer {
    type Service = RetryOnce<S>;

    fn layer(&self, inner: S) -> RetryOnce<S> {
        RetryOnce { inner }
    }
}

/// The service of [`RetryOnceLayer`].
#[derive(Clone, Debug)]
pub struct RetryOnce<S> {
    inner: S,
}

impl<S, Req> Service<Req> for RetryOnce<S>
where
    S: Service<Req, Response: Send, Error: Refusal + Send, Future: Send> + Clone + Send + 'static,
    Req: CarryContext + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let mut saved = request.clone();
        let mut second = self.inner.clone();
        let first = self.inner.call(request);
        Box::pin(async move {
            match first.await {
                Err(error) if is_worth_another(&error) => {}
                result => return result,
            }
            if let Some(context) = saved.context_mut() {
                context.set_attempt(context.attempt() + 1);
            }
            second.ready().await?.call(saved).await
        })
    }
}

fn is_worth_another<E: Refusal>(error: &E) -> bool {
    matches!(error.rejected(), None | Some(Rejected::AttemptTimeout { .. }))
}
