use std::{
    borrow::Borrow,
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use resilience_core::{
    Bulkhead, RateLimiter, Registry,
    keyed::{Keyed, Snapshot},
    registry::{Policy, PolicySnapshot, RegisterError, Registration},
};

use super::ClientSettings;
use crate::{
    per_key::{Policies, Table},
    stack::{Invalid, fixed},
    time,
};

/// The handle of a client's stack: to look at its policies, override breakers, and change settings while it runs.
///
/// ```
/// use std::time::Duration;
/// use resilience_tower::stack::{self, ClientSettings};
///
/// let layer = stack::client("payments");
/// let handle = layer.handle().clone();
/// handle.reconfigure(&ClientSettings::new().attempt_timeout(Duration::from_millis(300)))?;
/// assert_eq!(handle.name(), "payments");
/// # Ok::<(), stack::Invalid>(())
/// ```
///
/// # Clone
///
/// A clone is of the same stack.
pub struct ClientHandle<K = ()> {
    pub(super) table: Arc<Table<K>>,
    pub(super) limits: Arc<Limits>,
}

/// What is not per destination.
pub(super) struct Limits {
    name: String,
    pub(super) bulkhead: Option<Bulkhead>,
    pub(super) rate_limit: Option<RateLimiter>,
    pub(super) rate_limit_wait: Duration,
    settings: Mutex<ClientSettings>,
    /// Where the jitter of the next service begins, if it is seeded.
    seeds: Option<AtomicU64>,
}

impl Limits {
    /// A seed for the jitter of another service. Each of its pauses takes the next number, so services are far apart.
    pub(super) fn next_seed(&self) -> Option<u64> {
        self.seeds.as_ref().map(|next| next.fetch_add(1 << 32, Ordering::Relaxed))
    }
}

impl<K> ClientHandle<K> {
    pub(super) fn new(name: &str, settings: &ClientSettings, table: Arc<Table<K>>) -> Self {
        let limits = Limits {
            name: name.to_owned(),
            bulkhead: settings.bulkhead.clone().map(Bulkhead::new),
            rate_limit: settings.rate_limit.map(|quota| RateLimiter::new(quota, time::now())),
            rate_limit_wait: settings.rate_limit_wait,
            settings: Mutex::new(settings.clone()),
            seeds: settings.seed.map(AtomicU64::new),
        };
        Self { table, limits: Arc::new(limits) }
    }

    pub(super) fn with_table<J>(&self, table: Arc<Table<J>>) -> ClientHandle<J> {
        ClientHandle { table, limits: Arc::clone(&self.limits) }
    }

    /// The name of the stack.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.limits.name
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> ClientSettings {
        self.limits.settings.lock().clone()
    }

    /// The bulkhead, if there is one.
    #[must_use]
    pub fn bulkhead(&self) -> Option<&Bulkhead> {
        self.limits.bulkhead.as_ref()
    }

    /// The limiter of the rate, if there is one.
    #[must_use]
    pub fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.limits.rate_limit.as_ref()
    }

    /// The destinations: to count and list them.
    #[must_use]
    pub fn destinations(&self) -> &Keyed<K, Policies> {
        &self.table.entries
    }
}

impl<K: Hash + Eq> ClientHandle<K> {
    /// What there is to see of all destinations together, for metrics.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.table.snapshot(time::now())
    }
}

impl<K: Hash + Eq + Clone> ClientHandle<K> {
    /// The policies of a destination, made if there are none yet.
    #[must_use]
    pub fn policies<B>(&self, destination: &B) -> Policies
    where
        K: Borrow<B>,
        B: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.table.policies(destination, time::now())
    }

    /// Puts other settings in force, for operations to come; those under way end as they began. State is kept: windows, open breakers,
    /// permits, tokens of budgets. A breaker that the new settings trip is open at once; no observer is told of it, but the state that
    /// metrics publish is true.
    ///
    /// # Errors
    ///
    /// If the settings do not [fit together](ClientSettings::check), or turn a bulkhead or a rate limit on or off, or change how long
    /// calls wait for it, which needs a new stack. Then nothing is changed.
    pub fn reconfigure(&self, settings: &ClientSettings) -> Result<(), Invalid> {
        settings.check()?;
        let Limits { bulkhead, rate_limit, .. } = &*self.limits;
        fixed::unless_built_in("bulkhead", bulkhead.is_some(), settings.bulkhead.is_some())?;
        fixed::unless_built_in("rate_limit", rate_limit.is_some(), settings.rate_limit.is_some())?;
        if rate_limit.is_some() {
            fixed::unless_same("rate_limit_wait", self.limits.rate_limit_wait, settings.rate_limit_wait)?;
        }
        let mut current = self.limits.settings.lock();
        *current = settings.clone();
        let now = time::now();
        if let (Some(bulkhead), Some(config)) = (bulkhead, &settings.bulkhead) {
            bulkhead.reconfigure(config.clone());
        }
        if let (Some(limiter), Some(quota)) = (rate_limit, settings.rate_limit) {
            limiter.reconfigure(quota, now);
        }
        // Under the lock, so that of two changes at once one is in force everywhere.
        self.table.reconfigure(settings.per_key(), now, |_| ());
        Ok(())
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> ClientHandle<K> {
    /// Registers the stack under its name: as `client` the handle itself, as `destinations` the table of their policies, and its
    /// `bulkhead` and `rate_limit` if it has them.
    ///
    /// # Errors
    ///
    /// If the name is none for a registry, or taken: two stacks of one name would speak through one gauge. Then nothing is registered.
    pub fn register(&self, registry: &Registry) -> Result<Vec<Registration>, RegisterError> {
        let name = self.name();
        let mut all = vec![
            registry.register(name, "client", self.clone())?,
            registry.register(name, "destinations", self.table.entries.clone())?,
        ];
        if let Some(bulkhead) = self.bulkhead() {
            all.push(registry.register(name, "bulkhead", bulkhead.clone())?);
        }
        if let Some(limiter) = self.rate_limiter() {
            all.push(registry.register(name, "rate_limit", limiter.clone())?);
        }
        Ok(all)
    }
}

/// Its state is that of its destinations.
impl<K: Hash + Eq + Send + Sync + 'static> Policy for ClientHandle<K> {
    fn kind() -> &'static str {
        "client"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        Policy::snapshot(&self.table.entries, now)
    }
}

impl<K> Clone for ClientHandle<K> {
    fn clone(&self) -> Self {
        Self { table: Arc::clone(&self.table), limits: Arc::clone(&self.limits) }
    }
}

impl<K> fmt::Debug for ClientHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandle")
            .field("name", &self.limits.name)
            .field("destinations", &self.table.entries)
            .field("bulkhead", &self.limits.bulkhead)
            .field("rate_limit", &self.limits.rate_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use resilience_core::{FailureKind, Verdict, circuit_breaker};

    use super::*;

    fn handle(settings: &ClientSettings) -> ClientHandle {
        let table = Table::new(settings.per_key(), std::num::NonZeroUsize::MIN, Duration::from_secs(1));
        ClientHandle::new("test", settings, Arc::new(table))
    }

    #[test]
    fn services_of_one_seed_draw_different_numbers() {
        let limits = handle(&ClientSettings::new().seed(7)).limits;
        assert_eq!((limits.next_seed(), limits.next_seed()), (Some(7), Some(7 + (1 << 32))));
        assert_eq!(handle(&ClientSettings::new()).limits.next_seed(), None);
    }

    /// How long the breaker of a stack waits, which is drawn.
    fn wait(seed: impl Into<Option<u64>>) -> Option<Duration> {
        let breaker = circuit_breaker::Config::new().consecutive_failures(1);
        let policies = handle(&ClientSettings::new().circuit_breaker(breaker).seed(seed)).policies(&());
        let breaker = policies.circuit_breaker().unwrap();
        let mut ticket = breaker.admit_closed(time::now).unwrap();
        let failure = Verdict::Failure(FailureKind::Transient);
        breaker.finish(&mut ticket, failure, None, time::now).and_then(|transition| transition.wait)
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_decides() {
        assert_eq!(wait(7), wait(7));
        assert_ne!(wait(7), wait(8));
        assert_ne!(wait(None), wait(None));
    }
}
