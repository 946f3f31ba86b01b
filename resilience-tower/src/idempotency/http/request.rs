//! Requests, from the header with the key to what is asked for.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, header::CONTENT_TYPE, request::Parts};
use http_body::Body;
use resilience_core::{
    Context,
    idempotency::{Fingerprint, IdempotencyKey, RecordKey},
};

use super::{
    Http, IdempotentBody,
    collect::{Collected, collect},
};
use crate::{
    idempotency::{Asked, IdempotencyContext, ReadRequest, Rejection, Sorted},
    time,
};

/// How far in the future a key may say that it was made: clocks differ.
const AHEAD: Duration = Duration::from_secs(300);

impl<B> ReadRequest<Request<B>> for Http
where
    B: Body + Send + 'static,
    B::Data: From<Bytes> + Send,
{
    type Request = Request<IdempotentBody<B>>;

    fn sort(&self, request: Request<B>) -> Sorted<Request<B>, Self::Request> {
        let has_key = request.headers().contains_key(&self.header);
        if !(has_key || self.require_key) || !self.methods.contains(request.method()) {
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

    async fn read(&self, request: Request<B>) -> Result<Asked<Self::Request>, Rejection> {
        let (parts, body) = request.into_parts();
        let key = self.key(&parts.headers)?;
        if !self.is_young(&key, time::wall_now()) {
            return Err(Rejection::KeyExpired);
        }
        let scope = (self.scope)(&parts).ok_or(Rejection::NoScope)?;
        let mut record = RecordKey::new(&self.namespace, &scope, &key);
        if self.per_route_keys {
            record = record.narrowed(format!("{} {}", parts.method, parts.uri.path()));
        }
        if self.head_only {
            let fingerprint = self.fingerprint_of(&parts, None);
            let request = Request::from_parts(parts, IdempotentBody::inner(body));
            return Ok(Asked { key: record, fingerprint, request });
        }
        let limit = self.max_request_body;
        let (bytes, trailers) = match collect(body, limit).await {
            Collected::Whole { bytes, trailers } => (bytes, trailers),
            Collected::TooLarge { .. } => return Err(Rejection::TooLarge { limit }),
            Collected::Failed => return Err(Rejection::Unreadable),
        };
        let fingerprint = self.fingerprint_of(&parts, Some(&bytes));
        let request = Request::from_parts(parts, IdempotentBody::whole(bytes, trailers));
        Ok(Asked { key: record, fingerprint, request })
    }

    fn attach(&self, request: &mut Self::Request, context: IdempotencyContext, since: Instant) {
        if let Some(call) = request.extensions_mut().get_mut::<Context>() {
            call.settle(since);
        }
        request.extensions_mut().insert(context);
    }
}

impl Http {
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

    fn fingerprint_of(&self, parts: &Parts, body: Option<&Bytes>) -> Fingerprint {
        let all = match &self.secret {
            Some(secret) => Fingerprint::of_parts_keyed(secret),
            None => Fingerprint::of_parts(),
        };
        let uri = &parts.uri;
        let all = all
            .part(parts.method.as_str())
            .part(uri.path())
            .part_if_any(uri.query())
            .part_if_any(parts.headers.get(CONTENT_TYPE));
        match (body, &self.content) {
            (None, _) => all.part_if_any(None::<&[u8]>),
            (Some(body), None) => all.part(body),
            (Some(body), Some(content)) => all.part(content(parts, body)),
        }
        .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(http: &Http, request: Request<&'static str>) -> Fingerprint {
        let (parts, body) = request.into_parts();
        http.fingerprint_of(&parts, Some(&Bytes::from(body)))
    }

    fn request(
        method: &str,
        uri: &str,
        content_type: Option<&str>,
        body: &'static str,
    ) -> Request<&'static str> {
        let request = Request::builder().method(method).uri(uri);
        match content_type {
            Some(value) => request.header(CONTENT_TYPE, value),
            None => request,
        }
        .body(body)
        .unwrap()
    }

    #[test]
    fn trap_36_each_part_of_a_request_counts_and_nothing_moves_between_parts() {
        let http = Http::single_tenant();
        let different = [
            request("POST", "/a", None, ""),
            request("PATCH", "/a", None, ""),
            request("POST", "/b", None, ""),
            request("POST", "/a?", None, ""),
            request("POST", "/a?x=1", None, ""),
            request("POST", "/a?x=2", None, ""),
            request("POST", "/a", Some(""), ""),
            request("POST", "/a", Some("text/plain"), ""),
            request("POST", "/a", None, "text/plain"),
            request("POST", "/a", Some("text"), "/plain"),
            request("POST", "/ax=1", None, ""),
        ]
        .map(|request| fingerprint(&http, request));
        for (at, one) in different.iter().enumerate() {
            assert!(different[..at].iter().all(|other| other != one), "{at}");
        }
        let mut other_header = request("POST", "/a", None, "");
        other_header.headers_mut().insert("x-request-id", "7".parse().unwrap());
        assert_eq!(fingerprint(&http, other_header), different[0]);
    }

    #[test]
    fn a_function_says_what_of_the_body_counts_and_no_more() {
        let http = Http::single_tenant().fingerprint(|_, body| body.to_ascii_lowercase());
        let of = |uri, body| fingerprint(&http, request("POST", uri, None, body));
        assert_eq!(of("/a", "BODY"), of("/a", "body"));
        assert_ne!(of("/a", "BODY"), of("/b", "body"));
    }

    #[test]
    fn a_secret_makes_it_another() {
        use resilience_core::idempotency::FingerprintSecret;
        let plain = Http::single_tenant();
        let secret = |byte| Http::single_tenant().fingerprint_secret(FingerprintSecret::new([byte; 32]));
        let of = |http: &Http| fingerprint(http, request("POST", "/a", None, "body"));
        assert!(of(&plain) != of(&secret(1)) && of(&secret(1)) != of(&secret(2)));
    }

    #[test]
    fn a_key_that_tells_its_age_is_refused_when_old_or_from_the_future() {
        let http = Http::single_tenant().max_key_age(Duration::from_secs(3600));
        let made = Duration::from_secs(1_700_000_000);
        let key = IdempotencyKey::uuid_v7(made);
        let young =
            |http: &Http, key: &IdempotencyKey, at: Duration| http.is_young(key, SystemTime::UNIX_EPOCH + at);
        for (at, is_young) in [
            (made, true),
            (made + Duration::from_secs(3600), true),
            (made + Duration::from_secs(3601), false),
            (made - AHEAD, true),
            (made - AHEAD - Duration::from_secs(1), false),
        ] {
            assert_eq!(young(&http, &key, at), is_young, "{at:?}");
        }
        assert!(young(&http, &IdempotencyKey::random(), made + Duration::from_secs(9_000_000)));
        assert!(young(&Http::single_tenant(), &key, made + Duration::from_secs(9_000_000)));
    }
}
