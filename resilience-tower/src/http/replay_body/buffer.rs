//! What was received of a body, for whoever sends it again.

use std::{collections::VecDeque, mem};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// Frames that are not needed any more. They are dropped when the lock is released, because data may be of somebody else's making.
pub(super) type Gone = VecDeque<Kept>;

pub(super) struct Buffer {
    /// While `complete`, all that was received; then only what the current handle has not been given yet.
    kept: VecDeque<Kept>,
    complete: bool,
    /// How much more may be kept, in bytes.
    room: usize,
    /// How many of `kept` the current handle has been given: none unless `complete`.
    given: usize,
    /// The data that the current handle has been given, and that was received in all, in bytes.
    sent: u64,
    received: u64,
}

#[derive(Clone)]
pub(super) enum Kept {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl Buffer {
    pub(super) fn new(cap: usize) -> Self {
        Self { kept: VecDeque::new(), complete: true, room: cap, given: 0, sent: 0, received: 0 }
    }

    /// Whether all that was received is here.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many frames, and bytes of data, the current handle has been given.
    pub(super) fn read(&self) -> (usize, u64) {
        (self.given, self.sent)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Another handle becomes the current one.
    pub(super) fn rewind(&mut self) {
        (self.given, self.sent) = (0, 0);
    }

    /// The next that was kept and the current handle has not been given. It stays if it may be asked for `again`.
    pub(super) fn next(&mut self, again: bool) -> Option<Kept> {
        let kept = if self.complete && again {
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

    pub(super) fn has_room_for(&self, frame: &Frame<Bytes>) -> bool {
        size(frame) <= self.room
    }

    /// A frame has come. It is kept if it is to be there `again`, and in any case for the current handle if that was not `given`
    /// it.
    pub(super) fn keep(&mut self, frame: &Frame<Bytes>, given: bool, again: bool, gone: &mut Gone) {
        let Some(kept) = Kept::copy_of(frame) else { return };
        if self.complete && !again {
            self.forget(gone);
        }
        let data = kept.data_len();
        self.room = self.room.saturating_sub(size(frame));
        self.received += data;
        if given {
            self.sent += data;
            self.given += usize::from(self.complete);
        }
        if self.complete || !given {
            self.kept.push_back(kept);
        }
    }

    /// Nobody will ask for what the current handle has been given.
    pub(super) fn forget_given(&mut self, gone: &mut Gone) {
        if self.given > 0 {
            self.forget(gone);
        }
    }

    /// Nobody will ask for anything.
    pub(super) fn clear(&mut self, gone: &mut Gone) {
        self.complete = false;
        self.given = 0;
        gone.append(&mut self.kept);
    }

    fn forget(&mut self, gone: &mut Gone) {
        self.complete = false;
        let rest = self.kept.split_off(self.given);
        gone.append(&mut mem::replace(&mut self.kept, rest));
        self.given = 0;
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
}

impl From<Kept> for Frame<Bytes> {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Data(data) => Self::data(data),
            Kept::Trailers(trailers) => Self::trailers(*trailers),
        }
    }
}

/// What a frame takes of the cap: its data, or the names and values of the trailers.
fn size(frame: &Frame<Bytes>) -> usize {
    let data = frame.data_ref().map_or(0, Bytes::len);
    let trailers = frame
        .trailers_ref()
        .map_or(0, |trailers| trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum());
    data + trailers
}
