//! Refusals as problem documents.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER},
};

use super::Http;
use crate::idempotency::{Refused, Rejection};

/// What clients are told: fixed texts.
pub(in crate::idempotency) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    /// Visible ASCII without `%`, so that a gRPC message takes it as it is.
    pub(in crate::idempotency) detail: &'static str,
}

impl Problem {
    const fn new(status: StatusCode, code: &'static str, title: &'static str, detail: &'static str) -> Self {
        Self { status, code, title, detail }
    }

    pub(in crate::idempotency) const fn of(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::MissingKey => Self::new(
                StatusCode::BAD_REQUEST,
                "missing-key",
                "Idempotency key missing",
                "This operation needs an idempotency key. It was not carried out.",
            ),
            Rejection::InvalidKey(rule) => Self::new(
                StatusCode::BAD_REQUEST,
                "invalid-key",
                "Idempotency key invalid",
                match rule {
                    Some(rule) => rule.as_str(),
                    None => "there is more than one idempotency key",
                },
            ),
            Rejection::KeyExpired => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "key-expired",
                "Idempotency key expired",
                "The key is older than results are kept, or was made in the future. The request was not carried out now; whether it was before is not known here.",
            ),
            Rejection::NoScope => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unknown-scope",
                "Idempotency scope unknown",
                "The server does not know whose key this is. The request was not carried out.",
            ),
            Rejection::TooLarge { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "Body too large",
                "The body is longer than it may be with an idempotency key. The request was not carried out.",
            ),
            Rejection::Unreadable => Self::new(
                StatusCode::BAD_REQUEST,
                "body-unreadable",
                "Body unreadable",
                "The body did not arrive whole. The request was not carried out.",
            ),
            Rejection::NotRetained { .. } => Self::new(
                StatusCode::CONFLICT,
                "response-not-retained",
                "Response not retained",
                "The request was carried out before, and its response was not kept. Its status is original_status.",
            ),
            Rejection::Refused(refused) => Self::of_refused(*refused),
        }
    }

    const fn of_refused(refused: Refused) -> Self {
        match refused {
            Refused::InFlight { .. } => Self::new(
                StatusCode::CONFLICT,
                "in-flight",
                "Request in flight",
                "An earlier request with this key is still being carried out. Send it again, with the same key, after the time that is asked for.",
            ),
            Refused::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "Idempotency key reused",
                "This key was used for another request. This one was not carried out; send it with a key of its own.",
            ),
            Refused::OutcomeUnknown { .. } => Self::new(
                StatusCode::CONFLICT,
                "outcome-unknown",
                "Outcome unknown",
                "An earlier request with this key ended without a result, and is not carried out again. Find out what it has done.",
            ),
            Refused::Store(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "Idempotency store unavailable",
                "Whether this request was carried out before cannot be looked up. It was not carried out now; send it again, with the same key, after the time that is asked for.",
            ),
            Refused::Panicked => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "execution-failed",
                "Execution failed",
                "The request may have been carried out, in part or whole.",
            ),
            Refused::Rejected(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not-started",
                "Request not started",
                "Too many requests are being worked on, or the server is about to stop. This one was not carried out; send it again, with the same key, after the time that is asked for.",
            ),
        }
    }
}

impl Http {
    pub(super) fn problem(&self, rejection: &Rejection) -> Response<Bytes> {
        let Problem { status, code, title, detail } = Problem::of(rejection);
        let base = &self.problem_base;
        let original = match rejection {
            Rejection::NotRetained { status, .. } => format!(r#","original_status":{status}"#),
            _ => String::new(),
        };
        let json = format!(
            r#"{{"type":"{base}{code}","title":"{title}","status":{},"code":"{code}","detail":"{detail}"{original}}}"#,
            status.as_u16(),
        );
        let mut response = Response::new(Bytes::from(json));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = rejection.retry_after() {
            headers
                .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if let Some(link) = &self.documentation {
            headers.insert(LINK, link.clone());
        }
        if let Rejection::NotRetained { location: Some(location), .. } = rejection {
            headers.extend(HeaderValue::from_bytes(location).ok().map(|location| (LOCATION, location)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resilience_core::{
        Rejected,
        idempotency::{InvalidKey, StoreErrorKind},
    };

    use super::*;

    fn all() -> Vec<Rejection> {
        let retry_after = Duration::from_millis(1500);
        vec![
            Rejection::MissingKey,
            Rejection::InvalidKey(None),
            Rejection::InvalidKey(Some(InvalidKey::Escape)),
            Rejection::KeyExpired,
            Rejection::NoScope,
            Rejection::TooLarge { limit: 7357 },
            Rejection::Unreadable,
            Rejection::NotRetained { status: 201, location: None },
            Rejection::Refused(Refused::InFlight { lease_left: retry_after }),
            Rejection::Refused(Refused::KeyReused),
            Rejection::Refused(Refused::OutcomeUnknown { attempt: 7357 }),
            Rejection::Refused(Refused::Store(StoreErrorKind::Timeout)),
            Rejection::Refused(Refused::Panicked),
            Rejection::Refused(Refused::Rejected(Rejected::Draining { retry_after })),
        ]
    }

    #[test]
    fn texts_are_json_fit_a_grpc_message_and_have_no_number_of_the_inside() {
        for rejection in all() {
            let response = Http::single_tenant().problem(&rejection);
            let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            let detail = Problem::of(&rejection).detail;
            assert_eq!(problem["detail"], detail);
            assert!(detail.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%'), "{detail}");
            assert!(!response.body().windows(4).any(|text| text == b"7357"), "{rejection:?}");
        }
    }

    #[test]
    fn a_wait_is_rounded_up_and_only_there_where_it_helps() {
        for rejection in all() {
            let response = Http::single_tenant().problem(&rejection);
            let seconds = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
            match rejection {
                Rejection::Refused(Refused::Rejected(_)) => assert_eq!(seconds, Some("2")),
                Rejection::Refused(Refused::InFlight { .. }) => assert_eq!(seconds, Some("1")),
                Rejection::Refused(Refused::Store(_)) => assert!(matches!(seconds, Some("1" | "2"))),
                _ => assert_eq!(seconds, None),
            }
        }
    }
}
