//! A strict inner service: it checks the contract from below and does what the case asks for.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use resilience_core::{Call, Error};
use tower::Service;

pub(crate) type InnerError = Error<&'static str>;

/// What the inner service does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Echo,
    Fail,
    /// Never answers.
    Hang,
    PanicInCall,
    PanicInPoll,
}

/// What the inner service does when asked whether it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    Pending,
    Fails,
}

/// What has happened to an inner service and its clones.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) readied: AtomicU32,
    pub(crate) called: AtomicU32,
    pub(crate) polled: AtomicU32,
    pub(crate) running: AtomicU32,
}

impl Log {
    pub(crate) fn readied(&self) -> u32 {
        self.readied.load(Ordering::SeqCst)
    }

    pub(crate) fn called(&self) -> u32 {
        self.called.load(Ordering::SeqCst)
    }

    pub(crate) fn polled(&self) -> u32 {
        self.polled.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::SeqCst)
    }
}

/// The inner service. It cannot be cloned: see [`Clonable`].
#[derive(Debug)]
pub(crate) struct Strict {
    pub(crate) does: Does,
    pub(crate) readiness: Readiness,
    pub(crate) log: Arc<Log>,
    is_ready: bool,
}

impl Strict {
    pub(crate) fn new(does: Does) -> Self {
        Self { does, readiness: Readiness::Ready, log: Arc::default(), is_ready: false }
    }

    pub(crate) fn with_readiness(readiness: Readiness) -> Self {
        Self { readiness, ..Self::new(Does::Echo) }
    }
}

impl Service<Call<u32>> for Strict {
    type Response = u32;
    type Error = InnerError;
    type Future = Response;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), InnerError>> {
        self.log.readied.fetch_add(1, Ordering::SeqCst);
        self.is_ready = self.readiness == Readiness::Ready;
        match self.readiness {
            Readiness::Ready => Poll::Ready(Ok(())),
            Readiness::Pending => Poll::Pending,
            Readiness::Fails => Poll::Ready(Err(Error::inner("not ready"))),
        }
    }

    fn call(&mut self, call: Call<u32>) -> Response {
        assert!(std::mem::take(&mut self.is_ready), "an instance was called that was not readied");
        self.log.called.fetch_add(1, Ordering::SeqCst);
        assert_ne!(self.does, Does::PanicInCall, "the inner service panics in call");
        self.log.running.fetch_add(1, Ordering::SeqCst);
        Response { does: self.does, answer: *call.request(), log: Arc::clone(&self.log) }
    }
}

/// The same as a service that can be cloned; a clone is not ready.
#[derive(Debug)]
pub(crate) struct Clonable(pub Strict);

impl Clonable {
    pub(crate) fn new(does: Does) -> Self {
        Self(Strict::new(does))
    }
}

impl Clone for Clonable {
    fn clone(&self) -> Self {
        let Strict { does, readiness, ref log, .. } = self.0;
        Self(Strict { does, readiness, log: Arc::clone(log), is_ready: false })
    }
}

impl Service<Call<u32>> for Clonable {
    type Response = u32;
    type Error = InnerError;
    type Future = Response;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), InnerError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, call: Call<u32>) -> Response {
        self.0.call(call)
    }
}

/// An answer of the inner service; it runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Response {
    does: Does,
    answer: u32,
    log: Arc<Log>,
}

impl Future for Response {
    type Output = Result<u32, InnerError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.log.polled.fetch_add(1, Ordering::SeqCst);
        match self.does {
            Does::Echo => Poll::Ready(Ok(self.answer)),
            Does::Fail => Poll::Ready(Err(Error::inner("failed"))),
            Does::Hang => Poll::Pending,
            Does::PanicInCall => unreachable!("it panics in call"),
            Does::PanicInPoll => panic!("the inner future panics"),
        }
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        self.log.running.fetch_sub(1, Ordering::SeqCst);
    }
}
