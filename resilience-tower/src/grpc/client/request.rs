use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::Full;
use resilience_core::Deadline;
use tonic::{Status, body::Body};

use super::ahead::Ahead;
use crate::retry::Replay;

/// The body of a request on its way through the stack of a [`Client`](super::Client).
///
/// A single message that is all there can be sent again: that is every call whose request is not a stream. A stream is sent once.
pub struct RequestBody {
    content: Content,
    pub(super) answer: Answer,
}

enum Content {
    /// With its header of five bytes.
    Message(Bytes),
    Stream(Ahead),
}

/// What is known of the answer to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Unknown,
    /// One message, and then the status.
    Message,
    /// It takes as long as it takes, or until the deadline of the caller's own.
    Stream(Option<Deadline>),
}

impl RequestBody {
    /// Takes what `body` has at once, two frames at the most. A single message of `tonic`'s is one frame, and the end comes at once.
    pub(super) fn new(mut body: Body) -> Self {
        let first = match poll(&mut body) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return Self::stream(Ahead::new(body).after(other)),
        };
        let content = match (message(&first), poll(&mut body)) {
            (Some(message), Poll::Ready(None)) => Content::Message(message),
            (_, second) => {
                Content::Stream(Ahead::new(body).after(Poll::Ready(Some(Ok(first)))).after(second))
            }
        };
        Self { content, answer: Answer::Unknown }
    }

    const fn stream(ahead: Ahead) -> Self {
        Self { content: Content::Stream(ahead), answer: Answer::Unknown }
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self.content, Content::Stream(_))
    }
}

impl From<RequestBody> for Body {
    fn from(body: RequestBody) -> Self {
        match body.content {
            Content::Message(message) => Self::new(Full::new(message)),
            Content::Stream(ahead) => ahead.into_body(),
        }
    }
}

/// Without a waker: whoever polls it next leaves one.
fn poll(body: &mut Body) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// The data of a frame, if that is exactly one message: its length comes after a byte of flags.
fn message(frame: &Frame<Bytes>) -> Option<Bytes> {
    let data = frame.data_ref()?;
    let (header, message) = data.split_first_chunk::<5>()?;
    let [_, length @ ..] = *header;
    (u32::try_from(message.len()) == Ok(u32::from_be_bytes(length))).then(|| data.clone())
}

impl Replay for RequestBody {
    fn try_clone(&self) -> Option<Self> {
        match &self.content {
            Content::Message(message) => {
                Some(Self { content: Content::Message(message.clone()), answer: self.answer })
            }
            Content::Stream(_) => None,
        }
    }
}

/// Without the data.
impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("is_stream", &self.is_stream()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt;

    use super::*;

    /// Yields what it has, and is then pending or ends.
    struct Script {
        frames: VecDeque<&'static [u8]>,
        ends: bool,
    }

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.frames.pop_front() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data))))),
                None if self.ends => Poll::Ready(None),
                None => {
                    self.ends = true;
                    Poll::Pending
                }
            }
        }
    }

    fn body<const N: usize>(frames: [&'static [u8]; N], ends: bool) -> RequestBody {
        RequestBody::new(Body::new(Script { frames: frames.into(), ends }))
    }

    const ONE: &[u8] = &[0, 0, 0, 0, 2, 7, 8];

    fn sent(body: RequestBody) -> Vec<u8> {
        let mut body = Body::from(body);
        let mut sent = Vec::new();
        loop {
            match poll(&mut body) {
                Poll::Ready(Some(frame)) => sent.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                Poll::Ready(None) => return sent,
                Poll::Pending => {}
            }
        }
    }

    #[test]
    fn one_message_is_sent_again_and_again() {
        for message in [ONE, &[1, 0, 0, 0, 0]] {
            let first = body([message], true);
            let (second, third) = (first.try_clone().unwrap(), first.try_clone().unwrap());
            for copy in [first, second, third] {
                assert!(!copy.is_stream());
                assert_eq!(sent(copy), message);
            }
        }
    }

    #[test]
    fn a_stream_is_sent_once_and_whole() {
        let streams: [(&[&'static [u8]], bool); 8] = [
            (&[ONE], false),
            (&[ONE, ONE], true),
            (&[ONE, ONE, ONE], false),
            (&[&[0, 0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0]], true),
            (&[&[0, 0, 0, 0, 2, 7]], true),
            (&[&[0, 0, 0]], true),
            (&[], true),
            (&[], false),
        ];
        for (frames, ends) in streams {
            let script = Script { frames: frames.iter().copied().collect(), ends };
            let body = RequestBody::new(Body::new(script));
            assert!(body.is_stream() && body.try_clone().is_none(), "{frames:?} {ends}");
            assert_eq!(sent(body), frames.concat(), "{ends}");
        }
    }

    #[tokio::test]
    async fn an_error_of_the_body_is_not_lost() {
        let empty = http_body_util::Empty::<Bytes>::new().map_err(|never| match never {});
        let failing = empty.with_trailers(async { Some(Err(Status::aborted("mid-way"))) });
        let body = RequestBody::new(Body::new(Box::pin(failing)));
        assert!(body.is_stream());
        assert_eq!(Body::from(body).collect().await.unwrap_err().message(), "mid-way");
    }

    #[test]
    fn a_body_tells_nothing_of_its_data() {
        assert_eq!(format!("{:?}", body([ONE], true)), "RequestBody { is_stream: false, .. }");
    }
}
