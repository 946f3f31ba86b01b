//! Several recorders as one.

/// Handles of the same metric, one of each recorder.
pub(super) struct Fan<T>(pub(super) Box<[T]>);
