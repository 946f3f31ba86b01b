//! What the handles of one body share: pure, without the lock around it.
//!
//! Of the handles that have been polled, the one that began last is the current one; the others are over. A handle that has not
//! been polled is fresh: it may become the current one, so what was received is kept for it. But a connection may hold on to
//! the handle of an attempt that is over and poll it for the first time when a later one has begun. So a handle has a rank, which
//! grows when it is announced, and does not supersede one of a higher rank.

use std::{collections::VecDeque, mem, task::Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::ReplayError;

/// When a handle was first polled: 1 for the first of them, 0 for one that is still fresh.
pub(super) type Turn = u64;

pub(super) const FRESH: Turn = 0;

/// How many announcements there were when a handle, or the one it is a copy of, was announced.
pub(super) type Rank = u64;

pub(super) struct State<B> {
    source: Source<B>,
    /// While `complete`, all that was received; then only what the current handle has not been given yet.
    kept: VecDeque<Kept>,
    complete: bool,
    /// How much more may be kept, in bytes.
    room: usize,
    /// How many of `kept` the current handle has been given: none unless `complete` and somebody is fresh.
    given: usize,
    /// The data that the current handle has been given, and that was received in all, in bytes.
    sent: u64,
    received: u64,
    fresh: usize,
    current: Turn,
    current_rank: Rank,
    current_lives: bool,
    announced: Rank,
    /// Of the current handle, if it waits.
    waker: Option<Waker>,
    /// What the body said of its length before it was first polled.
    total: SizeHint,
}

enum Source<B> {
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
    waker: Option<Waker>,
    kept: VecDeque<Kept>,
    source: Source<B>,
}

impl<B> Default for After<B> {
    fn default() -> Self {
        Self { wake: None, waker: None, kept: VecDeque::new(), source: Source::Lost }
    }
}

#[derive(Clone)]
enum Kept {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl<B> State<B> {
    /// The state of one fresh handle. There is no body if it has nothing to yield.
    pub(super) fn new(body: Option<B>, total: SizeHint, cap: usize) -> Self {
        Self {
            source: body.map_or(Source::Ended, Source::Here),
            kept: VecDeque::new(),
            complete: true,
            room: cap,
            given: 0,
            sent: 0,
            received: 0,
            fresh: 1,
            current: FRESH,
            current_rank: 0,
            current_lives: false,
            announced: 0,
            waker: None,
            total,
        }
    }

    pub(super) fn join(&mut self) {
        self.fresh += 1;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The rank of a handle that is about to be sent.
    pub(super) fn announce(&mut self) -> Rank {
        self.announced += 1;
        self.announced
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
            if !self.complete {
                return Step::Fail(ReplayError::Incomplete);
            }
            *turn = self.take_over(rank, after);
        }
        if *turn != self.current {
            return Step::Fail(ReplayError::Superseded);
        }
        if let Some(kept) = self.replay() {
            return Step::Yield(kept.into());
        }
        match mem::replace(&mut self.source, Source::Lent) {
            Source::Here(body) => return Step::Poll(body),
            Source::Lent => {
                self.wait(waker, after);
                return Step::Wait;
            }
            over => self.source = over,
        }
        match self.source {
            Source::Ended => Step::End,
            _ => Step::Fail(ReplayError::Incomplete),
        }
    }

    /// A fresh handle becomes the current one, and whoever was it is told.
    fn take_over(&mut self, rank: Rank, after: &mut After<B>) -> Turn {
        after.wake = self.waker.take();
        self.current += 1;
        self.current_rank = rank;
        self.current_lives = true;
        self.fresh -= 1;
        (self.given, self.sent) = (0, 0);
        self.current
    }

    /// The next of what was kept. If nobody can ask for it again, it is kept no longer.
    fn replay(&mut self) -> Option<Kept> {
        let kept = if self.complete && self.fresh > 0 {
            let kept = self.kept.get(self.given)?.clone();
            self.given += 1;
            kept
        } else {
            let kept = self.kept.pop_front()?;
            self.complete = false;
            kept
        };
        self.sent += kept.data_len();
        Some(kept)
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
        self.put_back(turn, Source::Here(body), after)?;
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
        let still = self.put_back(turn, body.map_or(Source::Ended, Source::Here), after);
        if let Some(kept) = Kept::copy_of(frame) {
            self.keep(kept, still.is_ok(), after);
        }
        if self.is_abandoned() {
            after.kept.append(&mut self.kept);
        }
        still
    }

    /// Keeps a frame for those who may ask for it again, and for the current handle if another one has received it.
    fn keep(&mut self, kept: Kept, is_given: bool, after: &mut After<B>) {
        let (data, size) = (kept.data_len(), kept.size());
        if self.complete && (self.fresh == 0 || size > self.room) {
            self.forget(after);
        }
        self.room = self.room.saturating_sub(size);
        self.received += data;
        if is_given {
            self.sent += data;
            self.given += usize::from(self.complete);
        }
        if self.complete || !is_given {
            self.kept.push_back(kept);
        }
    }

    /// The body has ended.
    pub(super) fn ended(&mut self, turn: Turn, after: &mut After<B>) -> Result<(), ReplayError> {
        self.put_back(turn, Source::Ended, after)
    }

    /// The body has failed, or panicked: nobody can send all of it.
    pub(super) fn lost(&mut self, turn: Turn, after: &mut After<B>) {
        self.complete = false;
        self.given = 0;
        after.kept.append(&mut self.kept);
        // Whether that handle is still the current one or not, it fails.
        let _ = self.put_back(turn, Source::Lost, after);
    }

    fn put_back(&mut self, turn: Turn, source: Source<B>, after: &mut After<B>) -> Result<(), ReplayError> {
        if self.is_abandoned() {
            self.source = Source::Lost;
            after.source = source;
        } else {
            self.source = source;
        }
        if turn == self.current {
            return Ok(());
        }
        after.wake = self.waker.take();
        Err(ReplayError::Superseded)
    }

    /// Keeps nothing any longer but what the current handle is still to be given.
    fn forget(&mut self, after: &mut After<B>) {
        self.complete = false;
        let rest = self.kept.split_off(self.given);
        after.kept.append(&mut mem::replace(&mut self.kept, rest));
        self.given = 0;
    }

    /// A handle is dropped. What nobody can send any more goes with it.
    pub(super) fn leave(&mut self, turn: Turn, after: &mut After<B>) {
        if turn == FRESH {
            self.fresh -= 1;
        } else if turn == self.current {
            self.current_lives = false;
            after.waker = self.waker.take();
        }
        if self.is_abandoned() {
            self.complete = false;
            self.given = 0;
            after.kept.append(&mut self.kept);
            if !matches!(self.source, Source::Lent) {
                after.source = mem::replace(&mut self.source, Source::Lost);
            }
        } else if self.fresh == 0 && self.given > 0 {
            self.forget(after);
        }
    }

    fn is_abandoned(&self) -> bool {
        self.fresh == 0 && !self.current_lives
    }

    fn has_ended(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    pub(super) fn is_end_stream(&self, turn: Turn, rank: Rank) -> bool {
        self.read(turn, rank).is_some_and(|(given, _)| self.has_ended() && given == self.kept.len())
    }

    pub(super) fn size_hint(&self, turn: Turn, rank: Rank) -> SizeHint {
        let Some((_, sent)) = self.read(turn, rank) else { return SizeHint::default() };
        if self.has_ended() {
            return SizeHint::with_exact(self.received - sent);
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
            FRESH => (self.complete && rank >= self.current_rank).then_some((0, 0)),
            turn => (turn == self.current).then_some((self.given, self.sent)),
        }
    }
}

impl Kept {
    /// A copy of the frame, which shares its data. An empty one is not worth keeping.
    fn copy_of(frame: &Frame<Bytes>) -> Option<Self> {
        match frame.data_ref() {
            Some(data) => (!data.is_empty()).then(|| Self::Data(data.clone())),
            None => frame.trailers_ref().map(|trailers| Self::Trailers(Box::new(trailers.clone()))),
        }
    }

    fn data_len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }

    /// What it takes of the cap: its data, or the names and values of the trailers.
    fn size(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => {
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
            }
        }
    }
}

impl From<Kept> for Frame<Bytes> {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Data(data) => Self::data(data),
            Kept::Trailers(trailers) => Self::trailers(*trailers),
        }
    }
}
