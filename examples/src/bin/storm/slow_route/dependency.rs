//! What the two routes depend on.

use std::time::Duration;

use axum::{Router, extract::State, routing::get};
use tokio::{sync::watch, time::sleep};

/// What an answer on route A takes.
pub(super) const NORMAL: Duration = Duration::from_millis(50);
/// Twenty times as long.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// What an answer on route B takes.
const QUICK: Duration = Duration::from_millis(10);

/// Both routes; A takes what `delay` says when the call arrives.
pub(super) fn routes(delay: watch::Receiver<Duration>) -> Router {
    let quick = || async {
        sleep(QUICK).await;
        "b\n"
    };
    Router::new().route("/a", get(a)).with_state(delay).route("/b", get(quick))
}

async fn a(State(delay): State<watch::Receiver<Duration>>) -> &'static str {
    let delay = *delay.borrow();
    sleep(delay).await;
    "a\n"
}
