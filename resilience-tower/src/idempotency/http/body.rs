use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a request or a response that has passed an [`IdempotencyLayer`](crate::idempotency::IdempotencyLayer): that of the
    /// other side, or what was read of it or stored.
    ///
    /// A body wherever `B` is one. The default is empty.
    ///
    /// ```
    /// use http_body::Body;
    /// use http_body_util::Full;
    /// use resilience_tower::idempotency::http::IdempotentBody;
    ///
    /// let empty = IdempotentBody::<Full<bytes::Bytes>>::default();
    /// assert!(empty.is_end_stream());
    /// assert!(empty.into_inner().is_none());
    /// ```
    pub struct IdempotentBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        /// Nothing of it was read.
        Inner { #[pin] body: B },
        /// What was read or stored, and what comes after it.
        Read { head: Bytes, rest: Rest<B> },
    }
}

/// What comes after the bytes.
enum Rest<B> {
    End,
    Trailers(HeaderMap),
    /// What was not read.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code, reason = "only a long message is passed on"))]
    Body(Pin<Box<B>>),
}

impl<B> IdempotentBody<B> {
    /// The body of the other side, unless it was read.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Inner { body } => Some(body),
            Kind::Read { .. } => None,
        }
    }

    pub(in crate::idempotency) const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(in crate::idempotency) fn whole(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        let rest = trailers.filter(|trailers| !trailers.is_empty()).map_or(Rest::End, Rest::Trailers);
        Self { kind: Kind::Read { head: bytes, rest } }
    }

    #[cfg(feature = "grpc")]
    pub(in crate::idempotency) const fn begun(head: Bytes, rest: Pin<Box<B>>) -> Self {
        Self { kind: Kind::Read { head, rest: Rest::Body(rest) } }
    }
}

/// Empty, whatever `B` is.
impl<B> Default for IdempotentBody<B> {
    fn default() -> Self {
        Self::whole(Bytes::new(), None)
    }
}

impl<B: Body> Body for IdempotentBody<B>
where
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let (head, rest) = match self.project().kind.project() {
            KindProj::Inner { body } => return body.poll_frame(cx),
            KindProj::Read { head, rest } => (head, rest),
        };
        if !head.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(head).into()))));
        }
        match rest {
            Rest::End => Poll::Ready(None),
            Rest::Body(body) => body.as_mut().poll_frame(cx),
            Rest::Trailers(trailers) => {
                let trailers = std::mem::take(trailers);
                *rest = Rest::End;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Read { head, rest: Rest::End } => head.is_empty(),
            Kind::Read { head, rest: Rest::Body(body) } => head.is_empty() && body.is_end_stream(),
            Kind::Read { rest: Rest::Trailers(_), .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (head, rest) = match &self.kind {
            Kind::Inner { body } => return body.size_hint(),
            Kind::Read { head, rest } => (head.len() as u64, rest),
        };
        let Rest::Body(body) = rest else { return SizeHint::with_exact(head) };
        let rest = body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(head));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(head)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B> fmt::Debug for IdempotentBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Inner { .. } => "Inner",
            Kind::Read { .. } => "Read",
        };
        f.debug_struct("IdempotentBody").field("kind", &kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Waker};

    use http::HeaderValue;
    use http_body_util::Full;

    use super::*;

    type Tested = IdempotentBody<Full<Bytes>>;

    /// What it says of itself before each of its frames, and which they are.
    fn read(body: Tested) -> Vec<(bool, Option<u64>, String)> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut body = pin!(body);
        let mut seen = Vec::new();
        loop {
            let (ended, length) = (body.is_end_stream(), body.size_hint().exact());
            let frame = match body.as_mut().poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                    Err(frame) => format!("{} trailers", frame.into_trailers().unwrap().len()),
                },
                Poll::Ready(None) => "end".to_owned(),
                _ => panic!("it neither waits nor fails"),
            };
            let is_end = frame == "end";
            seen.push((ended, length, frame));
            if is_end {
                return seen;
            }
        }
    }

    fn seen(frames: &[(bool, u64, &str)]) -> Vec<(bool, Option<u64>, String)> {
        frames.iter().map(|&(ended, length, frame)| (ended, Some(length), frame.to_owned())).collect()
    }

    #[test]
    fn bytes_come_once_and_trailers_after_them() {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("1"))]);
        let with = Tested::whole("text".into(), Some(trailers.clone()));
        assert_eq!(read(with), seen(&[(false, 4, "text"), (false, 0, "1 trailers"), (true, 0, "end")]));
        let bare = Tested::whole(Bytes::new(), Some(trailers));
        assert_eq!(read(bare), seen(&[(false, 0, "1 trailers"), (true, 0, "end")]));
        for none in [None, Some(HeaderMap::new())] {
            let without = Tested::whole("text".into(), none);
            assert_eq!(read(without), seen(&[(false, 4, "text"), (true, 0, "end")]));
        }
        assert_eq!(read(Tested::default()), seen(&[(true, 0, "end")]));
        assert_eq!(read(Tested::inner(Full::from("text"))), seen(&[(false, 4, "text"), (true, 0, "end")]));
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn what_was_read_comes_before_the_rest() {
        let begun = Tested::begun("te".into(), Box::pin(Full::from("xt")));
        assert_eq!(read(begun), seen(&[(false, 4, "te"), (false, 2, "xt"), (true, 0, "end")]));
    }
}
