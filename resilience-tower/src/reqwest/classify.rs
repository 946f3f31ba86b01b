//! What the responses and errors of `reqwest` mean, and which of its requests can be sent again.

use reqwest::{Request, Response};
use resilience_core::{
    Classify, Error, FailureKind, Hint, UnsentIf, Verdict, fallback::Cause, retry::GaveUp,
};

use crate::{
    http,
    retry::{Replay, Safety},
};

/// Judges what a `reqwest::Client` returns, bare or under [`Error`].
///
/// Responses are judged by their status, and hints read from their headers, as
/// [`ClassifyStatus`](crate::http::ClassifyStatus) does. Of the errors,
/// reqwest's own timeout is a `Timeout`, a redirect that leads nowhere is `Permanent`, and a request that could not be
/// built is ignored, because nothing was sent. All others are `Transient`.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::circuit_breaker::Config;
/// use resilience_tower::{CallLayer, CircuitBreakerLayer, TimeoutLayer, TransportLayer};
/// use resilience_tower::reqwest::ClassifyReqwest;
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilience_core::BoxError> {
/// let mut client = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(TimeoutLayer::total(Duration::from_secs(5)))
///     .layer(CircuitBreakerLayer::new(Config::new()).classify(ClassifyReqwest))
///     .layer(TimeoutLayer::attempt(Duration::from_secs(2)))
///     .layer(TransportLayer::new())
///     .service(reqwest::Client::new());
///
/// let request = reqwest::Request::new(reqwest::Method::GET, "http://127.0.0.1:1/".parse()?);
/// assert!(client.ready().await?.call(request).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassifyReqwest;

impl Classify<Response, reqwest::Error> for ClassifyReqwest {
    fn classify(&self, result: Result<&Response, &reqwest::Error>) -> Verdict {
        match result {
            Ok(response) => http::verdict(response.status()),
            Err(error) => verdict(error),
        }
    }

    fn hint(&self, result: Result<&Response, &reqwest::Error>) -> Option<Hint> {
        http::hint(result.ok()?.headers())
    }

    fn error_type(&self, result: Result<&Response, &reqwest::Error>) -> Option<&'static str> {
        result.map_or_else(name, |response| http::digits(response.status()))
    }

    fn annotate(&self, response: &mut Response, gave_up: GaveUp) {
        response.extensions_mut().insert(gave_up);
    }

    fn annotate_fallback(&self, response: &mut Response, cause: Cause) {
        response.extensions_mut().insert(cause);
    }

    fn is_fallback(&self, response: &Response) -> bool {
        response.extensions().get::<Cause>().is_some()
    }
}

/// A refusal has its [own verdict](resilience_core::Rejected::verdict).
impl Classify<Response, Error<reqwest::Error>> for ClassifyReqwest {
    fn classify(&self, result: Result<&Response, &Error<reqwest::Error>>) -> Verdict {
        match result {
            Ok(response) => self.classify(Ok::<_, &reqwest::Error>(response)),
            Err(Error::Inner { error, .. }) => verdict(error),
            Err(Error::Rejected { rejected, .. }) => rejected.verdict(),
        }
    }

    fn hint(&self, result: Result<&Response, &Error<reqwest::Error>>) -> Option<Hint> {
        http::hint(result.ok()?.headers())
    }

    fn error_type(&self, result: Result<&Response, &Error<reqwest::Error>>) -> Option<&'static str> {
        match result {
            Ok(response) => http::digits(response.status()),
            Err(Error::Inner { error, .. }) => name(error),
            Err(Error::Rejected { .. }) => None,
        }
    }

    fn annotate(&self, response: &mut Response, gave_up: GaveUp) {
        response.extensions_mut().insert(gave_up);
    }

    fn annotate_fallback(&self, response: &mut Response, cause: Cause) {
        response.extensions_mut().insert(cause);
    }

    fn is_fallback(&self, response: &Response) -> bool {
        response.extensions().get::<Cause>().is_some()
    }
}

/// A copy is a copy in every part, and there is none of a body that streams. The [`Safety`] is that of an
/// `http::Request` with the same method and headers.
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl Replay for Request {
    fn try_clone(&self) -> Option<Self> {
        self.try_clone()
    }

    fn safety(&self) -> Safety {
        http::safety(self.method(), self.headers())
    }
}

impl ClassifyReqwest {
    /// For a client that follows no redirects (`redirect::Policy::none()`): there a connection that could not be made proves
    /// that nothing was sent, and even a `POST` is sent again.
    ///
    /// With redirects, which are `reqwest`'s default, it does not: the request may have been received, and answered by a
    /// redirect to where the connection failed.
    #[must_use]
    pub const fn without_redirects(self) -> UnsentIf<Self, fn(&Error<reqwest::Error>) -> bool> {
        UnsentIf::new(self, |error| matches!(error, Error::Inner { error, .. } if error.is_connect()))
    }
}

fn verdict(error: &reqwest::Error) -> Verdict {
    if let Some(status) = error.status() {
        return http::verdict(status);
    }
    if error.is_builder() {
        return Verdict::Ignored;
    }
    Verdict::Failure(if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_redirect() {
        FailureKind::Permanent
    } else {
        FailureKind::Transient
    })
}

/// What went wrong, without the text of the error.
fn name(error: &reqwest::Error) -> Option<&'static str> {
    if let Some(status) = error.status() {
        return http::digits(status);
    }
    let classes = [
        (error.is_timeout(), "timeout"),
        (error.is_connect(), "connect"),
        (error.is_redirect(), "redirect"),
        (error.is_builder(), "builder"),
        (error.is_body(), "body"),
        (error.is_request(), "request"),
    ];
    classes.into_iter().find_map(|(is, name)| is.then_some(name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resilience_core::Rejected;

    use super::*;

    #[test]
    fn the_hint_of_a_response_is_read_bare_and_under_error() {
        let response = ::http::Response::builder().status(429).header("retry-after-ms", "1500.5");
        let response = Response::from(response.body("").unwrap());
        let hint = Some(Hint::AtLeast(Duration::from_millis(1501)));
        assert_eq!(ClassifyReqwest.hint(Ok::<_, &reqwest::Error>(&response)), hint);
        assert_eq!(ClassifyReqwest.hint(Ok::<_, &Error<reqwest::Error>>(&response)), hint);
    }

    #[test]
    fn a_fallbacks_answer_is_told_from_others_bare_and_under_error() {
        fn check<E>()
        where
            ClassifyReqwest: Classify<Response, E>,
        {
            let mut response = Response::from(::http::Response::new(""));
            assert!(!<ClassifyReqwest as Classify<_, E>>::is_fallback(&ClassifyReqwest, &response));
            let cause = Cause::Failure(FailureKind::Timeout);
            <ClassifyReqwest as Classify<_, E>>::annotate_fallback(&ClassifyReqwest, &mut response, cause);
            assert!(<ClassifyReqwest as Classify<_, E>>::is_fallback(&ClassifyReqwest, &response));
            assert_eq!(response.extensions().get(), Some(&cause));
        }
        check::<reqwest::Error>();
        check::<Error<reqwest::Error>>();
    }

    #[test]
    fn answers_are_named_by_their_status_and_errors_by_their_class() {
        fn check<E>(error: &E, expected: Option<&'static str>)
        where
            ClassifyReqwest: Classify<Response, E>,
        {
            let name = |result: Result<&Response, &E>| ClassifyReqwest.error_type(result);
            let response = Response::from(::http::Response::builder().status(503).body("").unwrap());
            assert_eq!(name(Ok(&response)), Some("503"));
            assert_eq!(name(Err(error)), expected);
        }
        let unbuilt = || reqwest::Client::new().get("no url").build().unwrap_err();
        let status = || {
            let response = ::http::Response::builder().status(404).body("").unwrap();
            Response::from(response).error_for_status().unwrap_err()
        };
        check(&unbuilt(), Some("builder"));
        check(&status(), Some("404"));
        check(&Error::inner(unbuilt()), Some("builder"));
        check(&Error::<reqwest::Error>::from(Rejected::CircuitOpen { retry_after: None }), None);
    }

    #[test]
    fn trap_17_post_is_unsafe_and_a_stream_is_no_error() {
        let client = reqwest::Client::new();
        let post = || client.post("http://a.example/orders");
        assert_eq!(post().body("2 pears").build().unwrap().safety(), Safety::Unsafe);
        assert_eq!(post().header("idempotency-key", "7").build().unwrap().safety(), Safety::Keyed);
        assert_eq!(client.put("http://a.example").build().unwrap().safety(), Safety::Idempotent);

        let original = post().header("x", "1").body("2 pears").build().unwrap();
        let copy = Replay::try_clone(&original).unwrap();
        assert_eq!((copy.method(), copy.url()), (original.method(), original.url()));
        assert_eq!(copy.headers(), original.headers());
        assert_eq!(copy.body().and_then(|body| body.as_bytes()), Some(&b"2 pears"[..]));

        let stream = reqwest::Body::wrap(http_body_util::Full::new(bytes::Bytes::from_static(b"2 pears")));
        let stream = post().body(stream).build().unwrap();
        assert!(Replay::try_clone(&stream).is_none());
        assert!(stream.is_complete(), "and is sent once");
    }
}
