//! How a request over HTTP or gRPC names its operation: the header with the key, and whose it is.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, Request, request::Parts};
use resilience_core::{
    Context,
    idempotency::{
        Fingerprint, FingerprintParts, FingerprintSecret, IdempotencyKey, KeyRules, RecordKey, Scope,
    },
};

use super::{IdempotencyContext, Rejection, Sorted, http::IdempotentBody};
use crate::time;

pub(super) type Ask<T> = Arc<dyn Fn(&Parts) -> T + Send + Sync>;

/// How far in the future a key may say that it was made: clocks differ.
const AHEAD: Duration = Duration::from_secs(300);

#[derive(Clone)]
pub(super) struct Naming {
    scope: Ask<Option<Scope>>,
    pub(super) covers: Option<Ask<bool>>,
    pub(super) namespace: Cow<'static, str>,
    pub(super) header: HeaderName,
    pub(super) require_key: bool,
    pub(super) rules: KeyRules,
    pub(super) max_key_age: Option<Duration>,
    pub(super) secret: Option<FingerprintSecret>,
}

impl Naming {
    pub(super) fn scoped_by<F, T>(scope: F) -> Self
    where
        F: Fn(&Parts) -> Option<T> + Send + Sync + 'static,
        T: AsRef<[u8]>,
    {
        Self::new(Arc::new(move |parts| Scope::new(scope(parts)?)))
    }

    pub(super) fn single_tenant() -> Self {
        Self::new(Arc::new(|_| Some(Scope::single_tenant())))
    }

    fn new(scope: Ask<Option<Scope>>) -> Self {
        Self {
            scope,
            covers: None,
            namespace: Cow::Borrowed(""),
            header: HeaderName::from_static("idempotency-key"),
            require_key: false,
            rules: KeyRules::new(),
            max_key_age: None,
            secret: None,
        }
    }

    /// What becomes of a request, `applies` being whether keys mean something for its kind.
    pub(super) fn sort<B>(
        &self,
        request: Request<B>,
        applies: bool,
    ) -> Sorted<Request<B>, Request<IdempotentBody<B>>> {
        let has_key = request.headers().contains_key(&self.header);
        if !applies || !(has_key || self.require_key) {
            return Sorted::Pass(request.map(IdempotentBody::inner));
        }
        // A layer further out has it already: to claim its key once more would be to wait for oneself.
        let is_guarded = request.extensions().get::<IdempotencyContext>().is_some();
        let (parts, body) = request.into_parts();
        if is_guarded || self.covers.as_ref().is_some_and(|covers| !covers(&parts)) {
            return Sorted::Pass(Request::from_parts(parts, IdempotentBody::inner(body)));
        }
        if has_key {
            Sorted::Guard(Request::from_parts(parts, body))
        } else {
            Sorted::Refuse(Rejection::MissingKey)
        }
    }

    /// Under which key the operation is.
    pub(super) fn record(&self, parts: &Parts) -> Result<RecordKey, Rejection> {
        let key = self.key(&parts.headers)?;
        if !self.is_young(&key, time::wall_now()) {
            return Err(Rejection::KeyExpired);
        }
        let scope = (self.scope)(parts).ok_or(Rejection::NoScope)?;
        Ok(RecordKey::new(&self.namespace, &scope, &key))
    }

    pub(super) fn fingerprint(&self) -> FingerprintParts {
        match &self.secret {
            Some(secret) => Fingerprint::of_parts_keyed(secret),
            None => Fingerprint::of_parts(),
        }
    }

    /// The one key there is.
    fn key(&self, headers: &HeaderMap) -> Result<IdempotencyKey, Rejection> {
        let mut values = headers.get_all(&self.header).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => {
                self.rules.parse(value.as_bytes()).map_err(|rule| Rejection::InvalidKey(Some(rule)))
            }
            (Some(_), Some(_)) => Err(Rejection::InvalidKey(None)),
            (None, _) => Err(Rejection::MissingKey),
        }
    }

    fn is_young(&self, key: &IdempotencyKey, now: SystemTime) -> bool {
        let (Some(max_age), Some(created)) = (self.max_key_age, key.created()) else { return true };
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        created <= now + AHEAD && now.saturating_sub(created) <= max_age
    }
}

/// Gives a request the context of its run. It was asked for at `since`, and has waited until now.
pub(super) fn attach<B>(request: &mut Request<B>, context: IdempotencyContext, since: Instant) {
    if let Some(call) = request.extensions_mut().get_mut::<Context>() {
        call.settle(since);
    }
    request.extensions_mut().insert(context);
}

/// The setters that all protocols with a header have.
macro_rules! naming_setters {
    () => {
        /// One of several namespaces of a store that services share. Empty by default.
        ///
        /// Also for routers under different prefixes that share a store: a nested one does not see the prefix, so that two of them may
        /// have a route of the same name. Simplest is to put the layer around the whole router.
        #[must_use]
        pub fn namespace(mut self, namespace: impl Into<std::borrow::Cow<'static, str>>) -> Self {
            self.naming.namespace = namespace.into();
            self
        }

        /// The header with the key. `Idempotency-Key` by default.
        #[must_use]
        pub fn header(mut self, name: http::HeaderName) -> Self {
            self.naming.header = name;
            self
        }

        /// Whether a request without a key is refused. Not by default.
        #[must_use]
        pub const fn require_key(mut self, required: bool) -> Self {
            self.naming.require_key = required;
            self
        }

        /// Guards only the requests that `covers` says. All by default.
        ///
        /// Leave out what answers with events, long streams or upgrades: what kind of response it is shows only when the operation has
        /// been claimed.
        #[must_use]
        pub fn covers(
            mut self,
            covers: impl Fn(&http::request::Parts) -> bool + Send + Sync + 'static,
        ) -> Self {
            self.naming.covers = Some(std::sync::Arc::new(covers));
            self
        }

        /// Which values of the header are keys: see [`KeyRules`](resilience_core::idempotency::KeyRules).
        #[must_use]
        pub const fn keys(mut self, rules: resilience_core::idempotency::KeyRules) -> Self {
            self.naming.rules = rules;
            self
        }

        /// Refuses keys that were made longer ago than this, where a key tells: a UUID of version 7. Not by default.
        ///
        /// Whoever comes after the result is gone would have its operation run again, without knowing. Other keys than UUIDs of version
        /// 7 pass. One that says it was made more than five minutes from now is refused, too.
        ///
        /// # Choosing a value
        ///
        /// A little less than [`retain`](crate::idempotency::Settings::retain).
        #[must_use]
        pub const fn max_key_age(mut self, age: std::time::Duration) -> Self {
            self.naming.max_key_age = Some(age);
            self
        }

        /// Makes fingerprints useless to whoever reads the store: see
        /// [`FingerprintSecret`](resilience_core::idempotency::FingerprintSecret). There is none by default.
        #[must_use]
        pub fn fingerprint_secret(mut self, secret: resilience_core::idempotency::FingerprintSecret) -> Self {
            self.naming.secret = Some(secret);
            self
        }

        /// The longest body of a request with a key, in bytes. 1 MiB by default. It is read before the operation begins.
        #[must_use]
        pub const fn max_request_body(mut self, bytes: usize) -> Self {
            self.max_request_body = bytes;
            self
        }

        /// The longest body of a response that is kept, in bytes. 256 KiB by default.
        ///
        /// Of a longer one, and over HTTP of one without a known length, only status and headers are: it goes to its caller as it is, and whoever comes later is told that it was
        /// not kept. It is not run again.
        #[must_use]
        pub const fn max_stored_response(mut self, bytes: usize) -> Self {
            self.max_stored_response = bytes;
            self
        }
    };
}
pub(super) use naming_setters;

pub(super) const MAX_REQUEST_BODY: usize = 1024 * 1024;
pub(super) const MAX_STORED_RESPONSE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_tells_its_age_is_refused_when_old_or_from_the_future() {
        let naming = |max_key_age| Naming { max_key_age, ..Naming::single_tenant() };
        let made = Duration::from_secs(1_700_000_000);
        let key = IdempotencyKey::uuid_v7(made);
        let hour = naming(Some(Duration::from_secs(3600)));
        let young = |naming: &Naming, key: &IdempotencyKey, at: Duration| {
            naming.is_young(key, SystemTime::UNIX_EPOCH + at)
        };
        for (at, is_young) in [
            (made, true),
            (made + Duration::from_secs(3600), true),
            (made + Duration::from_secs(3601), false),
            (made - AHEAD, true),
            (made - AHEAD - Duration::from_secs(1), false),
        ] {
            assert_eq!(young(&hour, &key, at), is_young, "{at:?}");
        }
        let late = made + Duration::from_secs(9_000_000);
        assert!(young(&hour, &IdempotencyKey::random(), late));
        assert!(young(&naming(None), &key, late));
    }
}
