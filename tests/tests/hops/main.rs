//! One deadline over three servers on real sockets: A asks B, B asks C.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod forwarded;
mod over_grpc;
mod over_http;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use resilience_core::{Context, Deadline};
use tokio::sync::Notify;

const MS: Duration = Duration::from_millis(1);
/// What each server gives a call by itself. Never reached on a machine that is merely busy.
const AMPLE: Duration = Duration::from_secs(60);
/// How long each server works before it asks the next one. Real time: what is tested is that it is missing there.
const WORK: Duration = Duration::from_millis(30);
/// What a caller gives who cannot wait for that.
const LITTLE: Duration = Duration::from_millis(10);

/// What has come to a server.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The deadlines of the calls, by the time that was left when they were read.
    limits: Arc<Mutex<Vec<Duration>>>,
    /// A handler has ended.
    ended: Arc<Notify>,
}

impl Seen {
    fn note(&self, context: Option<&Context>) -> Deadline {
        let deadline = context.and_then(Context::deadline).unwrap();
        self.limits.lock().unwrap().push(deadline.limit());
        deadline
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.limits.lock().unwrap())
    }
}

/// Each of `hops` has seen one call, with what the one before had less what has passed there.
fn each_has_seen_less(hops: &[Seen], first: Duration) {
    let mut most = first;
    for (index, hop) in hops.iter().enumerate() {
        let seen = hop.take();
        assert_eq!(seen.len(), 1, "server {index}");
        assert!(seen[0] <= most, "server {index} was given {:?} of {most:?}", seen[0]);
        assert!(seen[0] > Duration::ZERO);
        most = seen[0].saturating_sub(WORK);
    }
}
