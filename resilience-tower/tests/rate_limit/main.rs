//! The rate limit layers: what is refused, what waits and in which order, and what a cancelled call gives back.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod all;
mod by_key;
mod in_future;

use std::{
    future::Future,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use resilience_core::{Call, Error, Event, Observer, Rejected};
use tower::Service;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<u32, Error<&'static str>>;

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Notes what reaches it and when, and answers with the request. It must have been readied.
#[derive(Debug, Default)]
struct Inner {
    called: Arc<Mutex<Vec<(u32, Instant)>>>,
    is_ready: bool,
    /// Calls of `poll_ready`, by all clones.
    asked: Arc<Mutex<u32>>,
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self { called: Arc::clone(&self.called), asked: Arc::clone(&self.asked), is_ready: false }
    }
}

impl Inner {
    fn calls(&self) -> Vec<u32> {
        self.called.lock().unwrap().iter().map(|&(request, _)| request).collect()
    }

    /// When each call came, after `start`.
    fn times(&self, start: Instant) -> Vec<Duration> {
        self.called.lock().unwrap().iter().map(|&(_, at)| at - start).collect()
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

impl Service<Call<u32>> for Inner {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        *self.asked.lock().unwrap() += 1;
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u32>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been readied");
        self.called.lock().unwrap().push((*call.request(), now()));
        std::future::ready(Ok(*call.request()))
    }
}

/// Keeps the events.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Event>>>);

impl Observer for Seen {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

impl Seen {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn limited(retry_after: Duration) -> Answer {
    Err(Rejected::RateLimited { retry_after }.into())
}

fn over(retry_after: Duration) -> Event {
    Event::RateLimited { enforced: true, retry_after: Some(retry_after) }
}

fn poll_ready<S: Service<Call<u32>>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

/// Readies, calls, and awaits; the service must be ready at once, and answer at once.
fn call_at_once<S>(service: &mut S, request: u32) -> Answer
where
    S: Service<Call<u32>, Response = u32, Error = Error<&'static str>>,
{
    assert_eq!(poll_ready(service), Poll::Ready(Ok(())));
    let mut response = std::pin::pin!(service.call(Call::new(request)));
    match response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}
