use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method};
use resilience_core::{idempotency::KeyFormat, range::Range};
use tower_layer::Layer;

use super::SendIdempotencyKey;

const MAX_KEY_LIFETIME: Range<Duration> = Range::lasting("max_key_lifetime");

/// Puts an idempotency key on the requests of a client, one for each operation.
///
/// `POST` and `PATCH` get one, unless they have one: a header, or an [`IdempotencyKey`](super::IdempotencyKey) in the extensions of an
/// `http::Request`. What else there is to know is said in the [module](super).
///
/// ```
/// use resilience_tower::idempotency::client::IdempotencyKeyLayer;
///
/// let layer = IdempotencyKeyLayer::new().server_honours_keys().uuid_v7();
/// ```
///
/// # Clone
///
/// A clone has the same settings.
#[derive(Clone, Debug)]
pub struct IdempotencyKeyLayer {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) methods: Vec<Method>,
    pub(super) header: HeaderName,
    pub(super) format: KeyFormat,
    pub(super) by_time: bool,
    pub(super) server_honours_keys: bool,
    pub(super) max_key_lifetime: Duration,
}

impl IdempotencyKeyLayer {
    /// Random keys, as they are, in the header `Idempotency-Key` of `POST` and `PATCH`.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings {
            methods: vec![Method::POST, Method::PATCH],
            header: HeaderName::from_static("idempotency-key"),
            format: KeyFormat::Raw,
            by_time: false,
            server_honours_keys: false,
            max_key_lifetime: Duration::from_secs(23 * 60 * 60),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Which methods get a key. `POST` and `PATCH` by default: the others that HTTP knows may be repeated as they are.
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|settings| settings.methods = methods.into_iter().collect())
    }

    /// The name of the header. `Idempotency-Key` by default.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.header = name)
    }

    /// How keys are written. [`KeyFormat::Raw`] by default: the IETF draft wants quotes, and most servers that exist refuse them.
    #[must_use]
    pub fn format(self, format: KeyFormat) -> Self {
        self.with(|settings| settings.format = format)
    }

    /// Makes keys that begin with the time (UUIDs of version 7), instead of all random ones.
    ///
    /// A server can then refuse a key that it may have forgotten, and finds its neighbours in one place of an index. Whoever sees
    /// the key learns when it was made.
    #[must_use]
    pub fn uuid_v7(self) -> Self {
        self.with(|settings| settings.by_time = true)
    }

    /// Says that the server honours the keys: a request that has one may be sent again.
    ///
    /// Not by default, and it must be known of each server that is called through this layer: a server that does not know the header
    /// runs the operation as often as it is sent. The word reaches the retry layer in the call's context, so the requests must be in a
    /// [`Call`](resilience_core::Call), or of the type `http::Request`; for any other say
    /// [`RetryPolicy::honours_idempotency_keys`](resilience_core::RetryPolicy::honours_idempotency_keys).
    #[must_use]
    pub fn server_honours_keys(self) -> Self {
        self.with(|settings| settings.server_honours_keys = true)
    }

    /// For how long a key may be used: no attempt is made later. 23 hours by default.
    ///
    /// # Choosing a value
    ///
    /// Less than the server keeps its records, mostly a day: after that it takes the key for a new one, and runs the operation again. It
    /// counts from when the key was made, if the key says so (a UUID of version 7), or else from when the operation began.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn max_key_lifetime(self, lifetime: Duration) -> Self {
        let lifetime = MAX_KEY_LIFETIME.expect(lifetime);
        self.with(|settings| settings.max_key_lifetime = lifetime)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Default for IdempotencyKeyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer {
    type Service = SendIdempotencyKey<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SendIdempotencyKey::new(inner, Arc::clone(&self.settings))
    }
}
