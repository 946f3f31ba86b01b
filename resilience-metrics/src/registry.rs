//! What has gauges to publish, each under a name of its own.

use std::{any::Any, sync::Arc};

use metrics::SharedString;
use parking_lot::Mutex;

use crate::labels::Labels;

/// Metrics of a policy that has gauges.
pub(crate) trait Shown: Clone + Send + Sync + 'static {
    /// What its gauges are of. Two of one kind under one name would overwrite each other's.
    const KINDS: &'static [&'static str];

    fn labels(&self) -> &Labels;

    /// Whether both show the same handle, or likewise none.
    fn is_same(&self, other: &Self) -> bool;

    /// Sets the gauges to what is true now, however calls have ended.
    fn publish(&self);
}

/// # Clone
///
/// A clone is the same registry.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    entries: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Clone)]
struct Entry {
    kinds: &'static [&'static str],
    policy: SharedString,
    metrics: Arc<dyn Publish>,
}

trait Publish: Any + Send + Sync {
    fn publish(&self);

    fn as_any(&self) -> &dyn Any;
}

impl<M: Shown> Publish for M {
    fn publish(&self) {
        Shown::publish(self);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Registry {
    /// `new`, whose gauges are set from now on, or what shows the same handle under the same name already.
    ///
    /// It is made before the lock is taken: the recorder is foreign code.
    #[track_caller]
    pub(crate) fn register<M: Shown>(&self, new: M) -> M {
        let (pipeline, policy) = (new.labels().pipeline(), &new.labels().policy);
        let mut entries = self.entries.lock();
        for there in entries.iter().filter(|there| there.policy == *policy) {
            let Some(kind) = M::KINDS.iter().find(|kind| there.kinds.contains(kind)) else { continue };
            let same = there.metrics.as_any().downcast_ref::<M>().filter(|there| there.is_same(&new));
            // Not in a closure: the panic is the caller's.
            let Some(same) = same.cloned() else {
                panic!(
                    "pipeline `{pipeline}` has another {kind} named `{policy}`: give this one a name of its own"
                );
            };
            return same;
        }
        entries.push(Entry { kinds: M::KINDS, policy: policy.clone(), metrics: Arc::new(new.clone()) });
        drop(entries);
        new.publish();
        new
    }

    pub(crate) fn publish(&self) {
        let entries = self.entries.lock().clone();
        entries.iter().for_each(|entry| entry.metrics.publish());
    }
}
