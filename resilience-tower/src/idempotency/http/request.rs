//! Requests, from the header with the key to what is asked for.

use std::time::Instant;

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE, request::Parts};
use http_body::Body;
use resilience_core::idempotency::Fingerprint;

use super::{
    Http, IdempotentBody,
    collect::{Collected, collect},
};
use crate::idempotency::{Asked, IdempotencyContext, ReadRequest, Rejection, Sorted, naming};

impl<B> ReadRequest<Request<B>> for Http
where
    B: Body + Send + 'static,
    B::Data: From<Bytes> + Send,
{
    type Request = Request<IdempotentBody<B>>;

    fn sort(&self, request: Request<B>) -> Sorted<Request<B>, Self::Request> {
        let applies = self.methods.contains(request.method());
        self.naming.sort(request, applies)
    }

    async fn read(&self, request: Request<B>) -> Result<Asked<Self::Request>, Rejection> {
        let (parts, body) = request.into_parts();
        let mut record = self.naming.record(&parts)?;
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
        naming::attach(request, context, since);
    }
}

impl Http {
    fn fingerprint_of(&self, parts: &Parts, body: Option<&Bytes>) -> Fingerprint {
        let uri = &parts.uri;
        let all = self
            .naming
            .fingerprint()
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
}
