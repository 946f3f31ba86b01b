use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use resilience_core::BoxError;

use super::{
    ReplayError,
    fresh::Rank,
    state::{FRESH, State, Turn},
    step::{After, Step},
};
use crate::retry::Replay;

/// A handle to a body that can be sent again as long as what was received of it fits under a cap.
///
/// [`ReplayBodyLayer`](super::ReplayBodyLayer) makes one of the body of each request. Copies ([`Replay::try_clone`]) are
/// handles to the same body. Each begins at the start: it yields what other handles have received so far, and then goes on with
/// what the body still has. So an attempt that was answered before all was sent costs nothing of the body.
///
/// A frame is kept only while there is a handle that has not been polled yet; the last attempt keeps nothing. Over the cap,
/// what was kept is dropped, the attempt under way streams on, and copies are no longer
/// [complete](Replay::is_complete). The same holds after an error of the body. Only if a copy was asked meanwhile, and said that it
/// is complete, it stays so: then it is the attempt under way that stops.
///
/// One handle is current: the one that was first polled last. A connection may still hold the handle of an earlier attempt; it
/// is woken and gets [`ReplayError::Superseded`], also if it is polled for the first time only then: a handle that was not
/// [asked](Replay::is_complete) since does not come back.
///
/// Data comes as `Bytes`; a body of another type of data is copied. Frames are kept as they come, so a small one that is a part of a
/// large buffer keeps the buffer.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
/// use resilience_tower::{http::ReplayBody, retry::Replay};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let first = ReplayBody::new(Full::<Bytes>::from("2 pears"), 64);
/// let second = first.try_clone().ok_or("there is always a copy")?;
/// assert_eq!(first.collect().await?.to_bytes(), "2 pears");
/// assert!(second.is_complete());
/// assert_eq!(second.collect().await?.to_bytes(), "2 pears");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A [`ReplayError`] as a frame; after it come only errors.
///
/// # Cancellation
///
/// What no handle can send any more is dropped with the last one that could.
pub struct ReplayBody<B> {
    shared: Arc<Shared<B>>,
    turn: Turn,
    /// Relaxed: it is this handle's alone, and written only with the state locked. It is an atomic because [`Replay::is_complete`] borrows.
    rank: AtomicU64,
}

impl<B> ReplayBody<B> {
    /// The first handle to `body`, of which up to `cap` bytes are kept.
    #[must_use]
    pub fn new(body: B, cap: usize) -> Self
    where
        B: Body,
    {
        let total = body.size_hint();
        let body = (!body.is_end_stream()).then_some(body);
        let shared = Shared { state: Mutex::new(State::new(body, total, cap)) };
        Self { shared: Arc::new(shared), turn: FRESH, rank: AtomicU64::new(0) }
    }

    fn rank(&self) -> Rank {
        self.rank.load(Ordering::Relaxed)
    }
}

impl<B> Replay for ReplayBody<B> {
    fn try_clone(&self) -> Option<Self> {
        let mut state = self.shared.state.lock();
        let rank = self.rank();
        state.fresh.join(rank);
        Some(Self { shared: Arc::clone(&self.shared), turn: FRESH, rank: AtomicU64::new(rank) })
    }

    /// `false` as well once this handle has been polled.
    ///
    /// To ask announces the next attempt, with this handle or a copy of it: handles that were announced before or never do not
    /// supersede it any more, and the attempt under way has to stop where it would come to more than the cap.
    fn is_complete(&self) -> bool {
        let mut state = self.shared.state.lock();
        if self.turn == FRESH {
            self.rank.store(state.fresh.announce(), Ordering::Relaxed);
        }
        self.turn == FRESH && state.is_complete()
    }
}

impl<B> Drop for ReplayBody<B> {
    fn drop(&mut self) {
        let rank = self.rank();
        self.shared.with(|state, after| state.leave(self.turn, rank, after));
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("polled", &(self.turn != FRESH)).finish_non_exhaustive()
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = ReplayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplayError>>> {
        let Self { shared, turn, rank } = &mut *self;
        let mut waker = Some(cx.waker().clone());
        match shared.with(|state, after| state.next(turn, *rank.get_mut(), &mut waker, after)) {
            Step::Yield(frame) => Poll::Ready(Some(Ok(frame))),
            Step::End => Poll::Ready(None),
            Step::Fail(error) => Poll::Ready(Some(Err(error))),
            Step::Wait => Poll::Pending,
            Step::Poll(body) => poll_inner(Loan { shared, turn: *turn, is_open: true }, body, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.shared.state.lock().is_end_stream(self.turn, self.rank())
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.state.lock().size_hint(self.turn, self.rank())
    }
}

struct Shared<B> {
    state: Mutex<State<B>>,
}

impl<B> Shared<B> {
    /// Wakes and drops only after the lock.
    fn with<T>(&self, act: impl FnOnce(&mut State<B>, &mut After<B>) -> T) -> T {
        let mut after = After::default();
        let result = act(&mut self.state.lock(), &mut after);
        if let Some(waker) = after.wake.take() {
            waker.wake();
        }
        result
    }
}

/// The body on its way out of the shared state. If it is not brought back, because it failed or panicked, it is lost.
struct Loan<'a, B> {
    shared: &'a Shared<B>,
    turn: Turn,
    is_open: bool,
}

impl<B> Loan<'_, B> {
    fn close<T>(mut self, act: impl FnOnce(&mut State<B>, &mut After<B>) -> T) -> T {
        self.is_open = false;
        self.shared.with(act)
    }
}

impl<B> Drop for Loan<'_, B> {
    fn drop(&mut self) {
        if self.is_open {
            self.shared.with(|state, after| state.lost(self.turn, after));
        }
    }
}

/// Polls the body, without the lock.
fn poll_inner<B>(
    loan: Loan<'_, B>,
    mut body: B,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, ReplayError>>>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let turn = loan.turn;
    let frame = match Pin::new(&mut body).poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) => frame.map_data(|mut data| data.copy_to_bytes(data.remaining())),
        Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(ReplayError::Body(error.into())))),
        Poll::Ready(None) => {
            let ended = loan.close(|state, after| state.put_back(turn, None, after));
            return Poll::Ready(ended.err().map(Err));
        }
        Poll::Pending => {
            let mut waker = Some(cx.waker().clone());
            let pending = loan.close(|state, after| state.pending(turn, body, &mut waker, after));
            return pending.map_or_else(|over| Poll::Ready(Some(Err(over))), |()| Poll::Pending);
        }
    };
    let rest = (!body.is_end_stream()).then_some(body);
    let received = loan.close(|state, after| state.received(turn, &frame, rest, after));
    Poll::Ready(Some(received.map(|()| frame)))
}
