//! Bodies that are read whole, up to a limit.

use std::{future::poll_fn, pin::Pin};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;

/// What reading a body has come to.
pub(in crate::idempotency) enum Collected<B> {
    Whole {
        bytes: Bytes,
        trailers: Option<HeaderMap>,
    },
    /// More than the limit: what was read, which may be more than that by one frame, and what was not.
    TooLarge {
        #[cfg_attr(
            not(feature = "grpc"),
            expect(dead_code, reason = "only a stream of messages is passed on")
        )]
        head: Bytes,
        #[cfg_attr(
            not(feature = "grpc"),
            expect(dead_code, reason = "only a stream of messages is passed on")
        )]
        rest: Pin<Box<B>>,
    },
    /// It failed. Why is the transport's business.
    Failed,
}

/// Reads `body`, but not if it says that it is longer than `limit`, nor further than to there.
pub(in crate::idempotency) async fn collect<B: Body>(body: B, limit: usize) -> Collected<B> {
    let mut body = Box::pin(body);
    let mut read = Read::default();
    if body.size_hint().lower() > limit as u64 {
        return Collected::TooLarge { head: Bytes::new(), rest: body };
    }
    let mut trailers: Option<HeaderMap> = None;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else { return Collected::Failed };
        match frame.into_data() {
            Ok(data) => read.push(data),
            Err(frame) => {
                if let Ok(more) = frame.into_trailers() {
                    trailers.get_or_insert_default().extend(more);
                }
            }
        }
        if read.len() > limit {
            return Collected::TooLarge { head: read.into_bytes(), rest: body };
        }
    }
    Collected::Whole { bytes: read.into_bytes(), trailers }
}

/// Most bodies are one piece, which is kept without a copy.
#[derive(Default)]
struct Read {
    first: Bytes,
    all: BytesMut,
}

impl Read {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, mut data: impl Buf) {
        let bytes = data.copy_to_bytes(data.remaining());
        if self.len() == 0 {
            self.first = bytes;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&bytes);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
