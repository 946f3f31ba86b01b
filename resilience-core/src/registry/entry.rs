//! A policy as the registry holds it: to be asked without its type, and to be had back with it.

use std::{any::Any, sync::Arc, time::Instant};

use super::{Name, Policy, PolicySnapshot, Row};

#[derive(Clone)]
pub(super) struct Entry {
    kind: &'static str,
    policy: Arc<dyn Policy>,
    /// The same one.
    any: Arc<dyn Any + Send + Sync>,
}

impl Entry {
    pub(super) fn new<P: Policy>(policy: P) -> Self {
        let policy = Arc::new(policy);
        Self { kind: P::kind(), any: Arc::clone(&policy) as _, policy }
    }

    pub(super) const fn kind(&self) -> &'static str {
        self.kind
    }

    pub(super) fn handle<P: Policy + Clone>(&self) -> Option<P> {
        self.any.downcast_ref::<P>().cloned()
    }

    pub(super) fn row(&self, name: Name, now: Instant) -> Row {
        let PolicySnapshot { state, limiting, figures } = self.policy.snapshot(now);
        let Name { pipeline, policy } = name;
        Row { pipeline, policy, kind: self.kind, state, limiting, figures }
    }
}
