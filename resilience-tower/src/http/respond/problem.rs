use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use resilience_core::Rejected;

/// What clients are told of a refusal: fixed texts, and nothing of what goes on inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// What to do about it. Visible ASCII without `%`, so that a gRPC message takes it as it is.
    #[cfg(any(feature = "grpc", test))]
    pub(crate) detail: &'static str,
    json: &'static str,
}

/// The JSON is put together by the compiler: a refusal allocates no text.
macro_rules! problem {
    ($status:ident $code:literal $title:literal, $reason:literal, $detail:literal) => {
        Problem {
            status: StatusCode::$status,
            #[cfg(any(feature = "grpc", test))]
            detail: $detail,
            json: concat!(
                r#"{"type":"about:blank","title":""#,
                $title,
                r#"","status":"#,
                $code,
                r#","reason":""#,
                $reason,
                r#"","detail":""#,
                $detail,
                "\"}"
            ),
        }
    };
}

macro_rules! unavailable {
    ($reason:literal, $detail:literal) => {
        problem!(SERVICE_UNAVAILABLE 503 "Service Unavailable", $reason, $detail)
    };
}

macro_rules! too_many {
    ($reason:literal, $detail:literal) => {
        problem!(TOO_MANY_REQUESTS 429 "Too Many Requests", $reason, $detail)
    };
}

macro_rules! too_late {
    ($reason:literal, $detail:literal) => {
        problem!(GATEWAY_TIMEOUT 504 "Gateway Timeout", $reason, $detail)
    };
}

impl Problem {
    pub(crate) const fn of(rejected: &Rejected) -> Self {
        match rejected {
            Rejected::CircuitOpen { .. } => unavailable!(
                "circuit_open",
                "Something that this service depends on is failing. The request was not carried out; send it again later, not before the time that is asked for."
            ),
            Rejected::BulkheadFull { .. }
            | Rejected::BulkheadQueueFull { .. }
            | Rejected::BulkheadTimedOut { .. }
            | Rejected::BulkheadShed { .. } => unavailable!(
                "bulkhead_full",
                "Too many requests are being worked on. This one was not carried out; send it again later, with growing pauses."
            ),
            Rejected::Throttled { .. } => unavailable!(
                "throttled",
                "Something that this service depends on accepts too few requests. This one was not carried out; send it again later, with growing pauses."
            ),
            Rejected::NotReady { .. } | Rejected::Overloaded { .. } => unavailable!(
                "overloaded",
                "The service has more work than it can do. The request was not carried out; send it again later, with growing pauses."
            ),
            Rejected::Draining { .. } => unavailable!(
                "draining",
                "The server is about to stop. The request was not carried out; send it again after the time that is asked for, over a new connection."
            ),
            Rejected::RateLimited { .. } => too_many!(
                "rate_limited",
                "Too many requests in a short time. This one was not carried out; send it again, and others, no sooner than asked for."
            ),
            Rejected::CostAboveBurst { .. } => too_many!(
                "cost_above_burst",
                "This request is larger than the rate limit ever allows at once. It was not carried out; make it smaller, to send it again does not help."
            ),
            Rejected::AttemptTimeout { .. } => too_late!(
                "attempt_timeout",
                "There was no answer in time. The request may have been carried out; send it again only if that does no harm."
            ),
            Rejected::DeadlineExceeded { called: true, .. } => too_late!(
                "deadline_exceeded",
                "There was no answer in time. The request may have been carried out; send it again only if that does no harm."
            ),
            Rejected::DeadlineExceeded { called: false, .. } => too_late!(
                "deadline_exceeded",
                "There was no time left to begin. The request was not carried out; send it again with more time."
            ),
            _ => unavailable!(
                "unavailable",
                "The request was refused and not carried out; send it again later."
            ),
        }
    }
}

/// The response to a refused call, with a body in the form of
/// [problem details](https://www.rfc-editor.org/rfc/rfc9457) (`application/problem+json`).
///
/// | refusal | status | `reason` |
/// |---|---|---|
/// | `CircuitOpen` | 503 | `circuit_open` |
/// | `BulkheadFull`, `BulkheadQueueFull`, `BulkheadTimedOut`, `BulkheadShed` | 503 | `bulkhead_full` |
/// | `Throttled` | 503 | `throttled` |
/// | `Overloaded`, `NotReady` | 503 | `overloaded` |
/// | `Draining` | 503 | `draining` |
/// | `RateLimited` | 429 | `rate_limited` |
/// | `CostAboveBurst` | 429 | `cost_above_burst` |
/// | `AttemptTimeout` | 504 | `attempt_timeout` |
/// | `DeadlineExceeded` | 504 | `deadline_exceeded` |
///
/// Any other is 503 and `unavailable`. With a `Retry-After` in whole seconds, rounded up, where the wait is known.
///
/// The `type` is `about:blank`, which says that the status means what it always means, and the `title` is the status's own.
/// `reason` is for programs, and `detail` tells people what to do. All of it is fixed text: no limit, count or duration of the
/// policies is in it. The body of the response is that text; a type of your own comes with `map`:
///
/// ```
/// use std::time::Duration;
/// use resilience_core::Rejected;
/// use resilience_tower::http::response;
///
/// let rejected = Rejected::CircuitOpen { retry_after: Some(Duration::from_millis(1200)) };
/// let response: http::Response<String> = response(&rejected).map(|text| String::from_utf8_lossy(&text).into());
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "2");
/// assert!(response.body().contains(r#""reason":"circuit_open""#));
/// ```
#[must_use]
pub fn response(rejected: &Rejected) -> Response<Bytes> {
    let problem = Problem::of(rejected);
    let mut response = Response::new(Bytes::from_static(problem.json.as_bytes()));
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait) = rejected.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    response
}

/// Rounded up.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Duration = Duration::ZERO;

    fn parts(rejected: Rejected) -> (u16, Option<String>) {
        let response = response(&rejected);
        let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), retry_after)
    }

    #[test]
    fn a_rate_limit_is_too_many_requests_and_never_says_at_once_while_there_is_a_wait() {
        for (nanos, seconds) in [(1, "1"), (999_999_999, "1"), (1_000_000_000, "1"), (1_000_000_001, "2")] {
            let limited = Rejected::RateLimited { retry_after: Duration::from_nanos(nanos) };
            assert_eq!(parts(limited), (429, Some(seconds.to_owned())), "{nanos} ns");
        }
        assert_eq!(parts(Rejected::CostAboveBurst { cost: 7, burst: 5 }), (429, None));
        let longest = Rejected::RateLimited { retry_after: Duration::MAX - Duration::from_secs(1) };
        assert_eq!(parts(longest), (429, Some(u64::MAX.to_string())));
    }

    /// Each refusal with numbers that are in no text, its status and its reason.
    fn table() -> Vec<(Rejected, u16, &'static str)> {
        let wait = Duration::from_secs(7357);
        vec![
            (Rejected::CircuitOpen { retry_after: Some(wait) }, 503, "circuit_open"),
            (Rejected::BulkheadFull { limit: 7357, in_flight: 7357 }, 503, "bulkhead_full"),
            (Rejected::BulkheadQueueFull { limit: 7357, waiting: 7357 }, 503, "bulkhead_full"),
            (Rejected::BulkheadTimedOut { waited: wait, max_wait: wait }, 503, "bulkhead_full"),
            (Rejected::BulkheadShed { waited: wait }, 503, "bulkhead_full"),
            (Rejected::Throttled { per_mille: 7357 }, 503, "throttled"),
            (Rejected::NotReady { waited: wait }, 503, "overloaded"),
            (Rejected::Overloaded { limit: 7357, in_flight: 7357 }, 503, "overloaded"),
            (Rejected::Draining { retry_after: wait }, 503, "draining"),
            (Rejected::RateLimited { retry_after: wait }, 429, "rate_limited"),
            (Rejected::CostAboveBurst { cost: 7357, burst: 7357 }, 429, "cost_above_burst"),
            (Rejected::AttemptTimeout { limit: wait, elapsed: wait }, 504, "attempt_timeout"),
            (
                Rejected::DeadlineExceeded { limit: wait, elapsed: wait, called: true },
                504,
                "deadline_exceeded",
            ),
            (
                Rejected::DeadlineExceeded { limit: wait, elapsed: wait, called: false },
                504,
                "deadline_exceeded",
            ),
        ]
    }

    #[test]
    fn every_refusal_is_a_problem_that_says_why_and_nothing_of_the_inside() {
        for (rejected, status, reason) in table() {
            let response = response(&rejected);
            assert_eq!(response.status(), status, "{rejected:?}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(problem["type"], "about:blank");
            assert_eq!(problem["title"], response.status().canonical_reason().unwrap());
            assert_eq!(problem["status"], status);
            assert_eq!(problem["reason"], reason, "{rejected:?}");
            assert_eq!(problem["detail"], Problem::of(&rejected).detail);
            assert_eq!(problem.as_object().unwrap().len(), 5);
            assert!(!response.body().windows(4).any(|text| text == b"7357"), "{rejected:?}");
        }
    }

    #[test]
    fn details_say_whether_the_request_may_have_been_carried_out_and_fit_a_grpc_message() {
        for (rejected, ..) in table() {
            let detail = Problem::of(&rejected).detail;
            assert_eq!(detail.contains("may have been carried out"), rejected.was_sent(), "{detail}");
            assert_eq!(detail.contains("not carried out"), !rejected.was_sent(), "{detail}");
            assert!(detail.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%'), "{detail}");
        }
    }

    #[test]
    fn a_wait_that_is_over_is_zero_and_one_that_nobody_knows_is_not_there() {
        assert_eq!(parts(Rejected::CircuitOpen { retry_after: Some(ZERO) }), (503, Some("0".to_owned())));
        assert_eq!(parts(Rejected::CircuitOpen { retry_after: None }), (503, None));
        let draining = Rejected::Draining { retry_after: Duration::from_millis(1500) };
        assert_eq!(parts(draining), (503, Some("2".to_owned())));
    }
}
