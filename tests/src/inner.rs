//! An inner service that does what the request says, and insists on being asked whether it is ready.

use std::{
    error::Error,
    fmt,
    future::{Future, pending, ready},
    pin::Pin,
    task::{Context, Poll},
};

use resilience_core::Call;
use resilience_tower::retry::Replay;
use tower::Service;

/// What the inner service is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// Answers with the number of the attempt.
    Answer,
    /// Fails.
    Fail,
    /// Fails at the first attempt, then answers.
    FailOnce,
    /// Never answers.
    Hang,
}

impl Replay for Do {
    fn try_clone(&self) -> Option<Self> {
        Some(*self)
    }
}

/// What the inner service fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage;

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dependency is down")
    }
}

impl Error for Outage {}

/// Panics when it is called without having been readied; a clone starts unready.
pub struct Strict<E> {
    readied: bool,
    fail: fn() -> E,
}

impl<E> Strict<E> {
    /// Not ready yet. Fails with what `fail` makes.
    #[must_use]
    pub const fn new(fail: fn() -> E) -> Self {
        Self { readied: false, fail }
    }
}

impl<E> Clone for Strict<E> {
    fn clone(&self) -> Self {
        Self::new(self.fail)
    }
}

impl<E: Send + 'static> Service<Call<Do>> for Strict<E> {
    type Response = u32;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<u32, E>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.readied = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Do>) -> Self::Future {
        assert!(std::mem::take(&mut self.readied), "called without having been readied");
        let attempt = call.context().attempt();
        match call.request() {
            Do::Answer => Box::pin(ready(Ok(attempt))),
            Do::FailOnce if attempt > 1 => Box::pin(ready(Ok(attempt))),
            Do::Fail | Do::FailOnce => Box::pin(ready(Err((self.fail)()))),
            Do::Hang => Box::pin(pending()),
        }
    }
}

impl<E> fmt::Debug for Strict<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strict").field("readied", &self.readied).finish_non_exhaustive()
    }
}
