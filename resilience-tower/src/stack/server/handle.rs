use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use resilience_core::{
    AdaptiveLimit, Bulkhead, Drain, Registry,
    rate_limit::Quota,
    registry::{Policy, PolicySnapshot, RegisterError, Registration},
};

use super::ServerSettings;
use crate::{
    drain::{DrainHandle, DrainLayer},
    stack::{Invalid, fixed},
    time,
};

/// The handle of a server's stack: to look at its policies, to drain it, and to change settings while it runs.
///
/// ```
/// use std::time::Duration;
/// use resilience_tower::stack::{self, ServerSettings};
///
/// let layer = stack::server("api");
/// let handle = layer.handle().clone();
/// handle.reconfigure(&ServerSettings::new().total_timeout(Duration::from_secs(3)))?;
/// assert_eq!(handle.name(), "api");
/// # Ok::<(), stack::Invalid>(())
/// ```
///
/// # Clone
///
/// A clone is of the same stack.
#[derive(Clone)]
pub struct ServerHandle {
    pub(super) limits: Arc<Limits>,
}

pub(super) struct Limits {
    name: String,
    pub(super) drain: DrainLayer,
    pub(super) adaptive: Option<AdaptiveLimit>,
    pub(super) bulkhead: Option<Bulkhead>,
    /// Nanoseconds, the largest number for none. Relaxed: a value by itself.
    total_timeout: AtomicU64,
    settings: Mutex<ServerSettings>,
    /// Changes the quota, wherever the limiters are.
    set_quota: Option<Box<SetQuota>>,
}

pub(super) type SetQuota = dyn Fn(Quota) + Send + Sync;

impl Limits {
    #[inline]
    pub(super) fn total_timeout(&self) -> Option<Duration> {
        let nanos = self.total_timeout.load(Ordering::Relaxed);
        (nanos != u64::MAX).then(|| Duration::from_nanos(nanos))
    }

    fn set_total_timeout(&self, limit: Option<Duration>) {
        self.total_timeout.store(word(limit), Ordering::Relaxed);
    }
}

fn word(limit: Option<Duration>) -> u64 {
    limit.and_then(|limit| u64::try_from(limit.as_nanos()).ok()).unwrap_or(u64::MAX)
}

impl ServerHandle {
    pub(super) fn new(name: &str, settings: &ServerSettings, set_quota: Option<Box<SetQuota>>) -> Self {
        let limits = Limits {
            name: name.to_owned(),
            drain: DrainLayer::new(),
            adaptive: settings.adaptive.clone().map(|config| AdaptiveLimit::new(config, time::now())),
            bulkhead: settings.bulkhead.clone().map(Bulkhead::new),
            total_timeout: AtomicU64::new(word(settings.total_timeout)),
            settings: Mutex::new(settings.clone()),
            set_quota,
        };
        Self { limits: Arc::new(limits) }
    }

    /// The name of the stack.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.limits.name
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> ServerSettings {
        self.limits.settings.lock().clone()
    }

    /// To stop admitting, and to wait for what runs: each request until the body of its response has been read to its end, or the client
    /// is gone.
    #[must_use]
    pub fn drain(&self) -> DrainHandle {
        self.limits.drain.handle()
    }

    /// The drain itself, for metrics.
    #[must_use]
    pub fn drains(&self) -> &Drain {
        self.limits.drain.drain()
    }

    /// The adaptive limit, if there is one.
    #[must_use]
    pub fn adaptive(&self) -> Option<&AdaptiveLimit> {
        self.limits.adaptive.as_ref()
    }

    /// The bulkhead, if there is one.
    #[must_use]
    pub fn bulkhead(&self) -> Option<&Bulkhead> {
        self.limits.bulkhead.as_ref()
    }

    /// Puts other settings in force, for requests to come; those under way end as they began. State is kept.
    ///
    /// # Errors
    ///
    /// If the settings do not [fit together](ServerSettings::check), or turn a part on or off, or change `max_deadline`, which needs a
    /// new stack. Then nothing is changed.
    pub fn reconfigure(&self, settings: &ServerSettings) -> Result<(), Invalid> {
        settings.check()?;
        let Limits { adaptive, bulkhead, set_quota, .. } = &*self.limits;
        fixed::unless_built_in("adaptive", adaptive.is_some(), settings.adaptive.is_some())?;
        fixed::unless_built_in("bulkhead", bulkhead.is_some(), settings.bulkhead.is_some())?;
        fixed::unless_built_in("rate_limit", set_quota.is_some(), settings.rate_limit.is_some())?;
        // Under the lock, so that of two changes at once one is in force everywhere.
        let mut current = self.limits.settings.lock();
        fixed::unless_same("max_deadline", current.max_deadline, settings.max_deadline)?;
        *current = settings.clone();
        self.limits.set_total_timeout(settings.total_timeout);
        if let (Some(limit), Some(config)) = (adaptive, &settings.adaptive) {
            limit.reconfigure(config.clone());
        }
        if let (Some(bulkhead), Some(config)) = (bulkhead, &settings.bulkhead) {
            bulkhead.reconfigure(config.clone());
        }
        if let (Some(set_quota), Some(quota)) = (set_quota, settings.rate_limit) {
            set_quota(quota);
        }
        Ok(())
    }
}

impl ServerHandle {
    /// Registers the stack under its name: as `server` the handle itself, its `drain`, and its `adaptive` limit and `bulkhead` if it
    /// has them.
    ///
    /// # Errors
    ///
    /// If the name is none for a registry, or taken: two stacks of one name would speak through one gauge. Then nothing is registered.
    pub fn register(&self, registry: &Registry) -> Result<Vec<Registration>, RegisterError> {
        let name = self.name();
        let mut all = vec![
            registry.register(name, "server", self.clone())?,
            registry.register(name, "drain", self.limits.drain.drain().clone())?,
        ];
        if let Some(limit) = self.adaptive() {
            all.push(registry.register(name, "adaptive", limit.clone())?);
        }
        if let Some(bulkhead) = self.bulkhead() {
            all.push(registry.register(name, "bulkhead", bulkhead.clone())?);
        }
        Ok(all)
    }
}

/// Its state is that of its drain, or else of its adaptive limit.
impl Policy for ServerHandle {
    fn kind() -> &'static str {
        "server"
    }

    fn snapshot(&self, now: Instant) -> PolicySnapshot {
        let drain = Policy::snapshot(self.limits.drain.drain(), now);
        match self.adaptive() {
            Some(limit) if !drain.limiting => Policy::snapshot(limit, now),
            _ => drain,
        }
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.limits, f)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("name", &self.name)
            .field("drain", &self.drain)
            .field("adaptive", &self.adaptive)
            .field("bulkhead", &self.bulkhead)
            .finish_non_exhaustive()
    }
}
