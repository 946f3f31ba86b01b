//! A bulkhead with room, and one without.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use resilience_core::Observer;
use resilience_core::bulkhead::Config;
use resilience_metrics::Telemetry;
use resilience_tower::{BulkheadLayer, ErrorLayer};
use tokio::sync::Semaphore;
use tower::{Layer as _, Service as _, ServiceBuilder};
use tower_resilience_bulkhead::BulkheadLayer as PeerLayer;

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::upstream::{Answer, Fault, Upstream};

/// The bulkhead.
///
/// tower's `ConcurrencyLimit` never refuses, so it is in one case only. So is tower-resilience's, which refuses "when full" by
/// waiting for a timer of zero, that is for up to a millisecond.
pub const POLICY: Policy = Policy {
    name: "bulkhead",
    cases: &[Case { name: "admitted", subjects: admitted }, Case { name: "refused", subjects: refused }],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

/// More than there are threads.
const ROOM: usize = 100;

fn admitted() -> Vec<Subject> {
    vec![
        Subject::service("bare", UPSTREAM),
        resilience("resilience", layer(ROOM)),
        with_metrics(layer(ROOM)),
        resilience("resilience, queue", BulkheadLayer::new(config(ROOM).max_wait(Duration::from_secs(1)))),
        Subject::service("tower", tower::limit::ConcurrencyLimitLayer::new(ROOM).layer(UPSTREAM)),
        tokio(ROOM),
        tower_resilience(),
    ]
}

/// Every permit is out, and stays out.
fn refused() -> Vec<Subject> {
    let full = || {
        let layer = layer(1);
        std::mem::forget(layer.bulkhead().try_acquire(1));
        layer
    };
    let refusing = vec![resilience("resilience", full()), with_metrics(full()), tokio(0)];
    let bare = Subject::service("bare", UPSTREAM);
    std::iter::once(bare).chain(refusing.into_iter().map(Subject::refusing)).collect()
}

fn config(permits: usize) -> Config {
    Config::new(u32::try_from(permits).unwrap_or(u32::MAX))
}

fn layer(permits: usize) -> BulkheadLayer {
    BulkheadLayer::new(config(permits))
}

fn resilience<O>(name: &'static str, layer: BulkheadLayer<O>) -> Subject
where
    O: Observer + Clone + Send + Sync + 'static,
{
    Subject::service(name, ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(UPSTREAM))
}

fn with_metrics(layer: BulkheadLayer) -> Subject {
    recorder::install();
    let observer = Telemetry::new("benches").bulkhead("bulkhead", layer.bulkhead());
    resilience("resilience+metrics", layer.with_observer(observer))
}

/// What one would write by hand: an owned permit for the length of the call.
fn tokio(permits: usize) -> Subject {
    let semaphore = Arc::new(Semaphore::new(permits));
    Subject::function("tokio try_acquire_owned", move |n| {
        let permit = Arc::clone(&semaphore).try_acquire_owned();
        let mut upstream = UPSTREAM;
        let response = permit.is_ok().then(|| upstream.call(n));
        async move {
            let answer: Answer = match response {
                Some(response) => response.await,
                None => Err(Fault),
            };
            drop(permit);
            answer
        }
    })
}

fn tower_resilience() -> Subject {
    let builder = PeerLayer::builder().max_concurrent_calls(ROOM).reject_when_full();
    Subject::service("tower-resilience", builder.build().expect("the settings are right").layer(UPSTREAM))
}
