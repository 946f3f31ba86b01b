use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use resilience_core::{Deadline, Event, Observer, Refusal};
use tower_service::Service;

use super::future::ResponseFuture;
use crate::observed::Observed;
use crate::time::{self, Sleep};

/// The service of [`LoadShedLayer`](super::LoadShedLayer).
///
/// # Clone
///
/// A clone starts unready, and has not waited.
#[derive(Debug)]
pub struct LoadShed<S, O = ()> {
    inner: S,
    grace: Duration,
    observer: Observed<O>,
    ready: Ready,
    /// Made by the first wait of this instance and used by all that follow: `poll_ready` has no other place for a timer, which
    /// must not move.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What `poll_ready` has found for the next call.
#[derive(Clone, Copy, Debug)]
enum Ready {
    No,
    /// The inner service has been pending since.
    Waiting {
        since: Instant,
    },
    /// The inner service is reserved.
    Inner,
    /// It was pending until the grace was over.
    Refused {
        waited: Duration,
    },
}

impl<S, O> LoadShed<S, O> {
    pub(super) const fn new(inner: S, grace: Duration, observer: Observed<O>) -> Self {
        Self { inner, grace, observer, ready: Ready::No, timer: None }
    }

    /// The inner service is pending: how long it has been, once that is as long as it may be.
    fn poll_grace(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.grace.is_zero() {
            return Poll::Ready(Duration::ZERO);
        }
        let (since, begins) = match self.ready {
            Ready::Refused { waited } => return Poll::Ready(waited),
            Ready::Waiting { since } => (since, false),
            Ready::No | Ready::Inner => (time::now(), true),
        };
        let end = Deadline::after(since, self.grace).at();
        let timer = self.timer.get_or_insert_with(|| Box::pin(time::sleep_until(end)));
        if begins {
            time::reset(timer.as_mut(), end);
            self.ready = Ready::Waiting { since };
        }
        time::poll_timer(timer.as_mut(), cx).map(|()| time::now().saturating_duration_since(since))
    }
}

impl<S: Clone, O> Clone for LoadShed<S, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.grace, self.observer.clone())
    }
}

impl<S, O, Req> Service<Req> for LoadShed<S, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    O: Observer,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.inner.poll_ready(cx) {
            Poll::Ready(ready) => {
                self.ready = if ready.is_ok() { Ready::Inner } else { Ready::No };
                Poll::Ready(ready)
            }
            Poll::Pending => self.poll_grace(cx).map(|waited| {
                self.ready = Ready::Refused { waited };
                Ok(())
            }),
        }
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let waited = match std::mem::replace(&mut self.ready, Ready::No) {
            Ready::Inner => return ResponseFuture::running(self.inner.call(request)),
            Ready::Refused { waited } => waited,
            // Not readied: the inner service must not be called.
            Ready::No | Ready::Waiting { .. } => Duration::ZERO,
        };
        self.observer.tell(&Event::LoadShed { waited });
        ResponseFuture::refused(waited)
    }
}
