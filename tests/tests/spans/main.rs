//! Spans and logs, as subscribers and exporters see them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fields;
mod levels;
mod links;
mod logs;
mod otel;
mod propagation;
mod shape;
mod trap_42;

use std::{
    error, fmt,
    future::{Future, pending},
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use resilience_core::{
    Backoff, Call, Classify, Error, FailureKind, NamedErrors, RetryPolicy, Verdict, backoff::Jitter,
};
use resilience_metrics::{
    Spans, Telemetry,
    span::{ErrorText, OnAttempt},
};
use resilience_tower::{
    RetryLayer, TimeoutLayer,
    retry::Replay,
    stack::{ClientLayer, ClientSettings},
};
use tower::{Service, ServiceBuilder, ServiceExt};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What the inner service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Answer,
    Fail,
    /// Fails at the first attempts, this many, then answers.
    FailFirst(u32),
    /// Fails through the caller's own fault.
    Permanent,
    Hang,
    PanicInCall,
    PanicInFuture,
}

impl Replay for Do {
    fn try_clone(&self) -> Option<Self> {
        Some(*self)
    }
}

/// What the inner service fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failed(Do);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "told to {:?}", self.0)
    }
}

impl error::Error for Failed {}

type Answer = Result<u32, Error<Failed>>;

/// Says what it does in its log: when it is called, polled and dropped.
#[derive(Clone, Debug)]
struct Inner;

impl Service<Call<Do>> for Inner {
    type Response = u32;
    type Error = Error<Failed>;
    type Future = Doing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Do>) -> Doing {
        tracing::info!("called");
        if *call.request() == Do::PanicInCall {
            // A panic without its message on the terminal.
            resume_unwind(Box::new("as told"));
        }
        let (what, attempt) = (*call.request(), call.context().attempt());
        let future = async move {
            tracing::info!("polled");
            match what {
                Do::Answer => Ok(attempt),
                Do::FailFirst(times) if attempt > times => Ok(attempt),
                Do::Hang => pending().await,
                Do::PanicInFuture | Do::PanicInCall => resume_unwind(Box::new("as told")),
                Do::Fail | Do::FailFirst(_) | Do::Permanent => Err(Error::inner(Failed(what))),
            }
        };
        Doing(Box::pin(future))
    }
}

struct Doing(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Future for Doing {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.0.as_mut().poll(cx)
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

fn verdict(result: Result<&u32, &Error<Failed>>) -> Verdict {
    match result {
        Ok(_) => Verdict::Success,
        Err(Error::Inner { error: Failed(Do::Permanent), .. }) => Verdict::Failure(FailureKind::Permanent),
        Err(_) => Verdict::Failure(FailureKind::Transient),
    }
}

/// A classifier that has a name for errors.
fn classify() -> impl Classify<u32, Error<Failed>> + Clone + Send + Sync {
    let name = |error: &Error<Failed>| match error {
        Error::Inner { error: Failed(Do::Permanent), .. } => "not_found",
        _ => "reset",
    };
    NamedErrors::new(verdict, name)
}

fn spans() -> Spans<impl Classify<u32, Error<Failed>> + Clone + Send + Sync> {
    Telemetry::new("pay").spans(classify())
}

fn policy() -> RetryPolicy {
    RetryPolicy::new().max_attempts(3).backoff(Backoff::constant(10 * MS).jitter(Jitter::None))
}

/// Spans around a retry layer and around its attempts, each of which may take a second.
fn service<C, T, H>(
    spans: &Spans<C, T, H>,
) -> impl Service<Call<Do>, Response = u32, Error = Error<Failed>, Future: Send> + Clone + Send + use<C, T, H>
where
    C: Classify<u32, Error<Failed>> + Clone + Send + Sync,
    T: ErrorText<Error<Failed>> + Clone + Send + Sync,
    H: OnAttempt<Call<Do>> + Clone + Send + Sync,
{
    let (operation, attempt) = spans.layers();
    ServiceBuilder::new()
        .layer(operation)
        .layer(RetryLayer::new(policy()).classify(verdict))
        .layer(attempt)
        .layer(TimeoutLayer::attempt(SECOND))
        .service(Inner)
}

async fn call<S>(service: &S, what: Do) -> Answer
where
    S: Service<Call<Do>, Response = u32, Error = Error<Failed>> + Clone,
{
    service.clone().oneshot(Call::new(what)).await
}

/// A client's stack that retries at once, and whose breaker opens after two failures.
fn stack() -> ClientLayer {
    let breaker = resilience_core::circuit_breaker::Config::new().time_window(None).consecutive_failures(2);
    let settings =
        ClientSettings::new().retry(RetryPolicy::new().backoff(Backoff::none())).circuit_breaker(breaker);
    ClientLayer::new("pay", &settings).unwrap()
}
