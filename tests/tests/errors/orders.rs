//! Every order of the layers, over three kinds of error type.

use std::fmt;

use resilience_core::{
    Backoff, BoxError, Call, CircuitBreaker, Context, Error, Refusal, Rejected, RetryPolicy,
    circuit_breaker::Config,
};
use resilience_tower::{CircuitBreakerLayer, RetryLayer, TimeoutLayer};
use tests::{
    inner::{Do, Outage, Strict},
    time,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneService};

use super::{MS, SECOND, find};

/// The one error of an application.
#[derive(Debug)]
enum AppError {
    Refused(Rejected),
    Outage(Outage),
}

impl From<Rejected> for AppError {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

impl Refusal for AppError {
    fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Refused(rejected) => Some(rejected),
            Self::Outage(_) => None,
        }
    }
}

/// An error type under test: says what is in it without looking any deeper than its first level.
trait Subject: Refusal + fmt::Debug + Send + 'static {
    fn outage() -> Self;
    fn first_level(self) -> Result<Outage, Rejected>;
}

impl Subject for AppError {
    fn outage() -> Self {
        Self::Outage(Outage)
    }

    fn first_level(self) -> Result<Outage, Rejected> {
        match self {
            Self::Outage(outage) => Ok(outage),
            Self::Refused(rejected) => Err(rejected),
        }
    }
}

impl Subject for BoxError {
    fn outage() -> Self {
        Outage.into()
    }

    fn first_level(self) -> Result<Outage, Rejected> {
        match self.downcast() {
            Ok(outage) => Ok(*outage),
            Err(other) => Err(*other.downcast().unwrap()),
        }
    }
}

impl Subject for Error<Outage> {
    fn outage() -> Self {
        Self::inner(Outage)
    }

    fn first_level(self) -> Result<Outage, Rejected> {
        assert!(find::<Outage>(&self).is_some() != find::<Rejected>(&self).is_some());
        match self {
            Self::Inner { error: outage, .. } => Ok(outage),
            Self::Rejected { rejected, .. } => Err(rejected),
        }
    }
}

struct Stack<E> {
    name: &'static str,
    service: BoxCloneService<Call<Do>, u32, E>,
    breaker: CircuitBreaker,
}

impl<E: Subject> Stack<E> {
    /// That this compiles is half of the proof: the stack's error type is the inner service's.
    fn new<L>(name: &'static str, layers: L, breaker: &CircuitBreakerLayer) -> Self
    where
        L: Layer<Strict<E>>,
        L::Service: Service<Call<Do>, Response = u32, Error = E, Future: Send> + Clone + Send + 'static,
    {
        let service = BoxCloneService::new(layers.layer(Strict::new(E::outage)));
        Self { name, service, breaker: breaker.breaker().clone() }
    }

    async fn call(&self, call: Call<Do>) -> Result<u32, Result<Outage, Rejected>> {
        self.service.clone().oneshot(call).await.map_err(E::first_level)
    }

    fn retries(&self) -> bool {
        self.name.contains("retry")
    }
}

fn every_order<E: Subject>() -> Vec<Stack<E>> {
    let total = || TimeoutLayer::total(SECOND);
    let attempt = || TimeoutLayer::attempt(100 * MS);
    let policy = RetryPolicy::new().max_attempts(2).backoff(Backoff::none());
    let retry = || RetryLayer::new(policy);

    // The name of the breaker comes from outside, so that it means the same in and out of the macro.
    macro_rules! stacks {
        ($breaker:ident: $($($layer:ident)+;)+) => {
            vec![$({
                let shared = CircuitBreakerLayer::new(Config::new());
                let $breaker = || shared.clone();
                let layers = ServiceBuilder::new()$(.layer($layer()))+;
                Stack::new(stringify!($($layer)+), layers, &shared)
            }),+]
        };
    }
    stacks! { breaker:
        total breaker attempt;
        total attempt breaker;
        breaker total attempt;
        breaker attempt total;
        attempt total breaker;
        attempt breaker total;
        total total breaker breaker attempt attempt;
        total retry breaker attempt;
        total breaker retry attempt;
        retry total breaker attempt;
        retry breaker attempt;
    }
}

/// Every way a call can end, in every order of the layers.
async fn every_end<E: Subject>() {
    let limited = |what| Call::with_context(what, Context::new().with_total_timeout(50 * MS));
    for stack in every_order::<E>() {
        let name = stack.name;
        let last = 1 + u32::from(stack.retries());

        assert_eq!(stack.call(Call::new(Do::Answer)).await, Ok(1), "{name}");
        assert_eq!(stack.call(Call::new(Do::Fail)).await, Err(Ok(Outage)), "{name}");
        let second_chance = stack.call(Call::new(Do::FailOnce)).await;
        assert_eq!(second_chance, if last == 2 { Ok(2) } else { Err(Ok(Outage)) }, "{name}");

        let cut = stack.call(Call::new(Do::Hang)).await.unwrap_err().unwrap_err();
        assert_eq!(cut, Rejected::AttemptTimeout { limit: 100 * MS, elapsed: 100 * MS }, "{name}");
        if name.contains("total") {
            let over = stack.call(limited(Do::Hang)).await.unwrap_err().unwrap_err();
            assert_eq!(
                over,
                Rejected::DeadlineExceeded { limit: 50 * MS, elapsed: 50 * MS, called: true },
                "{name}"
            );
        }

        stack.breaker.force_open(time::now());
        let open = stack.call(Call::new(Do::Answer)).await.unwrap_err();
        assert_eq!(open, Err(Rejected::CircuitOpen { retry_after: None }), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_applications_own_error_comes_through_every_order_of_the_layers() {
    every_end::<AppError>().await;
}

#[tokio::test(start_paused = true)]
async fn a_boxed_error_comes_through_every_order_of_the_layers() {
    every_end::<BoxError>().await;
}

#[tokio::test(start_paused = true)]
async fn the_ready_made_error_comes_through_every_order_of_the_layers() {
    every_end::<Error<Outage>>().await;
}
