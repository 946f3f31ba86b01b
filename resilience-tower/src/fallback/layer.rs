use resilience_core::{
    Bulkhead, ErrorsAreFailures, Observer, bulkhead::Config, fallback::Causes, striped::StripedArc,
};
use tower_layer::Layer;

use super::{ByRequest, Fallback, Function, Substitute, Value, rules::Rules, substitute::Shared};
use crate::observed::Observed;

/// Answers in place of a failed operation.
///
/// ```
/// use resilience_core::Error;
/// use resilience_tower::{CallLayer, FallbackLayer, TransportLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error<&'static str>> {
/// let service = ServiceBuilder::new()
///     .layer(CallLayer::new())
///     .layer(FallbackLayer::value("something popular"))
///     .layer(TransportLayer::new())
///     .service(service_fn(|_user: u64| async { Err::<&str, _>("recommendations are down") }));
///
/// assert_eq!(service.oneshot(7).await?, "something popular");
/// # Ok(())
/// # }
/// ```
///
/// See the [module](super) for when it answers, and what comes back if it cannot.
///
/// # Clone
///
/// A clone has the same value, the same fallback service with the same bulkhead, and the same observer.
#[derive(Debug)]
pub struct FallbackLayer<A, C = ErrorsAreFailures, O = ()> {
    stand_in: A,
    rules: Rules<C>,
    observer: Observed<O>,
}

impl<A> FallbackLayer<A> {
    fn new(stand_in: A) -> Self {
        let rules = Rules { classify: ErrorsAreFailures, causes: Causes::new() };
        Self { stand_in, rules, observer: Observed::by_nobody() }
    }
}

impl<V> FallbackLayer<Value<V>> {
    /// Answers with a clone of `value`.
    #[must_use]
    pub fn value(value: V) -> Self {
        Self::new(Value::new(value))
    }
}

impl<F> FallbackLayer<Function<F>> {
    /// Answers with what `function` makes of the failed answer; that itself, if it has nothing better.
    ///
    /// It is called on the path of the call and must be quick. Each call takes a clone of it along, so it should be cheap
    /// to clone.
    ///
    /// ```
    /// use resilience_core::{Call, Error, Refusal};
    /// use resilience_tower::FallbackLayer;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // For what our own layers refused; what the dependency says itself, its callers shall see.
    /// let greet = |failed: Result<&'static str, Error<&'static str>>| match failed {
    ///     Err(error) if error.rejected().is_some() => Ok("hello"),
    ///     other => other,
    /// };
    /// let service = ServiceBuilder::new()
    ///     .layer(FallbackLayer::function(greet))
    ///     .service(service_fn(|_: Call<u64>| async { Err(Error::inner("down")) }));
    /// assert_eq!(service.oneshot(Call::new(7)).await, Err(Error::inner("down")));
    /// # }
    /// ```
    #[must_use]
    pub fn function(function: F) -> Self {
        Self::new(Function(function))
    }
}

impl<G, F> FallbackLayer<ByRequest<G, F>> {
    /// Answers with what `function` makes of the failed answer and of what `keep` has kept of the request.
    ///
    /// `keep` is called before each call, so it should take what `function` needs and no more. Otherwise as
    /// [`function`](FallbackLayer::function).
    ///
    /// ```
    /// use resilience_core::{Call, Error};
    /// use resilience_tower::FallbackLayer;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// type Answer = Result<String, Error<&'static str>>;
    ///
    /// let user = |call: &Call<u64>| *call.request();
    /// let greet = |user: u64, _: Answer| Ok(format!("hello, user {user}"));
    /// let service = ServiceBuilder::new()
    ///     .layer(FallbackLayer::by_request(user, greet))
    ///     .service(service_fn(async |_: Call<u64>| Answer::Err(Error::inner("down"))));
    /// assert_eq!(service.oneshot(Call::new(7)).await.as_deref(), Ok("hello, user 7"));
    /// # }
    /// ```
    #[must_use]
    pub fn by_request(keep: G, function: F) -> Self {
        Self::new(ByRequest { keep, function })
    }
}

impl<T> FallbackLayer<Substitute<T>> {
    /// Answers with what `service` answers to a copy of the request, if that is a success.
    ///
    /// Each use of it takes a clone and readies that; what is not needed is never readied. By default at most
    /// [10 calls](Self::max_concurrent) are with it at a time.
    ///
    /// ```
    /// use resilience_core::{Call, Error};
    /// use resilience_tower::FallbackLayer;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// type Answer = Result<String, Error<&'static str>>;
    ///
    /// let cache = service_fn(async |call: Call<u64>| match call.request() {
    ///     7 => Answer::Ok(String::from("hello, Ada")),
    ///     _ => Err(Error::inner("not in the cache")),
    /// });
    /// let service = ServiceBuilder::new()
    ///     .layer(FallbackLayer::service(cache))
    ///     .service(service_fn(async |_: Call<u64>| Answer::Err(Error::inner("down"))));
    /// assert_eq!(service.clone().oneshot(Call::new(7)).await.as_deref(), Ok("hello, Ada"));
    /// assert_eq!(service.oneshot(Call::new(8)).await, Err(Error::inner("down")), "the first failure");
    /// # }
    /// ```
    #[must_use]
    pub fn service(service: T) -> Self {
        let bulkhead = Bulkhead::new(Config::new(10));
        Self::new(Substitute(StripedArc::new(Shared { service, bulkhead, repeats_unsafe: false })))
    }
}

impl<T, C, O> FallbackLayer<Substitute<T>, C, O> {
    /// The bulkhead of the fallback service: to look at it, to resize it.
    #[must_use]
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.stand_in.0.bulkhead
    }
}

impl<T: Clone, C, O> FallbackLayer<Substitute<T>, C, O> {
    /// At most so many calls are with the fallback service at a time. 10 by default, as in
    /// [Hystrix](https://github.com/Netflix/Hystrix/wiki/Configuration#fallbackisolationsemaphoremaxconcurrentrequests).
    ///
    /// Those beyond do not wait: they get the failed answer. All services of the layer and of its clones share this number.
    ///
    /// # Choosing a value
    ///
    /// All traffic of the dependency comes here when that is down. What the fallback service can take of it, in calls per second
    /// times seconds per call, is the most that helps anybody.
    ///
    /// # Panics
    ///
    /// If it is zero or above 2 147 483 647.
    #[must_use]
    #[track_caller]
    pub fn max_concurrent(self, max_concurrent: u32) -> Self {
        self.with_bulkhead(Bulkhead::new(Config::new(max_concurrent)))
    }

    /// Takes the permits from a bulkhead that is shared with others. Nobody waits for one here, whatever its
    /// [`max_wait`](Config::max_wait).
    #[must_use]
    pub fn with_bulkhead(self, bulkhead: Bulkhead) -> Self {
        self.with_shared(|shared| shared.bulkhead = bulkhead)
    }

    /// Whether the fallback service is sent also what must not be carried out twice, and may have been once: a `POST` that has
    /// timed out. Not by default.
    #[must_use]
    pub fn repeat_unsafe(self, repeats: bool) -> Self {
        self.with_shared(|shared| shared.repeats_unsafe = repeats)
    }

    fn with_shared(self, change: impl FnOnce(&mut Shared<T>)) -> Self {
        let mut shared = Shared::clone(&self.stand_in.0);
        change(&mut shared);
        Self { stand_in: Substitute(StripedArc::new(shared)), ..self }
    }
}

impl<A, C, O> FallbackLayer<A, C, O> {
    /// Judges answers by `classify`: those of the inner service, and those of the fallback.
    ///
    /// Each call takes a clone of it along, so it should be cheap to clone.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> FallbackLayer<A, D, O> {
        let rules = Rules { classify, causes: self.rules.causes };
        FallbackLayer { stand_in: self.stand_in, rules, observer: self.observer }
    }

    /// Answers for these causes. By default for every failure but a permanent one, and for every refusal: see [`Causes`].
    #[must_use]
    pub fn causes(self, causes: Causes) -> Self {
        Self { rules: Rules { causes, ..self.rules }, ..self }
    }

    /// Tells `observer` of each use of the fallback and of refusals of its bulkhead.
    #[must_use]
    pub fn with_observer<P: Observer>(self, observer: P) -> FallbackLayer<A, C, P> {
        let observer = Observed::new(observer);
        FallbackLayer { stand_in: self.stand_in, rules: self.rules, observer }
    }
}

impl<A: Clone, C: Clone, O> Clone for FallbackLayer<A, C, O> {
    fn clone(&self) -> Self {
        let Self { stand_in, rules, observer } = self;
        Self { stand_in: stand_in.clone(), rules: rules.clone(), observer: observer.clone() }
    }
}

impl<S, A: Clone, C: Clone, O> Layer<S> for FallbackLayer<A, C, O> {
    type Service = Fallback<S, A, C, O>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, self.stand_in.clone(), self.rules.clone(), self.observer.clone())
    }
}
