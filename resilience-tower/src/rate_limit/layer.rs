use std::time::Duration;

use resilience_core::{Quota, RateLimiter};
use tower_layer::Layer;

use super::{
    RateLimit,
    by_request::{ByCost, RateLimitByLayer},
    settings::Settings,
};
use crate::time;

/// Lets only so many calls through in a time.
///
/// ```
/// use resilience_core::{Error, Quota, Rejected};
/// use resilience_tower::{CallLayer, RateLimitLayer, TransportLayer};
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error<Infallible>> {
/// let mut service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(RateLimitLayer::new(Quota::per_minute(60).burst(2)))
///     .layer(TransportLayer::new())
///     .service(service_fn(|n: u32| async move { Ok::<_, Infallible>(n) }));
///
/// assert_eq!(service.ready().await?.call(1).await?, 1);
/// assert_eq!(service.ready().await?.call(2).await?, 2);
/// let refused = service.ready().await?.call(3).await.unwrap_err();
/// assert!(matches!(refused, Error::Rejected { rejected: Rejected::RateLimited { .. }, .. }));
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same limiter: every service that the layer and its clones make shares it.
#[derive(Debug)]
pub struct RateLimitLayer<O = ()> {
    limiter: RateLimiter,
    settings: Settings<O>,
}

impl RateLimitLayer {
    /// Refuses at once what is over this quota.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self::with_limiter(RateLimiter::new(quota, time::now()))
    }

    /// The same with a limiter that is shared with others.
    #[must_use]
    pub fn with_limiter(limiter: RateLimiter) -> Self {
        Self { limiter, settings: Settings::new() }
    }
}

impl<O> RateLimitLayer<O> {
    /// Has a call over the limit wait for its turn, up to `limit`. What would have to wait longer is refused at once.
    ///
    /// ```
    /// use resilience_core::{Error, Quota};
    /// use resilience_tower::{CallLayer, RateLimitLayer, TransportLayer};
    /// use std::{convert::Infallible, time::Duration};
    /// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error<Infallible>> {
    /// let mut service = ServiceBuilder::new()
    ///     .layer(CallLayer::new())
    ///     .layer(RateLimitLayer::new(Quota::per_second(200).burst(1)).max_wait(Duration::from_secs(1)))
    ///     .layer(TransportLayer::new())
    ///     .service(service_fn(|n: u32| async move { Ok::<_, Infallible>(n) }));
    /// let start = std::time::Instant::now();
    /// for n in 0..3 {
    ///     service.ready().await?.call(n).await?;
    /// }
    /// assert!(start.elapsed() >= Duration::from_millis(10));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It waits in `poll_ready`, which has no request: a deadline in the call context does not shorten the wait. The timer that it
    /// waits for is boxed, once for each instance of the service that ever waits.
    ///
    /// # Panics
    ///
    /// A service that waits panics outside of a Tokio runtime, or in one without its time driver.
    ///
    /// # Choosing a value
    ///
    /// Less than the time the caller has, and what he needs for the call itself.
    #[must_use]
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.settings.max_wait = Some(limit);
        self
    }

    /// Counts what is over the limit, and lets it through: to try a quota out before it is in force.
    ///
    /// The observer hears of each such call as of one that is refused, but not enforced. Nothing waits. A call over the limit is not
    /// charged: so as many are counted as would have been refused.
    #[must_use]
    pub fn shadow(mut self) -> Self {
        self.settings.is_enforced = false;
        self
    }

    /// Charges each call what `cost(&request)` says, in place of one token.
    ///
    /// ```
    /// use resilience_core::{Call, Error, Quota, Rejected};
    /// use resilience_tower::{CallLayer, RateLimitLayer, TransportLayer};
    /// use std::convert::Infallible;
    /// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error<Infallible>> {
    /// let by_rows = RateLimitLayer::new(Quota::per_minute(100)).cost(|call: &Call<u32>| *call.request());
    /// let mut service = ServiceBuilder::new()
    ///     .layer(CallLayer::new())
    ///     .layer(by_rows)
    ///     .layer(TransportLayer::new())
    ///     .service(service_fn(|rows: u32| async move { Ok::<_, Infallible>(rows) }));
    /// assert_eq!(service.ready().await?.call(80).await?, 80);
    /// assert!(service.ready().await?.call(30).await.is_err());
    /// let never = service.ready().await?.call(101).await.unwrap_err();
    /// assert!(matches!(never, Error::Rejected { rejected: Rejected::CostAboveBurst { .. }, .. }));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A call that costs nothing is let through. One that costs more than the burst never is:
    /// [`CostAboveBurst`](resilience_core::Rejected::CostAboveBurst).
    #[must_use]
    pub fn cost<Req, C>(self, cost: C) -> RateLimitByLayer<ByCost<C>, O>
    where
        C: Fn(&Req) -> u32,
    {
        RateLimitByLayer::from_parts(ByCost::new(self.limiter, cost), self.settings)
    }

    /// Tells `observer` of calls over the limit, and of waits, on the same limiter.
    #[must_use]
    pub fn with_observer<P>(self, observer: P) -> RateLimitLayer<P> {
        RateLimitLayer { settings: self.settings.with_observer(observer), limiter: self.limiter }
    }

    /// The limiter: to look at it, and to change its quota.
    #[must_use]
    pub const fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }
}

impl<O> Clone for RateLimitLayer<O> {
    fn clone(&self) -> Self {
        Self { limiter: self.limiter.clone(), settings: self.settings.clone() }
    }
}

impl<S, O> Layer<S> for RateLimitLayer<O> {
    type Service = RateLimit<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, self.limiter.clone(), self.settings.clone())
    }
}
