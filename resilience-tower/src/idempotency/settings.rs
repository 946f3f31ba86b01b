use std::time::Duration;

use resilience_core::{circuit_breaker, idempotency::OnLostOwner, range::Range};

use super::{Seal, seal::Sealing};

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const LEASE: Range<Duration> = Range::new("lease", Duration::from_millis(100), Duration::from_secs(3600));
const RETAIN: Range<Duration> = Range::new("retain", Duration::from_secs(1), YEAR);
const STORE_TIMEOUT: Range<Duration> = Range::new("store_timeout", MS, MINUTE);
const MAX_EXECUTION: Range<Duration> = Range::new("max_execution", Duration::from_millis(100), YEAR);
const MAX_IN_FLIGHT: Range<u32> = Range::new("max_in_flight", 1, u32::MAX >> 1);
const WAIT_FOR: Range<Duration> = Range::new("wait_for", Duration::ZERO, Duration::from_secs(600));

/// The settings of a [`Guard`](super::Guard).
///
/// ```
/// use resilience_tower::idempotency::Settings;
/// use std::time::Duration;
///
/// let settings = Settings::new().wait_for(Duration::from_secs(5)).at_most_once();
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) lease: Duration,
    pub(super) retain: Duration,
    pub(super) store_timeout: Duration,
    pub(super) max_execution: Duration,
    pub(super) max_in_flight: u32,
    pub(super) wait_for: Duration,
    pub(super) on_lost_owner: OnLostOwner,
    pub(super) on_store_error: OnStoreError,
    pub(super) execution: Execution,
    pub(super) store_breaker: circuit_breaker::Config,
    pub(super) sealing: Sealing,
}

/// What happens to a request with a key while the store cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnStoreError {
    /// It is refused, to come again in a second. The default: whoever sends a key asks for protection.
    #[default]
    Closed,
    /// It runs without protection, and may run twice. Its answer says so. What the store holds and cannot be read
    /// ([`Corrupt`](resilience_core::idempotency::StoreErrorKind::Corrupt)) is refused all the same.
    ///
    /// It runs in the task of the call, so that a caller which goes away cuts it; no limit of the guard counts it, and no drain
    /// waits for it.
    Open,
}

/// Where an operation runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Execution {
    /// In a task of its own, which ends when the work does: a caller that goes away, or a timeout further out, does not cut it in the
    /// middle of its effect, and its result is there when the caller comes again. The default.
    ///
    /// So timeouts, bulkheads and other limits belong further in: outside they no longer bound the work. It runs under the deadline and
    /// the correlation id that are [handed on](crate::call::inherited) to its caller; what else is set for a task,
    /// such as a span, belongs further in.
    #[default]
    Detached,
    /// In the task of the call. If that is dropped the work is cut, nobody knows how far it got, and the key is given up as such.
    Inline,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// The defaults: see each setter.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lease: Duration::from_secs(30),
            retain: Duration::from_secs(24 * 60 * 60),
            store_timeout: Duration::from_millis(500),
            max_execution: Duration::from_secs(600),
            max_in_flight: 10_000,
            wait_for: Duration::ZERO,
            on_lost_owner: OnLostOwner::TakeOver,
            on_store_error: OnStoreError::Closed,
            execution: Execution::Detached,
            store_breaker: circuit_breaker::Config::new()
                .consecutive_failures(5)
                .open_for(Duration::from_secs(1), Duration::from_secs(2))
                .probes(1),
            sealing: Sealing::default(),
        }
    }

    /// For how long a claim lives without being renewed. 30 s by default; it is renewed each third of that while the work runs.
    ///
    /// # Choosing a value
    ///
    /// Longer than a stall that is worth waiting out, a pause of the store included; not longer than callers should wait after a crash
    /// before another may run their operation.
    ///
    /// # Panics
    ///
    /// If it is shorter than 100 ms or longer than an hour.
    #[must_use]
    #[track_caller]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = LEASE.expect(lease);
        self
    }

    /// For how long a result is kept, from the first time on that the key was seen. 24 h by default, as callers of payment services
    /// expect.
    ///
    /// # Choosing a value
    ///
    /// Longer than callers go on trying. It is the lever on the size of the store: rate, times this, times what a response takes. At
    /// 100 requests per second a day of responses of 512 bytes takes 7 GB in Redis.
    ///
    /// # Panics
    ///
    /// If it is shorter than a second or longer than a year.
    #[must_use]
    #[track_caller]
    pub fn retain(mut self, retain: Duration) -> Self {
        self.retain = RETAIN.expect(retain);
        self
    }

    /// For how long one operation of the store may keep a caller waiting. 500 ms by default.
    ///
    /// # Panics
    ///
    /// If it is shorter than 1 ms or longer than a minute.
    #[must_use]
    #[track_caller]
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.store_timeout = STORE_TIMEOUT.expect(limit);
        self
    }

    /// For how long a claim is renewed. 10 min by default. Work that takes longer goes on, but another may take it over once the
    /// lease is over: so a run that hangs does not hold its key for ever.
    ///
    /// # Panics
    ///
    /// If it is shorter than 100 ms or longer than a year.
    #[must_use]
    #[track_caller]
    pub fn max_execution(mut self, limit: Duration) -> Self {
        self.max_execution = MAX_EXECUTION.expect(limit);
        self
    }

    /// How many operations may run at a time; further ones are refused. 10 000 by default.
    ///
    /// A detached run lives on when its caller has gone, so limits further out do not bound it. To bound what each caller may
    /// run, put a bulkhead by key further in.
    ///
    /// # Panics
    ///
    /// If it is 0 or above 2³¹ - 1.
    #[must_use]
    #[track_caller]
    pub fn max_in_flight(mut self, limit: u32) -> Self {
        self.max_in_flight = MAX_IN_FLIGHT.expect(limit);
        self
    }

    /// For how long a request waits for the result of an earlier one with its key that still runs. Zero by default: it is told so
    /// at once.
    ///
    /// It looks into the store after 25 ms, then less and less often, up to each 250 ms; and at once when the earlier one
    /// has ended in this process.
    ///
    /// # Panics
    ///
    /// If it is longer than ten minutes.
    #[must_use]
    #[track_caller]
    pub fn wait_for(mut self, limit: Duration) -> Self {
        self.wait_for = WAIT_FOR.expect(limit);
        self
    }

    /// Runs nothing again of which nobody knows how far it got: whoever comes with such a key is told so, until its record is gone.
    ///
    /// By default it runs again, and is told by its [attempt](super::IdempotencyContext::attempt) that it is not the first. The price
    /// of this setting is that somebody has to look by hand at every operation whose process died or whose answer was lost;
    /// the price of the default is an operation that has to find out itself what has been done.
    #[must_use]
    pub const fn at_most_once(mut self) -> Self {
        self.on_lost_owner = OnLostOwner::Refuse;
        self
    }

    /// What happens while the store cannot be asked. [`OnStoreError::Closed`] by default.
    #[must_use]
    pub const fn on_store_error(mut self, policy: OnStoreError) -> Self {
        self.on_store_error = policy;
        self
    }

    /// Where an operation runs. [`Execution::Detached`] by default.
    #[must_use]
    pub const fn execution(mut self, execution: Execution) -> Self {
        self.execution = execution;
        self
    }

    /// When the store is no longer asked, so that an outage costs callers microseconds and not the
    /// [store's timeout](Self::store_timeout) each. By default after 5 failures in a row or half of 20 calls, for one second and then two.
    #[must_use]
    pub fn store_breaker(mut self, config: circuit_breaker::Config) -> Self {
        self.store_breaker = config;
        self
    }

    /// Encrypts what is stored. Nothing by default: the store holds responses as they are.
    ///
    /// An operation that finishes its record in a transaction of its own has to seal what it stores itself.
    #[must_use]
    pub fn sealed_by(mut self, seal: impl Seal) -> Self {
        self.sealing = Sealing::by(seal);
        self
    }
}
