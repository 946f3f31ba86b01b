use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, request::Parts, response};
use resilience_core::idempotency::{FingerprintSecret, KeyRules, Scope};

use super::{Disposition, headers::Keep};

type Ask<T> = Arc<dyn Fn(&Parts) -> T + Send + Sync>;
type Content = Arc<dyn Fn(&Parts, &Bytes) -> Vec<u8> + Send + Sync>;
type Judge = Arc<dyn Fn(&response::Parts) -> Option<Disposition> + Send + Sync>;

/// HTTP as the protocol of an [`IdempotencyLayer`](crate::idempotency::IdempotencyLayer), and its settings.
///
/// ```
/// use resilience_tower::idempotency::http::Http;
///
/// #[derive(Clone)]
/// struct Account(String);
///
/// // Whose key it is, the authentication further out has found out.
/// let http = Http::scoped_by(|request| Some(request.extensions.get::<Account>()?.0.clone()))
///     .require_key(true)
///     .covers(|request| request.uri.path() != "/events");
/// # let _ = http;
/// ```
///
/// # Clone
///
/// A clone has the same settings, and shares its functions.
#[derive(Clone)]
pub struct Http {
    pub(super) scope: Ask<Option<Scope>>,
    pub(super) covers: Option<Ask<bool>>,
    pub(super) namespace: Cow<'static, str>,
    pub(super) header: HeaderName,
    pub(super) methods: Vec<Method>,
    pub(super) require_key: bool,
    pub(super) rules: KeyRules,
    pub(super) max_key_age: Option<Duration>,
    pub(super) per_route_keys: bool,
    pub(super) max_request_body: usize,
    pub(super) head_only: bool,
    pub(super) content: Option<Content>,
    pub(super) secret: Option<FingerprintSecret>,
    pub(super) max_stored_response: usize,
    pub(super) keep: Keep,
    pub(super) judge: Option<Judge>,
    pub(super) reexecute: bool,
    pub(super) replayed_header: HeaderName,
    pub(super) problem_base: Cow<'static, str>,
    pub(super) documentation: Option<HeaderValue>,
}

/// Where responses say that they are replayed.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

impl Http {
    /// Keys belong to whoever `scope` names: the account, the tenant, the signed-in user.
    ///
    /// A request for which it names nobody, or somebody without a name, is refused with 500: the layer that finds out who it is stands
    /// in the wrong place, and keys must never meet in one namespace for all.
    #[must_use]
    pub fn scoped_by<F, T>(scope: F) -> Self
    where
        F: Fn(&Parts) -> Option<T> + Send + Sync + 'static,
        T: AsRef<[u8]>,
    {
        Self::with_scope(Arc::new(move |parts| Scope::new(scope(parts)?)))
    }

    /// All callers may see each other's responses: there is one tenant.
    #[must_use]
    pub fn single_tenant() -> Self {
        Self::with_scope(Arc::new(|_| Some(Scope::single_tenant())))
    }

    fn with_scope(scope: Ask<Option<Scope>>) -> Self {
        Self {
            scope,
            covers: None,
            namespace: Cow::Borrowed(""),
            header: HeaderName::from_static("idempotency-key"),
            methods: vec![Method::POST, Method::PATCH],
            require_key: false,
            rules: KeyRules::new(),
            max_key_age: None,
            per_route_keys: false,
            max_request_body: 1024 * 1024,
            head_only: false,
            content: None,
            secret: None,
            max_stored_response: 256 * 1024,
            keep: Keep::default(),
            judge: None,
            reexecute: false,
            replayed_header: IDEMPOTENT_REPLAYED,
            problem_base: Cow::Borrowed(Self::PROBLEM_BASE),
            documentation: None,
        }
    }

    /// What the `type` of a problem document begins with, unless told [otherwise](Self::problem_base); its code follows.
    pub const PROBLEM_BASE: &'static str = "urn:resilience:idempotency:";

    /// One of several namespaces of a store that services share. Empty by default.
    ///
    /// Also for routers under different prefixes that share a store: a nested one does not see the prefix, so that two of them may have
    /// a route of the same name. Simplest is to put the layer around the whole router.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<Cow<'static, str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The header with the key. `Idempotency-Key` by default.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// The methods that keys mean something for. `POST` and `PATCH` by default. Requests with others pass, with a key or without.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Whether a request without a key is refused. Not by default.
    #[must_use]
    pub const fn require_key(mut self, required: bool) -> Self {
        self.require_key = required;
        self
    }

    /// Guards only the requests that `covers` says. All by default.
    ///
    /// Leave out routes that answer with events, long streams or upgrades: what kind of response it is shows only
    /// when the operation has been claimed, and a response without a known length is not kept.
    #[must_use]
    pub fn covers(mut self, covers: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.covers = Some(Arc::new(covers));
        self
    }

    /// Which values of the header are keys: see [`KeyRules`].
    #[must_use]
    pub const fn keys(mut self, rules: KeyRules) -> Self {
        self.rules = rules;
        self
    }

    /// Refuses keys that were made longer ago than this, where a key tells: a UUID of version 7. Not by default.
    ///
    /// Whoever comes after the result is gone would have its operation run again, without knowing. Other keys than UUIDs of version 7
    /// pass: [`KeyRules::uuid_only`] keeps out most of them. One that says it was made more than five minutes from now is refused, too.
    ///
    /// # Choosing a value
    ///
    /// A little less than [`retain`](crate::idempotency::Settings::retain).
    #[must_use]
    pub const fn max_key_age(mut self, age: Duration) -> Self {
        self.max_key_age = Some(age);
        self
    }

    /// Has a key mean something else on each route, by method and path, in place of refusing it on a second one. Not by default.
    #[must_use]
    pub const fn per_route_keys(mut self, per_route: bool) -> Self {
        self.per_route_keys = per_route;
        self
    }

    /// The longest body of a request with a key, in bytes. 1 MiB by default. It is read before the operation begins.
    #[must_use]
    pub const fn max_request_body(mut self, bytes: usize) -> Self {
        self.max_request_body = bytes;
        self
    }

    /// Does not look at bodies, for uploads that stream: method, path and content type alone say what is asked for. Not by default.
    ///
    /// Who uses a key for two uploads to one path gets the response to the first.
    #[must_use]
    pub const fn fingerprint_head_only(mut self, head_only: bool) -> Self {
        self.head_only = head_only;
        self
    }

    /// What of a body says what is asked for: its JSON in one order, the fields that matter. The bytes as they are by default.
    ///
    /// Method, path with query, and content type always count.
    #[must_use]
    pub fn fingerprint<F, T>(mut self, content: F) -> Self
    where
        F: Fn(&Parts, &Bytes) -> T + Send + Sync + 'static,
        T: Into<Vec<u8>>,
    {
        self.content = Some(Arc::new(move |parts, body| content(parts, body).into()));
        self
    }

    /// Makes fingerprints useless to whoever reads the store: see [`FingerprintSecret`]. There is none by default.
    #[must_use]
    pub fn fingerprint_secret(mut self, secret: FingerprintSecret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The longest body of a response that is kept, in bytes. 256 KiB by default.
    ///
    /// Of a longer one, or one without a known length, only status and headers are: it goes to its caller as it is, and whoever comes
    /// later is told that it was not kept. It is not run again.
    #[must_use]
    pub const fn max_stored_response(mut self, bytes: usize) -> Self {
        self.max_stored_response = bytes;
        self
    }

    /// Keeps only these headers of responses. By default all are kept but those of the connection, the moment or the request:
    /// `Connection` and what it names, `Date`, `Age`, `Set-Cookie`, `Content-Length`, those about rate limits, traces and CORS, and
    /// their like.
    #[must_use]
    pub fn replay_headers(mut self, only: impl IntoIterator<Item = HeaderName>) -> Self {
        self.keep.only = Some(only.into_iter().collect());
        self
    }

    /// Whether `Set-Cookie` is kept. Not by default: a replay would set a session again.
    #[must_use]
    pub const fn replay_cookies(mut self, cookies: bool) -> Self {
        self.keep.cookies = cookies;
        self
    }

    /// What becomes of a response, where `judge` says so; what it leaves open is decided by the status. A [`Disposition`] in the extensions
    /// of the response comes first.
    #[must_use]
    pub fn classify(
        mut self,
        judge: impl Fn(&response::Parts) -> Option<Disposition> + Send + Sync + 'static,
    ) -> Self {
        self.judge = Some(Arc::new(judge));
        self
    }

    /// Does not keep a 5xx response: the operation runs again, as a further [attempt](crate::idempotency::IdempotencyContext::attempt).
    ///
    /// By default such a response is the result like any other, because the handler may have done half of its work. The price of that is
    /// an operation that stays failed under its key; the price of this setting is a half that may be done twice.
    #[must_use]
    pub const fn reexecute_on_server_error(mut self) -> Self {
        self.reexecute = true;
        self
    }

    /// The header that says `true` on a replayed response. `Idempotent-Replayed` by default.
    #[must_use]
    pub fn replayed_header(mut self, name: HeaderName) -> Self {
        self.replayed_header = name;
        self
    }

    /// What the `type` of a problem document begins with, before its code. [`PROBLEM_BASE`](Self::PROBLEM_BASE) by default.
    ///
    /// # Panics
    ///
    /// If a character of it is none of a URI.
    #[must_use]
    #[track_caller]
    pub fn problem_base(mut self, base: impl Into<Cow<'static, str>>) -> Self {
        let base = base.into();
        let is_of_a_uri = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        assert!(base.bytes().all(is_of_a_uri), "problem_base is {base:?}, it must be the beginning of a URI");
        self.problem_base = base;
        self
    }

    /// Where clients can read about keys: `Link: <..>; rel="describedby"` on each refusal. Nowhere by default.
    ///
    /// # Panics
    ///
    /// If it has a character that is none of a URI.
    #[must_use]
    #[track_caller]
    pub fn documentation(mut self, uri: &str) -> Self {
        let is_of_a_uri = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        match HeaderValue::from_str(&format!("<{uri}>; rel=\"describedby\"")) {
            Ok(link) if uri.bytes().all(is_of_a_uri) => self.documentation = Some(link),
            _ => panic!("documentation is {uri:?}, it must be a URI"),
        }
        self
    }

    pub(super) fn disposition(&self, parts: &response::Parts) -> Disposition {
        let said = parts.extensions.get::<Disposition>().copied();
        said.or_else(|| self.judge.as_ref()?(parts))
            .unwrap_or_else(|| by_status(parts.status, self.reexecute))
    }
}

fn by_status(status: StatusCode, reexecute: bool) -> Disposition {
    match status.as_u16() {
        401 | 403 | 407 | 408 | 421 | 425 | 429 | 503 => Disposition::Release,
        500..=599 if reexecute => Disposition::Abandon,
        _ => Disposition::Store,
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("header", &self.header)
            .field("methods", &self.methods)
            .field("require_key", &self.require_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_kept_released_or_abandoned() {
        for status in 200..600 {
            let expected = match status {
                401 | 403 | 407 | 408 | 421 | 425 | 429 | 503 => Disposition::Release,
                _ => Disposition::Store,
            };
            let code = StatusCode::from_u16(status).unwrap();
            assert_eq!(by_status(code, false), expected, "{status}");
            let again = if status >= 500 && status != 503 { Disposition::Abandon } else { expected };
            assert_eq!(by_status(code, true), again, "{status}");
        }
    }

    #[test]
    #[should_panic(expected = "problem_base is")]
    fn a_base_that_would_end_its_string_is_refused() {
        let _ = Http::single_tenant().problem_base("https://example.com/\"");
    }

    #[test]
    #[should_panic(expected = "documentation is")]
    fn a_link_that_would_end_is_refused() {
        let _ = Http::single_tenant().documentation("https://example.com/>");
    }
}
