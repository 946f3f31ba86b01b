//! Permits that are held until the body of a response has been read.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Hold, sealed::Sealed};

/// Until the body of the response has been read to its end, has failed, or is dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilBodyEnd(());

impl Sealed for UntilBodyEnd {}

impl<B: Body, P> Hold<Response<B>, P> for UntilBodyEnd {
    type Response = Response<HeldBody<B, P>>;

    fn hold<E>(
        polled: Poll<Result<Response<B>, E>>,
        permit: &mut Option<P>,
    ) -> Poll<Result<Self::Response, E>> {
        let result = ready!(polled);
        let permit = permit.take();
        Poll::Ready(result.map(|response| {
            response.map(|body| {
                let permit = permit.filter(|_| !body.is_end_stream());
                HeldBody { body, permit }
            })
        }))
    }
}

pin_project! {
    /// A body that holds a permit until its end.
    ///
    /// # Cancellation
    ///
    /// Dropping it gives the permit back.
    pub struct HeldBody<B, P> {
        #[pin]
        body: B,
        permit: Option<P>,
    }
}

impl<B: Body, P> Body for HeldBody<B, P> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            *this.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Default, P> Default for HeldBody<B, P> {
    /// A body that holds nothing.
    fn default() -> Self {
        Self { body: B::default(), permit: None }
    }
}

impl<B, P> fmt::Debug for HeldBody<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody").field("holds", &self.permit.is_some()).finish_non_exhaustive()
    }
}
