use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response of [`Respond`](super::Respond): that of the wrapped service, or the text about a refusal.
    ///
    /// A body wherever `B` is one, for `axum`, `tonic`, `hyper` and the layers of `tower-http`. The default is empty.
    ///
    /// ```
    /// use http_body::Body;
    /// use resilience_tower::http::RespondBody;
    ///
    /// let empty = RespondBody::<String>::default();
    /// assert!(empty.is_end_stream());
    /// assert_eq!(empty.into_inner(), None);
    /// ```
    pub struct RespondBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Inner { #[pin] body: B },
        /// What has not been read of it.
        Refusal { text: Bytes },
    }
}

impl<B> RespondBody<B> {
    pub(super) const fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(super) const fn refusal(text: Bytes) -> Self {
        Self { kind: Kind::Refusal { text } }
    }

    /// The body of the wrapped service, unless the call was refused.
    #[must_use]
    pub fn into_inner(self) -> Option<B> {
        match self.kind {
            Kind::Inner { body } => Some(body),
            Kind::Refusal { .. } => None,
        }
    }
}

/// Empty, whatever `B` is.
impl<B> Default for RespondBody<B> {
    fn default() -> Self {
        Self::refusal(Bytes::new())
    }
}

impl<B: Body> Body for RespondBody<B>
where
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Refusal { text } if text.is_empty() => Poll::Ready(None),
            KindProj::Refusal { text } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Refusal { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Refusal { text } => SizeHint::with_exact(text.len() as u64),
        }
    }
}

impl<B> fmt::Debug for RespondBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Inner { .. } => "Inner",
            Kind::Refusal { .. } => "Refusal",
        };
        f.debug_struct("RespondBody").field("kind", &kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Waker};

    use http_body_util::Full;

    use super::*;

    type Frames<B> = RespondBody<B>;

    /// Its bytes, and what it has said of itself before each of them.
    fn read<B: Body<Data = Bytes, Error: fmt::Debug>>(
        body: Frames<B>,
    ) -> (Vec<u8>, Vec<(bool, Option<u64>)>) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut body = pin!(body);
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        loop {
            said.push((body.is_end_stream(), body.size_hint().exact()));
            match body.as_mut().poll_frame(&mut cx) {
                Poll::Ready(Some(frame)) => bytes.extend(frame.unwrap().into_data().unwrap()),
                Poll::Ready(None) => return (bytes, said),
                Poll::Pending => panic!("nothing to wait for"),
            }
        }
    }

    #[test]
    fn the_text_is_read_once_and_its_length_is_known() {
        let text = Frames::<Full<Bytes>>::refusal("later".into());
        assert_eq!(read(text), (b"later".to_vec(), vec![(false, Some(5)), (true, Some(0))]));
        assert_eq!(read(Frames::<Full<Bytes>>::default()), (vec![], vec![(true, Some(0))]));
    }

    #[test]
    fn an_inner_body_passes_through() {
        let full = || Full::from("fine");
        assert_eq!(read(Frames::inner(full())), (b"fine".to_vec(), vec![(false, Some(4)), (true, Some(0))]));
        assert!(Frames::inner(full()).into_inner().is_some());
        assert!(Frames::<Full<Bytes>>::refusal("later".into()).into_inner().is_none());
    }
}
