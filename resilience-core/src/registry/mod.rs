//! Named handles of the policies of a process: to see what they do, and to steer them while it runs.
//!
//! Whoever builds a pipeline registers its policies under a name of two parts, the pipeline and the policy, which are those of its
//! metrics. An operator's endpoint then [lists](Registry::list) them, shows what each one [does](Registry::snapshot), and
//! [gets](Registry::get) the handle of one, typed, with everything that it can do:
//!
//! ```
//! use std::time::Instant;
//! use resilience_core::{Bulkhead, CircuitBreaker, Registry, bulkhead, circuit_breaker};
//!
//! let now = Instant::now();
//! let registry = Registry::new();
//! let breaker = CircuitBreaker::new(circuit_breaker::Config::new(), now);
//! let bulkhead = Bulkhead::new(bulkhead::Config::new(20));
//! let registered = [
//!     registry.register("payments", "circuit_breaker", breaker.clone())?,
//!     registry.register("payments", "bulkhead", bulkhead)?,
//! ];
//!
//! registry.get::<CircuitBreaker>("payments", "circuit_breaker")?.force_open(now);
//! registry.get::<Bulkhead>("payments", "bulkhead")?.resize(10);
//! assert!(breaker.try_acquire(|| now).0.is_err());
//!
//! let states: Vec<_> = registry.snapshot(now).iter().map(|row| (row.kind, row.state)).collect();
//! assert_eq!(states, [("bulkhead", "admitting"), ("circuit_breaker", "forced_open")]);
//!
//! drop(registered);
//! assert!(registry.list().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! * One name, one policy: a second one is an error that says which, so that two never speak through one gauge.
//! * No call ever comes near it: it holds handles, and nothing is asked of it but looking and steering. Its lock is for its list;
//!   policies are asked outside of it.
//! * No key of a [keyed](crate::keyed) table is ever shown: only how many there are, and how many of their policies limit.
//!
//! # How long a name is taken
//!
//! Until the [`Registration`] is dropped; keep it with the stack that it is for, or [keep](Registration::keep) it for good. A weak
//! reference would free the name when nobody has the policy any more, but somebody always has: the gauges of its metrics hold
//! a handle too.
//!
//! # What a handle can do
//!
//! | handle | while it runs |
//! |---|---|
//! | [`CircuitBreaker`](crate::CircuitBreaker) | `force_open`, `force_closed`, `disable`, `release`, `reset`, `reconfigure` |
//! | [`Bulkhead`](crate::Bulkhead) | `resize`, `reconfigure` |
//! | [`RateLimiter`](crate::RateLimiter) | `reconfigure` |
//! | [`Throttle`](crate::Throttle) | `reset`, `reconfigure` |
//! | [`AdaptiveLimit`](crate::AdaptiveLimit) | `reconfigure` |
//! | [`RetryBudget`](crate::RetryBudget) | nothing: to look at only |
//! | [`Drain`](crate::Drain) | `begin`, `resume` |
//! | [`Keyed`](crate::keyed::Keyed) tables of these | by key, for those who know the type of the table and the key: `get`, then as above |
//! | a [`Policy`] of your own | whatever it can do |

mod entry;
mod error;
mod handles;
mod name;
mod policy;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, btree_map::Entry as Place},
    fmt,
    sync::{Arc, LazyLock, Weak},
    time::Instant,
};

use parking_lot::Mutex;

use self::{entry::Entry, name::Name};

pub use self::{
    error::{LookupError, NameError, RegisterError},
    policy::{Figure, Policy, PolicySnapshot},
};

/// The policies of a process by name: see the [module](self).
///
/// # Clone
///
/// A clone is the same registry.
#[derive(Clone, Default)]
pub struct Registry {
    table: Arc<Table>,
}

type Table = Mutex<BTreeMap<Name, Entry>>;

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The one of the process, made when it is first asked for.
    ///
    /// For an application that does not want to pass a registry around. A library takes one as an argument instead: two users of
    /// it in one process would get in each other's way.
    #[must_use]
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Registry> = LazyLock::new(Registry::new);
        &GLOBAL
    }

    /// Gives a policy a name, until the registration is dropped.
    ///
    /// The names become labels and parts of addresses, so they are from 1 to 64 ASCII letters, digits, `_`, `-` or `.` each. They
    /// are public, so they must not come from a request.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Name`] if a name is none, and [`RegisterError::Taken`] if there is another policy of that name, be it the same
    /// one.
    pub fn register<P: Policy>(
        &self,
        pipeline: &str,
        policy: &str,
        handle: P,
    ) -> Result<Registration, RegisterError> {
        let name = Name::checked(pipeline, policy)?;
        match self.table.lock().entry(name.clone()) {
            Place::Occupied(there) => {
                Err(RegisterError::Taken { name: name.to_string(), kind: there.get().kind() })
            }
            Place::Vacant(place) => {
                place.insert(Entry::new(handle));
                Ok(Registration { table: Arc::downgrade(&self.table), name })
            }
        }
    }

    /// What is registered, in the order of the names.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let listed = |(name, entry): (&Name, &Entry)| Listed {
            pipeline: name.pipeline.clone(),
            policy: name.policy.clone(),
            kind: entry.kind(),
        };
        self.table.lock().iter().map(listed).collect()
    }

    /// What every policy does at `now`, in the order of the names. Plain data, to be printed or, with the feature `serde`, sent.
    ///
    /// Policies are asked one after the other, while calls go on.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Vec<Row> {
        let entries = self.table.lock().clone();
        entries.into_iter().map(|(name, entry)| entry.row(name, now)).collect()
    }

    /// The handle of one policy, of the type it was registered with.
    ///
    /// # Errors
    ///
    /// [`LookupError::Unknown`] if there is none of that name, and [`LookupError::OtherKind`] if it is of another type.
    pub fn get<P: Policy + Clone>(&self, pipeline: &str, policy: &str) -> Result<P, LookupError> {
        let name = Name::unchecked(pipeline, policy);
        let found = self.table.lock().get(&name).cloned();
        let entry = found.ok_or(LookupError::Unknown)?;
        entry.handle::<P>().ok_or(LookupError::OtherKind { is: entry.kind(), wanted: P::kind() })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("policies", &self.list()).finish()
    }
}

/// A policy has its name until this is dropped.
#[derive(Debug)]
#[must_use = "the name is free again when this is dropped; `keep` it for good, or store it with the stack"]
pub struct Registration {
    table: Weak<Table>,
    name: Name,
}

impl Registration {
    /// Leaves the policy registered for as long as the registry exists.
    pub fn keep(mut self) {
        self.table = Weak::new();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            let removed = table.lock().remove(&self.name);
            // Foreign code, outside of the lock.
            drop(removed);
        }
    }
}

/// What is registered under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Listed {
    /// The name of the pipeline.
    pub pipeline: String,
    /// The name of the policy in it.
    pub policy: String,
    /// What it is: see [`Policy::kind`].
    pub kind: &'static str,
}

/// What a registered policy does at one moment.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Row {
    /// The name of the pipeline.
    pub pipeline: String,
    /// The name of the policy in it.
    pub policy: String,
    /// What it is: see [`Policy::kind`].
    pub kind: &'static str,
    /// Its state in a word: see [`PolicySnapshot::state`].
    pub state: &'static str,
    /// Whether it keeps calls back: see [`PolicySnapshot::limiting`].
    pub limiting: bool,
    /// Its figures by name.
    pub figures: BTreeMap<&'static str, Figure>,
}
