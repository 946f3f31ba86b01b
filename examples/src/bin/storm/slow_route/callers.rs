//! The two ways to call both routes.

use std::{future::Future, sync::Arc, time::Duration};

use reqwest::{Client, Method, Request, Response, Url};
use resilience_core::{Call, Error, Rejected, bulkhead, circuit_breaker};
use resilience_metrics::Telemetry;
use resilience_tower::{
    CallLayer, TimeoutLayer, TransportLayer,
    bulkhead::BulkheadByRequestLayer,
    per_key::{PerKeyLayer, Settings},
    reqwest::ClassifyReqwest,
};
use tokio::{sync::Semaphore, time::timeout};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use super::{
    ATTEMPT, PATIENCE, SLO,
    workload::{Job, Route},
};
use crate::{callers::whole, clock};

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) job: Job,
    /// How long its caller waited.
    pub(super) took: Duration,
    pub(super) end: End,
}

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A whole answer with status 200.
    Answered,
    /// It left for the dependency in vain.
    Failed,
    /// It never left.
    Unsent,
}

impl Seen {
    pub(super) fn is_good(&self) -> bool {
        self.end == End::Answered && self.took <= SLO
    }
}

/// Makes one call; clones share everything.
pub(super) trait Caller: Clone + Send + 'static {
    /// Calls a route and says how that ended.
    fn call(self, route: Route) -> impl Future<Output = End> + Send;
}

/// Makes a call and says what became of it.
pub(super) async fn call<C: Caller>(caller: C, job: Job) -> Seen {
    let begun = clock::now();
    let end = caller.call(job.route).await;
    Seen { job, took: clock::now() - begun, end }
}

/// A pool for both routes, with a queue in front, and timeouts.
#[derive(Clone, Debug)]
pub(super) struct Bare {
    client: Client,
    pool: Arc<Semaphore>,
    base: Url,
}

impl Bare {
    pub(super) fn new(base: Url, slots: u32) -> reqwest::Result<Self> {
        Ok(Self {
            client: Client::builder().no_proxy().timeout(ATTEMPT).build()?,
            pool: Arc::new(Semaphore::new(slots as usize)),
            base,
        })
    }

    async fn pooled(self, route: Route, end: &mut End) {
        // Nobody closes it.
        let Ok(_slot) = self.pool.acquire().await else { return };
        *end = End::Failed;
        if let Ok(response) = self.client.get(to(&self.base, route)).send().await {
            *end = of(response).await;
        }
    }
}

impl Caller for Bare {
    async fn call(self, route: Route) -> End {
        let mut end = End::Unsent;
        let _ = timeout(PATIENCE, self.pooled(route, &mut end)).await;
        end
    }
}

/// The same timeouts, the same slots in two bulkheads, and two breakers.
#[derive(Clone, Debug)]
pub(super) struct Protected {
    stack: BoxCloneSyncService<Request, Response, Error<reqwest::Error>>,
    base: Url,
}

impl Protected {
    pub(super) fn new(base: Url, slots: u32, telemetry: &Telemetry) -> reqwest::Result<Self> {
        let bulkheads = bulkhead::Config::new(slots / 2);
        let breakers = Settings::new().circuit_breaker(circuit_breaker::Config::default());
        let breakers = PerKeyLayer::new(breakers, route).classify(ClassifyReqwest);
        let read = breakers.clone();
        let breakers = breakers.with_observer(telemetry.per_key("routes", move || read.snapshot()));
        let stack = ServiceBuilder::new()
            .layer(CallLayer::new())
            .layer(telemetry.operation_layer(ClassifyReqwest))
            .layer(TimeoutLayer::total(PATIENCE).with_observer(telemetry.timeout("total")))
            .layer(BulkheadByRequestLayer::keyed(bulkheads, route))
            .layer(breakers)
            .layer(telemetry.attempt_layer(ClassifyReqwest))
            .layer(TimeoutLayer::attempt(ATTEMPT).with_observer(telemetry.timeout("attempt")))
            .layer(TransportLayer::new())
            .service(Client::builder().no_proxy().build()?);
        Ok(Self { stack: BoxCloneSyncService::new(stack), base })
    }
}

/// The key of the bulkheads and breakers.
fn route(call: &Call<Request>) -> Route {
    if call.request().url().path() == Route::A.path() { Route::A } else { Route::B }
}

impl Caller for Protected {
    async fn call(self, route: Route) -> End {
        match self.stack.oneshot(Request::new(Method::GET, to(&self.base, route))).await {
            Ok(response) => of(response).await,
            Err(Error::Rejected { rejected: Rejected::AttemptTimeout { .. }, .. } | Error::Inner { .. }) => {
                End::Failed
            }
            Err(_) => End::Unsent,
        }
    }
}

async fn of(response: Response) -> End {
    if whole(response).await { End::Answered } else { End::Failed }
}

/// The address of a route.
fn to(base: &Url, route: Route) -> Url {
    let mut url = base.clone();
    url.set_path(route.path());
    url
}
