//! The server's preset under what service authors put it on: `axum` routers and plain `hyper`, on real sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;
mod deadlines;
mod drain;
mod ends;
mod gate;
mod ids;
mod on_hyper;
mod over_http2;
mod refusals;
mod routes;
mod shape;
mod slow_bodies;
mod tenants;
mod unkept;
mod upgrades;

use std::time::Duration;

use resilience_tower::{drain::Drained, drain::Stopped, stack::ServerHandle};

const MS: Duration = Duration::from_millis(1);
/// Never reached on a machine that is merely busy.
const AMPLE: Duration = Duration::from_secs(60);

/// Waits until no request runs, and then nobody has a permit of any kind. Admits requests again.
async fn all_is_given_back(handle: &ServerHandle) {
    let drained = handle.drain().drain(AMPLE).await;
    assert_eq!(drained, Drained { left: 0, stopped: Stopped::Idle });
    if let Some(limit) = handle.adaptive() {
        assert_eq!(limit.snapshot().in_flight, 0, "of the adaptive limit");
    }
    if let Some(bulkhead) = handle.bulkhead() {
        assert_eq!(bulkhead.snapshot().in_flight, 0, "of the bulkhead");
    }
    handle.drain().resume();
}
