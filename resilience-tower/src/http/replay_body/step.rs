//! What the shared state tells the handle that is polled.

use std::task::Waker;

use bytes::Bytes;
use http_body::Frame;

use super::{ReplayError, buffer::Gone};

/// Where the body is.
pub(super) enum Source<B> {
    Here(B),
    /// A handle is polling it, outside of the lock.
    Lent,
    Ended,
    /// It failed, or nobody is left to send it.
    Lost,
}

/// What a handle that is polled has to do.
pub(super) enum Step<B> {
    Yield(Frame<Bytes>),
    End,
    Fail(ReplayError),
    /// Another handle has the body, and wakes this one.
    Wait,
    /// Poll the body and bring it back.
    Poll(B),
}

/// What has to wait until the lock is released, because it runs other people's code.
pub(super) struct After<B> {
    pub(super) wake: Option<Waker>,
    pub(super) waker: Option<Waker>,
    pub(super) gone: Gone,
    pub(super) source: Source<B>,
}

impl<B> Default for After<B> {
    fn default() -> Self {
        Self { wake: None, waker: None, gone: Gone::new(), source: Source::Lost }
    }
}
