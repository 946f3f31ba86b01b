//! A page that shows the pipelines of this process, for development and the first minutes of an incident.
//!
//! It is a recorder that keeps what the metrics say in memory, and an `axum` router that shows it, to be mounted wherever one
//! likes:
//!
//! ```
//! use axum::{Router, routing::get};
//! use resilience_metrics::{Telemetry, live::Live};
//!
//! let live = Live::new();
//! let telemetry = live.watch(Telemetry::new("payments"));
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).nest("/live", live.router());
//! # let _ = (telemetry, app);
//! ```
//!
//! For every pipeline the page shows its state, rates, latency, the policies with their budgets and permits, and the last
//! transitions of its circuit breakers. It is one file without anything from elsewhere, and follows by server-sent events.
//!
//! | path | answers |
//! |---|---|
//! | `/` | the page |
//! | `/snapshot` | one [`Snapshot`], as JSON |
//! | `/events` | the same once a second, as server-sent events |
//!
//! All are read only: there is nothing but `GET` and `HEAD`, and no parameter.
//!
//! # Where to mount it
//!
//! On an internal port, as with `/metrics`: there is no authentication. The page shows the names that were given to pipelines and
//! policies, which are public, and how many calls went which way. It shows nothing of any request.
//!
//! A page that is open is a response that does not end. A server that waits for its responses before it stops (`axum`'s
//! graceful shutdown does) waits for it, too: serve the page on a listener of its own, which is dropped at the end.
//!
//! # What it costs
//!
//! An event that is counted or timed is one more atomic addition; no clock is read. The memory is bounded: there are at most 4096 series, of which a
//! histogram takes 2 KB and the others a few words, and [`Snapshot::complete`] says whether there are more. A snapshot is made for
//! each viewer once a second, and not at all when nobody looks.
//!
//! # Rates and quantiles
//!
//! A snapshot holds totals, and reading it changes nothing: several viewers do not disturb each other. The page takes the rates,
//! shares and quantiles of the last ten seconds from the difference of two snapshots. To do the same by hand:
//!
//! ```text
//! rate = (value now - value before) / (seconds now - seconds before)
//! ```
//!
//! and for quantiles the difference of each bucket. Start again where [`Snapshot::instance`] has changed.

mod buckets;
mod events;
mod page;
mod recorder;
mod router;
mod snapshot;
mod transitions;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use axum::Router;
use parking_lot::Mutex;

use self::recorder::Series;
pub use self::snapshot::{Bucket, Pipeline, Sample, Snapshot, Transition};
use crate::{Telemetry, time};

/// Keeps what the metrics of this process say, and shows it: see the [module](self).
///
/// # Clone
///
/// A clone is the same view.
#[derive(Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

struct Shared {
    /// Not that of any other view: a page sees that the process was started again.
    instance: String,
    began: Instant,
    series: Arc<Series>,
    watched: Mutex<Vec<Telemetry>>,
}

impl Live {
    /// A view that knows no pipeline yet.
    pub fn new() -> Self {
        let shared = Shared {
            instance: format!("{:016x}", RandomState::new().hash_one(())),
            began: time::now(),
            series: Arc::default(),
            watched: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What is true now.
    ///
    /// Gauges of what is [watched](Self::watch) are brought up to date first.
    pub fn snapshot(&self) -> Snapshot {
        let watched = self.shared.watched.lock().clone();
        watched.iter().for_each(Telemetry::publish);
        let (pipelines, complete) = self.shared.series.read(self.shared.began);
        Snapshot {
            version: 1,
            instance: self.shared.instance.clone(),
            seconds: time::now().saturating_duration_since(self.shared.began).as_secs_f64(),
            complete,
            pipelines,
        }
    }

    /// Shows this pipeline.
    ///
    /// What is returned tells everything to this view as well, beside the recorders that it tells anyway: use it in place of
    /// `telemetry`. The view keeps a clone, to [publish](Telemetry::publish) before each snapshot; other settings of the telemetry
    /// come before.
    ///
    /// # Panics
    ///
    /// If anything was taken from `telemetry` before, or it has clones.
    #[must_use = "the telemetry that was given away is not shown, but the one that comes back"]
    #[track_caller]
    pub fn watch(&self, telemetry: Telemetry) -> Telemetry {
        let telemetry = telemetry.with_viewer(self.recorder());
        self.shared.watched.lock().push(telemetry.clone());
        telemetry
    }

    /// The page and what it reads: see [what is where](self).
    pub fn router(&self) -> Router {
        router::router(self.clone())
    }

    /// What the metrics are recorded into.
    ///
    /// For metrics that are not made by a [watched](Self::watch) telemetry. It takes those whose names begin with `resilience_` and
    /// that have a `pipeline` label, and ignores all others.
    pub fn recorder(&self) -> Arc<dyn metrics::Recorder + Send + Sync> {
        Arc::clone(&self.shared.series) as _
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("instance", &self.shared.instance).finish_non_exhaustive()
    }
}
