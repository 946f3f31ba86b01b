use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, request::Parts, response};

use super::{Disposition, headers::Keep};
use crate::idempotency::naming::{MAX_REQUEST_BODY, MAX_STORED_RESPONSE, Naming, naming_setters};

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
    pub(super) naming: Naming,
    pub(super) methods: Vec<Method>,
    pub(super) per_route_keys: bool,
    pub(super) max_request_body: usize,
    pub(super) head_only: bool,
    pub(super) content: Option<Content>,
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
        Self::with_naming(Naming::scoped_by(scope))
    }

    /// All callers may see each other's responses: there is one tenant.
    #[must_use]
    pub fn single_tenant() -> Self {
        Self::with_naming(Naming::single_tenant())
    }

    fn with_naming(naming: Naming) -> Self {
        Self {
            naming,
            methods: vec![Method::POST, Method::PATCH],
            per_route_keys: false,
            max_request_body: MAX_REQUEST_BODY,
            head_only: false,
            content: None,
            max_stored_response: MAX_STORED_RESPONSE,
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

    naming_setters!();

    /// The methods that keys mean something for. `POST` and `PATCH` by default. Requests with others pass, with a key or without.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Has a key mean something else on each route, by method and path, in place of refusing it on a second one. Not by default.
    #[must_use]
    pub const fn per_route_keys(mut self, per_route: bool) -> Self {
        self.per_route_keys = per_route;
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
            .field("header", &self.naming.header)
            .field("methods", &self.methods)
            .field("require_key", &self.naming.require_key)
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
