//! The snapshots as server-sent events.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::response::sse::Event;
use futures_core::Stream;
use tokio::time::Interval;

use super::Live;
use crate::time;

/// A snapshot at once and then every second, for one viewer. It ends when the viewer drops it.
///
/// There is one snapshot at a time, made when the viewer has taken the one before: who reads slowly gets fewer.
pub(super) struct Events {
    live: Live,
    ticks: Interval,
}

/// Between two snapshots, and for the viewer before it comes back.
const PERIOD: Duration = Duration::from_secs(1);

impl Events {
    pub(super) fn new(live: Live) -> Self {
        Self { live, ticks: time::interval(PERIOD) }
    }
}

impl Stream for Events {
    type Item = serde_json::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(self.ticks.poll_tick(cx));
        let event = serde_json::to_string(&self.live.snapshot());
        Poll::Ready(Some(event.map(|json| Event::default().retry(PERIOD).data(json))))
    }
}
