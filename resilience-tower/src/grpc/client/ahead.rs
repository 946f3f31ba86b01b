use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Status, body::Body};

/// What a body yields next.
pub(super) type Next = Option<Result<Frame<Bytes>, Status>>;

/// A body of which something has been received already.
pub(super) struct Ahead {
    received: VecDeque<Result<Frame<Bytes>, Status>>,
    /// What is to come, unless it has ended.
    rest: Option<Body>,
    /// The data in `received`.
    bytes: u64,
}

impl Ahead {
    pub(super) const fn new(rest: Body) -> Self {
        Self { received: VecDeque::new(), rest: Some(rest), bytes: 0 }
    }

    /// With what has come out of the body next.
    pub(super) fn after(mut self, polled: Poll<Next>) -> Self {
        if let Poll::Ready(next) = polled {
            self.received(next);
        }
        self
    }

    fn received(&mut self, next: Next) {
        match next {
            Some(frame) => {
                self.bytes += bytes(&frame);
                self.received.push_back(frame);
            }
            None => self.rest = None,
        }
    }

    /// The memory in use: what is sent in crumbs takes more than its data.
    fn size(&self) -> u64 {
        const FRAME: u64 = size_of::<Result<Frame<Bytes>, Status>>() as u64;
        self.bytes + FRAME * self.received.len() as u64
    }

    /// Receives all there is, and returns a copy of the trailers; or stops when it takes more than `most` bytes.
    pub(super) fn poll_to_the_end(
        &mut self,
        most: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Status>> {
        while self.size() <= most {
            let Some(rest) = &mut self.rest else { break };
            let next = ready!(Pin::new(rest).poll_frame(cx)).transpose()?;
            let trailers = next.as_ref().and_then(Frame::trailers_ref).cloned();
            self.received(next.map(Ok));
            if trailers.is_some() {
                return Poll::Ready(Ok(trailers));
            }
        }
        Poll::Ready(Ok(None))
    }

    pub(super) fn into_body(self) -> Body {
        match self.rest {
            Some(rest) if self.received.is_empty() => rest,
            _ => Body::new(self),
        }
    }
}

fn bytes(frame: &Result<Frame<Bytes>, Status>) -> u64 {
    frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64)
}

impl http_body::Body for Ahead {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(frame) = self.received.pop_front() {
            self.bytes -= bytes(&frame);
            return Poll::Ready(Some(frame));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(self.bytes));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(self.bytes));
        }
        hint
    }
}

/// Without the data.
impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("received", &self.received.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn the_hint_of_what_is_left_is_exact_all_the_way() {
        let rest = Body::new(Full::new(Bytes::from_static(b"rest")));
        let first = Frame::data(Bytes::from_static(b"received"));
        let mut body = Ahead::new(rest).after(Poll::Ready(Some(Ok(first))));
        let mut left = vec![body.size_hint().exact()];
        while let Some(frame) = body.frame().await {
            assert!(frame.is_ok());
            left.push(body.size_hint().exact());
        }
        assert_eq!(left, [Some(12), Some(4), Some(0)]);
        assert!(body.is_end_stream());
    }
}
