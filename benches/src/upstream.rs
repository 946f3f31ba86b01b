//! The service behind every policy: it answers at once, or after one wake-up, and fails on demand.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tower::Service;

/// What the upstream fails with: as small as an error can be, so that no row pays for moving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream failed")
    }
}

impl Error for Fault {}

impl From<Infallible> for Fault {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What the upstream answers.
pub type Answer = Result<u64, Fault>;

/// Answers at once, with its request, unless it was told to fail.
///
/// The switch is a `'static` reference: some peers clone the inner service for every call, and
/// would otherwise pay for a reference count that is ours and not theirs.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    failing: &'static AtomicBool,
}

impl Upstream {
    /// An upstream that fails while `failing` is set.
    #[must_use]
    pub const fn new(failing: &'static AtomicBool) -> Self {
        Self { failing }
    }

    /// Answers `request`.
    #[inline]
    pub fn answer(self, request: u64) -> Ready<Answer> {
        ready(if self.failing.load(Ordering::Relaxed) { Err(Fault) } else { Ok(request) })
    }
}

impl Service<u64> for Upstream {
    type Response = u64;
    type Error = Fault;
    type Future = Ready<Answer>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: u64) -> Self::Future {
        self.answer(request)
    }
}

/// Answers with its request on the second poll, as a call that had to wait for a socket once.
#[derive(Clone, Copy, Debug)]
pub struct Waiting;

impl Service<u64> for Waiting {
    type Response = u64;
    type Error = Fault;
    type Future = PendingOnce;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: u64) -> PendingOnce {
        PendingOnce { request, polled: false }
    }
}

/// The future of [`Waiting`].
#[derive(Debug)]
pub struct PendingOnce {
    request: u64,
    polled: bool,
}

impl Future for PendingOnce {
    type Output = Answer;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        if self.polled {
            return Poll::Ready(Ok(self.request));
        }
        self.polled = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
