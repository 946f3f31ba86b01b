//! What has gauges to publish, each under a name of its own.

use std::{
    any::Any,
    sync::{Arc, Weak},
};

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

/// What all telemetries of the process show: two of one name would overwrite each other's gauges too, at one recorder.
static ELSEWHERE: Mutex<Vec<Elsewhere>> = Mutex::new(Vec::new());

struct Elsewhere {
    recorders: Vec<usize>,
    pipeline: SharedString,
    kinds: &'static [&'static str],
    policy: SharedString,
    /// Gone with its telemetry.
    metrics: Weak<dyn Publish>,
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
            let Some(kind) = in_both(M::KINDS, there.kinds) else { continue };
            // Not in a closure: the panic is the caller's.
            let Some(same) = same(&*there.metrics, &new) else { clash(pipeline, kind, policy) };
            return same.clone();
        }
        let metrics: Arc<dyn Publish> = Arc::new(new.clone());
        if let Some(kind) = claim(&new, &metrics) {
            clash(pipeline, kind, policy);
        }
        entries.push(Entry { kinds: M::KINDS, policy: policy.clone(), metrics });
        drop(entries);
        new.publish();
        new
    }

    pub(crate) fn publish(&self) {
        let entries = self.entries.lock().clone();
        entries.iter().for_each(|entry| entry.metrics.publish());
    }
}

/// The kind that another telemetry shows of another handle under the same names, to a recorder that `new` has too.
fn claim<M: Shown>(new: &M, metrics: &Arc<dyn Publish>) -> Option<&'static str> {
    let recorders = new.labels().recorders();
    let (pipeline, policy) = (new.labels().pipeline(), &new.labels().policy);
    let mut elsewhere = ELSEWHERE.lock();
    elsewhere.retain(|there| there.metrics.strong_count() > 0);
    for there in elsewhere.iter().filter(|there| there.pipeline == *pipeline && there.policy == *policy) {
        let is_told = there.recorders.iter().any(|recorder| recorders.contains(recorder));
        let Some(kind) = in_both(M::KINDS, there.kinds).filter(|_| is_told) else { continue };
        let is_same = there.metrics.upgrade().is_none_or(|there| same(&*there, new).is_some());
        if !is_same {
            return Some(kind);
        }
    }
    let (pipeline, policy) = (pipeline.clone(), policy.clone());
    elsewhere.push(Elsewhere {
        recorders,
        pipeline,
        kinds: M::KINDS,
        policy,
        metrics: Arc::downgrade(metrics),
    });
    None
}

/// `there`, if it shows the same handle.
fn same<'a, M: Shown>(there: &'a dyn Publish, new: &M) -> Option<&'a M> {
    there.as_any().downcast_ref::<M>().filter(|there| there.is_same(new))
}

fn in_both(one: &[&'static str], other: &[&'static str]) -> Option<&'static str> {
    one.iter().copied().find(|kind| other.contains(kind))
}

#[track_caller]
fn clash(pipeline: &str, kind: &str, policy: &str) -> ! {
    panic!("pipeline `{pipeline}` has another {kind} named `{policy}`: give this one a name of its own")
}
