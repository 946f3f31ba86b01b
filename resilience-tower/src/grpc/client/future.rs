//! The phases of an attempt at the channel.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, Deadline};
use tonic::{Code, Status, TimeoutExpired, body::Body};

use super::ahead::Ahead;
use crate::{
    grpc::{sources, status::read},
    time,
};

/// The 4 MiB that `tonic` takes for a message by default, and room for what it comes in. A longer answer is passed on as it comes.
const MOST: u64 = 5 * 1024 * 1024;

pin_project! {
    /// The response of [`Wire`](super::Wire).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the call, and what was received of the answer.
    #[must_use = "futures do nothing unless polled"]
    pub struct WireFuture<F> {
        #[pin]
        phase: Phase<F>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F> {
        /// Waiting for the head of the answer.
        Calling { #[pin] future: F, sent: Sent },
        /// `tonic` has been quicker to say that the time is over than the timeout that has set it, which says more.
        TimedOut,
        /// Reading the message, up to the status behind it.
        Reading { answer: Option<Response<Ahead>> },
    }
}

impl<F> WireFuture<F> {
    pub(super) const fn new(future: F, sent: Sent) -> Self {
        Self { phase: Phase::Calling { future, sent } }
    }
}

/// What is known of a call when it is sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    /// The answer is to be read up to its status.
    pub(super) to_the_status: bool,
    /// When the time in its header is over: a deadline in its context is, too, or a thousandth of it later.
    pub(super) until: Option<Deadline>,
}

impl Sent {
    /// Whether that the call was cancelled, or timed out, says no more than that its time is over.
    fn is_over(self) -> bool {
        self.until.is_some_and(|until| until.is_over(time::now()))
    }
}

impl<F, B, E> Future for WireFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<Body>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        loop {
            match phase.as_mut().project() {
                PhaseProj::Calling { future, sent } => {
                    let (sent, result) = (*sent, ready!(future.poll(cx)).map_err(Into::into));
                    if is_cancelled(&result) && sent.is_over() {
                        phase.set(Phase::TimedOut);
                        continue;
                    }
                    let answer = result.map_err(read)?.map(Body::new);
                    if !sent.to_the_status {
                        return Poll::Ready(Ok(answer));
                    }
                    phase.set(Phase::Reading { answer: Some(answer.map(Ahead::new)) });
                }
                PhaseProj::TimedOut => return Poll::Pending,
                PhaseProj::Reading { answer } => {
                    let received = answer.as_mut().expect("polled after it had completed").body_mut();
                    let trailers = ready!(received.poll_to_the_end(MOST, cx))?;
                    let answer = answer.take().expect("it was there above");
                    return Poll::Ready(Ok(judged(answer, trailers)));
                }
            }
        }
    }
}

/// What `tonic` says when the time in the header is over: the channel by its error, and a server by this status.
fn is_cancelled<B>(result: &Result<Response<B>, BoxError>) -> bool {
    match result {
        Ok(answer) => code(answer.headers()) == Some(Code::Cancelled),
        Err(error) => sources(error.as_ref()).any(|error| error.is::<TimeoutExpired>()),
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// A bad status moves from the trailers to the headers, where all look for it; the generated client makes the same of both.
fn judged(answer: Response<Ahead>, trailers: Option<HeaderMap>) -> Response<Body> {
    match (trailers.as_ref().and_then(code), trailers) {
        (None | Some(Code::Ok), _) => answer.map(Ahead::into_body),
        (Some(_), trailers) => {
            let mut failed = answer.map(|_| Body::empty());
            failed.headers_mut().extend(trailers.into_iter().flatten());
            failed
        }
    }
}

impl<F> fmt::Debug for WireFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Calling { .. } => "Calling",
            Phase::TimedOut => "TimedOut",
            Phase::Reading { .. } => "Reading",
        };
        f.debug_struct("WireFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
