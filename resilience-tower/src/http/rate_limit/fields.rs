use std::{
    fmt::{self, Write as _},
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use resilience_core::RateLimiter;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    RateLimitLayer,
    rate_limit::{Limits, RateLimitByLayer},
    time,
};

/// Tells clients of their limit, in the fields `RateLimit-Policy` and `RateLimit` of each response, refused or not.
///
/// Outermost, around [`RespondLayer`](crate::http::RespondLayer), which makes the responses to what is refused:
///
/// ```
/// use http::{Request, Response};
/// use resilience_core::Quota;
/// use resilience_tower::{ErrorLayer, RateLimitLayer, http::{RespondLayer, rate_limit::RateLimitFieldsLayer}};
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Infallible> {
/// let limit = RateLimitLayer::new(Quota::per_minute(60).burst(1));
/// let mut server = ServiceBuilder::new()
///     .layer(RateLimitFieldsLayer::new(&limit))
///     .layer(RespondLayer::new())
///     .layer(limit)
///     .layer(ErrorLayer::new())
///     .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new()))));
///
/// let first = server.ready().await?.call(Request::new(())).await?;
/// assert_eq!(first.headers()["ratelimit-policy"], r#""default";q=1;w=1"#);
/// assert_eq!(first.headers()["ratelimit"], r#""default";r=0;t=1"#);
/// let refused = server.ready().await?.call(Request::new(())).await?;
/// assert_eq!(refused.status(), 429);
/// assert_eq!(refused.headers()["ratelimit"], r#""default";r=0;t=1"#);
/// # Ok(())
/// # }
/// ```
///
/// The fields are those of
/// [draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/), in its versions
/// since 09. It is a draft, and may change. `q` is what comes in `w` seconds, the time in which an empty bucket fills, rounded up;
/// `r` the tokens there are when the response is made; `t` the seconds until the bucket is full, or, if it is empty, until the next
/// token, so that a `Retry-After` is never earlier.
///
/// Each field is a string and a response has two: this layer allocates.
///
/// # Clone
///
/// A clone tells of the same limiters.
#[derive(Clone, Debug)]
pub struct RateLimitFieldsLayer<L> {
    limits: L,
    name: &'static str,
}

impl RateLimitFieldsLayer<RateLimiter> {
    /// Tells of the limiter of this layer.
    #[must_use]
    pub fn new<O>(layer: &RateLimitLayer<O>) -> Self {
        Self { limits: layer.limiter().clone(), name: "default" }
    }
}

impl<L: Clone> RateLimitFieldsLayer<L> {
    /// Tells of the limiter that the request meets in this layer.
    ///
    /// Its key is asked for twice for each request, here and there.
    #[must_use]
    pub fn by<O>(layer: &RateLimitByLayer<L, O>) -> Self {
        Self { limits: layer.limits().clone(), name: "default" }
    }
}

impl<L> RateLimitFieldsLayer<L> {
    /// Names the policy, in place of `default`.
    ///
    /// # Panics
    ///
    /// If `name` has anything but visible ASCII, or quotes or backslashes.
    #[must_use]
    #[track_caller]
    pub fn named(self, name: &'static str) -> Self {
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        assert!(
            name.bytes().all(is_plain),
            "name is {name:?}, it must be visible ASCII without quotes and backslashes"
        );
        Self { name, ..self }
    }
}

impl<S, L: Clone> Layer<S> for RateLimitFieldsLayer<L> {
    type Service = RateLimitFields<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitFields { inner, layer: self.clone() }
    }
}

/// The service of [`RateLimitFieldsLayer`].
#[derive(Clone, Debug)]
pub struct RateLimitFields<S, L> {
    inner: S,
    layer: RateLimitFieldsLayer<L>,
}

impl<S, L, B, R> Service<Request<B>> for RateLimitFields<S, L>
where
    S: Service<Request<B>, Response = Response<R>>,
    L: Limits<Request<B>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = FieldsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limiter = self.layer.limits.limiter(&request, time::now());
        FieldsFuture { limiter, name: self.layer.name, inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The response of [`RateLimitFields`].
    #[must_use = "futures do nothing unless polled"]
    pub struct FieldsFuture<F> {
        #[pin]
        inner: F,
        limiter: RateLimiter,
        name: &'static str,
    }
}

impl<F, R, E> Future for FieldsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        write(response.headers_mut(), this.name, this.limiter, time::now());
        Poll::Ready(Ok(response))
    }
}

/// Adds the two fields. They are lists: what others have written stays.
fn write(headers: &mut HeaderMap, name: &str, limiter: &RateLimiter, now: Instant) {
    const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
    let quota = limiter.quota();
    let seconds = whole_seconds(quota.window()).max(1);
    let calls = u128::from(seconds) * 1_000_000_000 / quota.interval().as_nanos();
    let remaining = limiter.tokens(now);
    let wait =
        if remaining > 0 { limiter.full_after(now) } else { limiter.next_after(1, now).unwrap_or_default() };
    for (field, numbers) in [
        (POLICY, [('q', calls), ('w', seconds.into())]),
        (LIMIT, [('r', remaining.into()), ('t', whole_seconds(wait).into())]),
    ] {
        let mut text = format!("\"{name}\"");
        for (key, number) in numbers {
            // An integer of a structured field has at most fifteen digits (RFC 8941, section 3.3.1). To a string it cannot fail.
            let _ = write!(text, ";{key}={}", number.min(999_999_999_999_999));
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(field, value);
        }
    }
}

/// Rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

impl<F> fmt::Debug for FieldsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldsFuture").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use resilience_core::Quota;

    use super::*;

    fn fields(quota: Quota, used: u32, after: Duration) -> [String; 2] {
        let now = time::now();
        let limiter = RateLimiter::new(quota, now);
        limiter.check(used, now).unwrap();
        let mut headers = HeaderMap::new();
        write(&mut headers, "burst", &limiter, now + after);
        ["ratelimit-policy", "ratelimit"].map(|name| headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn the_fields_say_what_the_bucket_holds_in_whole_seconds() {
        let fields = |quota, used, ms| fields(quota, used, Duration::from_millis(ms));
        let minute = Quota::per_minute(60);
        assert_eq!(fields(minute, 0, 0), [r#""burst";q=60;w=60"#, r#""burst";r=60;t=0"#]);
        assert_eq!(fields(minute, 10, 500), [r#""burst";q=60;w=60"#, r#""burst";r=50;t=10"#]);
        assert_eq!(fields(minute, 60, 500), [r#""burst";q=60;w=60"#, r#""burst";r=0;t=1"#]);
        assert_eq!(fields(Quota::per_second(100).burst(20), 20, 0)[0], r#""burst";q=100;w=1"#);
        assert_eq!(
            fields(Quota::per_hour(4).burst(2), 2, 0),
            [r#""burst";q=2;w=1800"#, r#""burst";r=0;t=900"#]
        );
    }

    #[test]
    #[should_panic(expected = "visible ASCII")]
    fn a_name_that_would_need_escapes_is_refused() {
        let _ = RateLimitFieldsLayer::new(&RateLimitLayer::new(Quota::per_second(1))).named("a\"b");
    }
}
