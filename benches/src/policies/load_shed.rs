//! Load shedding over an upstream that is always ready, and over one that never is.

use std::future::Ready;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use resilience_tower::{ErrorLayer, LoadShedLayer};
use tower::{Service, ServiceBuilder};

use super::{Case, Policy};
use crate::subject::Subject;
use crate::upstream::{Answer, Fault, Upstream};

/// Load shedding.
pub const POLICY: Policy = Policy {
    name: "load_shed",
    cases: &[Case { name: "ready", subjects: ready }, Case { name: "refused", subjects: refused }],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

fn ready() -> Vec<Subject> {
    let mut subjects = vec![Subject::service("bare", UPSTREAM)];
    subjects.extend(layers(UPSTREAM));
    subjects
}

/// There is no bare call to compare with: it would wait for ever.
fn refused() -> Vec<Subject> {
    layers(Busy).into_iter().map(Subject::refusing).collect()
}

fn layers<S>(upstream: S) -> Vec<Subject>
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
{
    let ours = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ErrorLayer::new()).service(upstream);
    let theirs = ServiceBuilder::new().load_shed().service(upstream);
    vec![Subject::service("resilience", ours), Subject::service("tower", theirs)]
}

/// Never ready.
#[derive(Clone, Copy, Debug)]
struct Busy;

impl Service<u64> for Busy {
    type Response = u64;
    type Error = Fault;
    type Future = Ready<Answer>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Pending
    }

    fn call(&mut self, request: u64) -> Self::Future {
        UPSTREAM.answer(request)
    }
}
