//! The same workers behind three stacks.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    BoxError, Router,
    error_handling::HandleErrorLayer,
    extract::{Path, Request, State},
    http::{HeaderName, StatusCode},
    routing::get,
};
use resilience_core::{Call, Quota};
use resilience_metrics::Telemetry;
use resilience_tower::{
    http::{ClassifyStatus, rate_limit::HeaderKey},
    stack::{ServerLayer, ServerSettings},
};
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer};

use super::{API_KEY, workers::Workers, workload::WORKERS};
use crate::{
    host::{Host, bind},
    view::View,
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Stack {
    Bare,
    Fixed,
    Protected,
}

impl Stack {
    pub(super) const ALL: [Self; 3] = [Self::Bare, Self::Fixed, Self::Protected];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Fixed => "fixed",
            Self::Protected => "protected",
        }
    }
}

/// Starts a server that can bear `capacity` calls a second.
pub(super) fn start(stack: Stack, capacity: u32, view: &View) -> io::Result<(Host, SocketAddr)> {
    let routes = Router::new().route("/work/{micros}", get(work)).with_state(Arc::new(Workers::new(WORKERS)));
    let routes = match stack {
        Stack::Bare => routes,
        Stack::Fixed => fixed(routes, capacity),
        Stack::Protected => protected(routes, capacity, &view.telemetry("overload, protected")),
    };
    let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = socket.local_addr()?;
    Ok((Host::start(socket, routes)?, address))
}

async fn work(State(workers): State<Arc<Workers>>, Path(micros): Path<u64>) -> &'static str {
    workers.work(Duration::from_micros(micros)).await;
    "done\n"
}

/// As many calls as the workers serve in 100 ms: right, because the capacity is known here.
fn fixed(routes: Router, capacity: u32) -> Router {
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: BoxError| async { StatusCode::SERVICE_UNAVAILABLE }))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(capacity as usize / 10));
    routes.layer(stack)
}

/// The preset as it comes, with a quota for each tenant. A tenant is entitled to far more than there is if all come: twice the
/// capacity.
fn protected(routes: Router, capacity: u32, telemetry: &Telemetry) -> Router {
    let key = HeaderKey::new(HeaderName::from_static(API_KEY));
    let settings = ServerSettings::new().rate_limit(Quota::per_second(2 * capacity).burst(capacity / 4));
    let stack = ServerLayer::new("storm", &settings).expect("the settings fit together");
    let handle = stack.handle();
    let observer = telemetry.server(handle.drains(), handle.adaptive(), handle.bulkhead());
    let stack = stack.with_observer(observer).operation(telemetry.operation_layer(ClassifyStatus));
    routes.layer(stack.per(move |call: &Call<Request>| key.of(call.request().headers())))
}
