//! What one request remembers of the delays it had.

/// What one request remembers of the delays it had: how many, and what the next one is drawn from.
///
/// Each request has its own, for as long as it is retried; a copy goes on from where its original was. A
/// [`Backoff`](super::Backoff) may get another base or cap from one delay to the next, for example because the server
/// throttles; its shape stays the same, because the memory of one shape means nothing to another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delays {
    /// Decorrelated: the previous delay in nanoseconds. Smooth: the previous point of the curve. Otherwise unused.
    pub(super) previous: f64,
    count: u32,
}

impl Delays {
    /// No delays yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { previous: 0.0, count: 0 }
    }

    /// Forgets the delays so far, so that the next one is as short as the first.
    ///
    /// gRPC demands this of a retry that waited exactly as long as the server asked for ([gRFC A6], "Pushback").
    ///
    /// [gRFC A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
    pub const fn restart(&mut self) {
        *self = Self::new();
    }

    /// The number of delays since the first, or since the last [restart](Self::restart). It stops at `u32::MAX`.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Counts one more, and says its number: the first is 1.
    pub(super) const fn advance(&mut self) -> u32 {
        self.count = self.count.saturating_add(1);
        self.count
    }

    /// A request that had `count` delays.
    #[cfg(test)]
    #[cfg(not(loom))]
    pub(super) const fn after(count: u32) -> Self {
        Self { previous: 0.0, count }
    }
}
