//! What the handles of one body share: pure, without the lock around it.
//!
//! Of the handles that have been polled, the one that began last is the current one; the others are over. A handle that has not
//! been polled is fresh: it may become the current one, so what was received is kept for it. But a connection may hold on to
//! the handle of an attempt that is over and poll it for the first time when a later one has begun. So a handle has a rank, which
//! grows when it is announced, and does not supersede one of a higher rank. And between the announcement and the first poll the
//! connection may go on with the earlier attempt: it may, but not so far that what was kept becomes too much.

use std::{mem, task::Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    ReplayError,
    buffer::Buffer,
    fresh::{Fresh, Rank},
    step::{After, Source, Step},
};

/// When a handle was first polled: 1 for the first of them, 0 for one that is still fresh.
pub(super) type Turn = u64;

pub(super) const FRESH: Turn = 0;

pub(super) struct State<B> {
    source: Source<B>,
    buffer: Buffer,
    pub(super) fresh: Fresh,
    current: Turn,
    current_rank: Rank,
    current_lives: bool,
    /// Of the current handle, if it waits.
    waker: Option<Waker>,
    /// What the body said of its length before it was first polled.
    total: SizeHint,
}

impl<B> State<B> {
    /// The state of one fresh handle. There is no body if it has nothing to yield.
    pub(super) fn new(body: Option<B>, total: SizeHint, cap: usize) -> Self {
        Self {
            source: body.map_or(Source::Ended, Source::Here),
            buffer: Buffer::new(cap),
            fresh: Fresh::one(),
            current: FRESH,
            current_rank: 0,
            current_lives: false,
            waker: None,
            total,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.buffer.is_complete()
    }

    /// What the handle yields next. It leaves its waker here if it has to wait.
    pub(super) fn next(
        &mut self,
        turn: &mut Turn,
        rank: Rank,
        waker: &mut Option<Waker>,
        after: &mut After<B>,
    ) -> Step<B> {
        if *turn == FRESH {
            if rank < self.current_rank {
                return Step::Fail(ReplayError::Superseded);
            }
            if !self.is_complete() {
                return Step::Fail(ReplayError::Incomplete);
            }
            *turn = self.take_over(rank, after);
        }
        if *turn != self.current {
            return Step::Fail(ReplayError::Superseded);
        }
        if let Some(kept) = self.buffer.next(self.fresh.any()) {
            return Step::Yield(kept.into());
        }
        match mem::replace(&mut self.source, Source::Lent) {
            Source::Here(body) => Step::Poll(body),
            Source::Lent => {
                self.wait(waker, after);
                Step::Wait
            }
            Source::Ended => {
                self.source = Source::Ended;
                Step::End
            }
            Source::Lost => {
                self.source = Source::Lost;
                Step::Fail(ReplayError::Incomplete)
            }
        }
    }

    /// A fresh handle becomes the current one, and whoever was it is told.
    fn take_over(&mut self, rank: Rank, after: &mut After<B>) -> Turn {
        after.wake = self.waker.take();
        self.current += 1;
        self.current_rank = rank;
        self.current_lives = true;
        self.fresh.leave(rank);
        self.buffer.rewind();
        self.current
    }

    fn wait(&mut self, waker: &mut Option<Waker>, after: &mut After<B>) {
        after.waker = mem::replace(&mut self.waker, waker.take());
    }

    /// Takes the body back from a handle that got nothing.
    pub(super) fn pending(
        &mut self,
        turn: Turn,
        body: B,
        waker: &mut Option<Waker>,
        after: &mut After<B>,
    ) -> Result<(), ReplayError> {
        self.put_back(turn, Some(body), after)?;
        self.wait(waker, after);
        Ok(())
    }

    /// Takes the body back from a handle that got a frame; there is none if that was the last.
    pub(super) fn received(
        &mut self,
        turn: Turn,
        frame: &Frame<Bytes>,
        body: Option<B>,
        after: &mut After<B>,
    ) -> Result<(), ReplayError> {
        let mut still = self.put_back(turn, body, after);
        if self.is_abandoned() {
            return still;
        }
        let fits = self.buffer.has_room_for(frame);
        let is_revoked = !fits && self.fresh.is_awaited(self.current_rank);
        if is_revoked {
            still = Err(self.revoke());
        }
        // One that was superseded while it polled does not get the frame: the next one does.
        let again = self.fresh.any() && (fits || is_revoked);
        self.buffer.keep(frame, still.is_ok(), again, &mut after.gone);
        still
    }

    /// The current handle would cost the attempt to come what was kept: it has to stop instead, and nobody is current.
    fn revoke(&mut self) -> ReplayError {
        self.current += 1;
        self.current_lives = false;
        ReplayError::Superseded
    }

    /// The body has failed, or panicked: nobody can send all of it.
    pub(super) fn lost(&mut self, turn: Turn, after: &mut After<B>) {
        self.buffer.clear(&mut after.gone);
        // Whether that handle is still the current one or not, it fails.
        let _ = self.put_back(turn, None, after);
        self.source = Source::Lost;
    }

    /// Takes the body back; there is none if it has ended. Whoever is current, and is another, has waited for it.
    pub(super) fn put_back(
        &mut self,
        turn: Turn,
        body: Option<B>,
        after: &mut After<B>,
    ) -> Result<(), ReplayError> {
        self.source = body.map_or(Source::Ended, Source::Here);
        if self.is_abandoned() {
            after.source = mem::replace(&mut self.source, Source::Lost);
        }
        if turn == self.current {
            return Ok(());
        }
        after.wake = self.waker.take();
        Err(ReplayError::Superseded)
    }

    /// A handle is dropped. What nobody can send any more goes with it.
    pub(super) fn leave(&mut self, turn: Turn, rank: Rank, after: &mut After<B>) {
        if turn == FRESH {
            self.fresh.leave(rank);
        } else if turn == self.current {
            self.current_lives = false;
            after.waker = self.waker.take();
        }
        if self.is_abandoned() {
            self.buffer.clear(&mut after.gone);
            after.source = mem::replace(&mut self.source, Source::Lost);
        } else if !self.fresh.any() {
            self.buffer.forget_given(&mut after.gone);
        }
    }

    fn is_abandoned(&self) -> bool {
        !self.fresh.any() && !self.current_lives
    }

    fn has_ended(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    pub(super) fn is_end_stream(&self, turn: Turn, rank: Rank) -> bool {
        self.read(turn, rank).is_some_and(|(given, _)| self.has_ended() && given == self.buffer.len())
    }

    pub(super) fn size_hint(&self, turn: Turn, rank: Rank) -> SizeHint {
        let Some((_, sent)) = self.read(turn, rank) else { return SizeHint::default() };
        if self.has_ended() {
            return SizeHint::with_exact(self.buffer.received() - sent);
        }
        let mut rest = SizeHint::new();
        rest.set_lower(self.total.lower().saturating_sub(sent));
        if let Some(upper) = self.total.upper() {
            rest.set_upper(upper.saturating_sub(sent));
        }
        rest
    }

    /// How much a handle has been given, in frames that are kept and in bytes, unless it only fails.
    fn read(&self, turn: Turn, rank: Rank) -> Option<(usize, u64)> {
        match turn {
            FRESH => (self.is_complete() && rank >= self.current_rank).then_some((0, 0)),
            turn => (turn == self.current).then(|| self.buffer.read()),
        }
    }
}
