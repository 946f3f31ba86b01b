//! An adaptive limit with room, and one without.

use std::sync::atomic::AtomicBool;

use resilience_core::AdaptiveLimit;
use resilience_core::adaptive::{Config, Priority};
use resilience_metrics::Telemetry;
use resilience_tower::adaptive::Share;
use resilience_tower::{AdaptiveLayer, ErrorLayer};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShed;
use tower::{BoxError, Layer as _, Service, ServiceBuilder};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, AdaptiveService};

use super::{Case, Policy, occupy};
use crate::recorder;
use crate::subject::Subject;
use crate::time::now;
use crate::upstream::Upstream;

/// The adaptive limit, beside those of tower-resilience and tower-acc, and tower's `ConcurrencyLimit`, which is fixed.
///
/// All three go by AIMD with a target above the upstream's latency, as ours does by default: an algorithm that compares latencies
/// with each other would chase the noise of an upstream that takes none. The peers make callers wait, so there is a `LoadShed`
/// around them where calls are refused.
pub const POLICY: Policy = Policy {
    name: "adaptive",
    cases: &[Case { name: "admitted", subjects: admitted }, Case { name: "refused", subjects: refused }],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

/// More than there are threads.
const ROOM: usize = 100;
/// The least limit of ours by default, and as many as there are threads.
const FEW: usize = 2;

fn admitted() -> Vec<Subject> {
    let fair = AdaptiveLayer::new(Config::default()).fair_share(|n: &u64| n % 10);
    vec![
        Subject::service("bare", UPSTREAM),
        resilience("resilience", AdaptiveLayer::new(Config::default())),
        with_metrics(AdaptiveLayer::new(Config::default())),
        resilience("resilience, fair share", fair),
        Subject::service("tower-resilience", tower_resilience(ROOM)),
        Subject::service("tower-acc", tower_acc(ROOM)),
        Subject::service("tower (fixed)", ConcurrencyLimitLayer::new(ROOM).layer(UPSTREAM)),
    ]
}

/// The limit is in flight, and stays so.
fn refused() -> Vec<Subject> {
    let full = || {
        let limit = AdaptiveLimit::new(Config::default().initial(FEW as u32), now());
        for _ in 0..FEW {
            std::mem::forget(limit.try_acquire(Priority::Critical, now));
        }
        AdaptiveLayer::with_limit(limit)
    };
    let refusing = [
        resilience("resilience", full()),
        with_metrics(full()),
        shedding("tower-resilience, load_shed", tower_resilience(FEW)),
        shedding("tower-acc, load_shed", tower_acc(FEW)),
        shedding("tower (fixed), load_shed", ConcurrencyLimitLayer::new(FEW).layer(UPSTREAM)),
    ];
    let bare = Subject::service("bare", UPSTREAM);
    std::iter::once(bare).chain(refusing.into_iter().map(Subject::refusing)).collect()
}

type Layer<O, F> = AdaptiveLayer<resilience_core::ErrorsAreFailures, O, F>;

fn resilience<O, F>(name: &'static str, layer: Layer<O, F>) -> Subject
where
    O: resilience_core::Observer + Send + Sync + 'static,
    F: Share<u64> + Send + Sync + 'static,
{
    Subject::service(name, ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(UPSTREAM))
}

fn with_metrics(layer: AdaptiveLayer) -> Subject {
    recorder::install();
    let observer = Telemetry::new("benches").adaptive("adaptive", layer.limit());
    resilience("resilience+metrics", layer.with_observer(observer))
}

fn tower_resilience(limit: usize) -> AdaptiveService<Upstream, tower_resilience_adaptive::Aimd> {
    let aimd = tower_resilience_adaptive::Aimd::builder().initial_limit(limit).min_limit(FEW);
    AdaptiveLimiterLayer::new(aimd.build().expect("the settings are right")).layer(UPSTREAM)
}

fn tower_acc(limit: usize) -> tower_acc::ConcurrencyLimit<Upstream, tower_acc::Aimd> {
    let aimd = tower_acc::Aimd::builder().initial_limit(limit).min_limit(FEW);
    tower_acc::ConcurrencyLimitLayer::new(aimd.build()).layer(UPSTREAM)
}

/// A peer of which all [`FEW`] permits are out, and stay out.
fn shedding<S>(name: &'static str, service: S) -> Subject
where
    S: Service<u64, Response = u64, Error: Into<BoxError>> + Clone + Send + 'static,
{
    (0..FEW).for_each(|_| occupy(&service));
    Subject::service(name, LoadShed::new(service))
}
