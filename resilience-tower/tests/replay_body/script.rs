//! A body that does as it is told, and what it takes to poll it.

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    io,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::{Buf, Bytes, buf::Chain};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use resilience_tower::http::{ReplayBody, ReplayError};

/// What the body does at a poll. After the last one it ends.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Pending,
    Data(Bytes),
    Trailers(HeaderMap),
    Fail,
    Panic,
}

/// What the body says of its length.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    Nothing,
    Bounds,
    Exactly,
}

/// It can be sent to another thread, but not shared.
pub(crate) struct Script {
    steps: VecDeque<Step>,
    says: Says,
    says_when_it_ends: bool,
    /// Called at each poll, before the step.
    pub(crate) inside: Option<Box<dyn FnMut() + Send>>,
    not_sync: PhantomData<Cell<()>>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            says: Says::Nothing,
            says_when_it_ends: false,
            inside: None,
            not_sync: PhantomData,
        }
    }

    pub(crate) fn saying(self, says: Says, says_when_it_ends: bool) -> Self {
        Self { says, says_when_it_ends, ..self }
    }

    fn len(&self) -> u64 {
        let data = self.steps.iter().map(|step| if let Step::Data(data) = step { data.len() } else { 0 });
        data.sum::<usize>() as u64
    }
}

impl Body for Script {
    /// In two parts, so that it has to be put together.
    type Data = Chain<Bytes, Bytes>;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, io::Error>>> {
        if let Some(inside) = &mut self.inside {
            inside();
        }
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Pending) => return Poll::Pending,
            Some(Step::Fail) => Some(Err(io::Error::other("disk"))),
            Some(Step::Panic) => panic!("the body panics"),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Data(mut data)) => {
                let second = data.split_off(data.len() / 2);
                Some(Ok(Frame::data(data.chain(second))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.says_when_it_ends && self.steps.iter().all(|step| matches!(step, Step::Pending))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        match self.says {
            Says::Nothing => {}
            Says::Bounds => {
                hint.set_lower(self.len() / 2);
                hint.set_upper(self.len() * 2);
            }
            Says::Exactly => hint.set_exact(self.len()),
        }
        hint
    }
}

/// A body of nothing but these frames.
pub(crate) struct Plain {
    frames: VecDeque<Bytes>,
    /// Called at each poll.
    pub(crate) inside: Option<Box<dyn FnMut() + Send>>,
}

impl Plain {
    pub(crate) fn new(frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self { frames: frames.into_iter().collect(), inside: None }
    }
}

impl Body for Plain {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(inside) = &mut self.inside {
            inside();
        }
        Poll::Ready(self.frames.pop_front().map(|data| Ok(Frame::data(data))))
    }
}

pub(crate) fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

/// Trailers of ten bytes.
pub(crate) fn trailers() -> HeaderMap {
    [("checksum".parse().unwrap(), "42".parse().unwrap())].into_iter().collect()
}

/// Counts how often it wakes.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What came of a poll, to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Pending,
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    Superseded,
    Incomplete,
    Failed,
}

pub(crate) fn poll<B>(body: &mut ReplayBody<B>, wakes: &Arc<Wakes>) -> Got
where
    ReplayBody<B>: Body<Data = Bytes, Error = ReplayError>,
{
    let waker = Waker::from(Arc::clone(wakes));
    match Pin::new(body).poll_frame(&mut Context::from_waker(&waker)) {
        Poll::Pending => Got::Pending,
        Poll::Ready(None) => Got::End,
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => Got::Data(data),
            Err(frame) => Got::Trailers(frame.into_trailers().unwrap()),
        },
        Poll::Ready(Some(Err(error))) => match error {
            ReplayError::Superseded => Got::Superseded,
            ReplayError::Incomplete => Got::Incomplete,
            ReplayError::Body(_) => Got::Failed,
            other => panic!("{other}"),
        },
    }
}

/// Polls once, and nobody is to be woken.
pub(crate) fn next<B>(body: &mut ReplayBody<B>) -> Got
where
    ReplayBody<B>: Body<Data = Bytes, Error = ReplayError>,
{
    poll(body, &Arc::default())
}

pub(crate) fn text(text: &'static str) -> Got {
    Got::Data(Bytes::from_static(text.as_bytes()))
}

/// All that a handle yields, pending or not, up to its end or error.
pub(crate) fn rest<B>(body: &mut ReplayBody<B>) -> Vec<Got>
where
    ReplayBody<B>: Body<Data = Bytes, Error = ReplayError>,
{
    let mut all = Vec::new();
    loop {
        match next(body) {
            Got::Pending => {}
            got @ (Got::Data(_) | Got::Trailers(_)) => all.push(got),
            last => {
                all.push(last);
                return all;
            }
        }
    }
}
