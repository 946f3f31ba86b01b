//! A bulkhead with room, and one without.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use resilience_core::Observer;
use resilience_core::bulkhead::Config;
use resilience_metrics::Telemetry;
use resilience_tower::{BulkheadLayer, ErrorLayer};
use tokio::sync::Semaphore;
use tower::load_shed::LoadShed;
use tower::{Layer as _, Service as _, ServiceBuilder};
use tower_resilience_bulkhead::{Bulkhead, BulkheadConfigBuilder, BulkheadLayer as PeerLayer};

use super::{Case, Policy, occupy};
use crate::recorder;
use crate::subject::Subject;
use crate::upstream::{Answer, Fault, Upstream};

/// The bulkhead.
///
/// tower's `ConcurrencyLimit` and tower-resilience's bulkhead make callers wait, so there is a `LoadShed` around them where calls are
/// refused. tower-resilience's own way, `reject_when_full`, waits for a timer of zero then, that is for up to a millisecond.
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
        Subject::service("tower-resilience", tower_resilience(ROOM, BulkheadConfigBuilder::reject_when_full)),
    ]
}

/// Every permit is out, and stays out.
fn refused() -> Vec<Subject> {
    let full = || {
        let layer = layer(1);
        std::mem::forget(layer.bulkhead().try_acquire(1));
        layer
    };
    let (tower, peer) = (
        tower::limit::ConcurrencyLimitLayer::new(1).layer(UPSTREAM),
        tower_resilience(1, BulkheadConfigBuilder::backpressure),
    );
    occupy(&tower);
    occupy(&peer);
    let refusing = vec![
        resilience("resilience", full()),
        with_metrics(full()),
        Subject::service("tower, load_shed", LoadShed::new(tower)),
        tokio(0),
        Subject::service("tower-resilience, load_shed", LoadShed::new(peer)),
    ];
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

fn tower_resilience(
    permits: usize,
    mode: fn(BulkheadConfigBuilder) -> BulkheadConfigBuilder,
) -> Bulkhead<Upstream> {
    let builder = mode(PeerLayer::builder().max_concurrent_calls(permits));
    builder.build().expect("the settings are right").layer(UPSTREAM)
}
