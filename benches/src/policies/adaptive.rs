//! An adaptive limit with room, and one without.

use std::sync::atomic::AtomicBool;

use resilience_core::AdaptiveLimit;
use resilience_core::adaptive::{Config, Priority};
use resilience_metrics::Telemetry;
use resilience_tower::adaptive::Share;
use resilience_tower::{AdaptiveLayer, ErrorLayer};
use tower::{Layer as _, ServiceBuilder};

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::time::now;
use crate::upstream::Upstream;

/// The adaptive limit, beside tower's `ConcurrencyLimit`, which is fixed and never refuses.
pub const POLICY: Policy = Policy {
    name: "adaptive",
    cases: &[Case { name: "admitted", subjects: admitted }, Case { name: "refused", subjects: refused }],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

/// More than there are threads.
const ROOM: usize = 100;

fn admitted() -> Vec<Subject> {
    let fair = AdaptiveLayer::new(Config::default()).fair_share(|n: &u64| n % 10);
    vec![
        Subject::service("bare", UPSTREAM),
        resilience("resilience", AdaptiveLayer::new(Config::default())),
        with_metrics(AdaptiveLayer::new(Config::default())),
        resilience("resilience, fair share", fair),
        Subject::service("tower (fixed)", tower::limit::ConcurrencyLimitLayer::new(ROOM).layer(UPSTREAM)),
    ]
}

/// The limit is in flight, and stays so.
fn refused() -> Vec<Subject> {
    let full = || {
        let limit = AdaptiveLimit::new(Config::default().initial(2), now());
        for _ in 0..2 {
            std::mem::forget(limit.try_acquire(Priority::Critical, now));
        }
        AdaptiveLayer::with_limit(limit)
    };
    let refusing = [resilience("resilience", full()), with_metrics(full())];
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
