//! The server's preset over a handler that answers at once, with a request of its own for each call.
//!
//! All that the preset allocates is the correlation id: its text, and the tables of headers, which neither this request nor this
//! response has, and most others do.

use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use http::{Request, StatusCode};
use resilience_core::{Call, bulkhead};
use resilience_tower::stack::{self, ServerLayer, ServerSettings};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer as _, ServiceBuilder};

use super::ROOM;
use crate::policies::rate_limit::AMPLE;
use crate::server::{self, Server};
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    let everything = ServerSettings::new().bulkhead(bulkhead::Config::new(ROOM)).rate_limit(AMPLE);
    let all = || ServerLayer::new("benches", &everything).expect("they fit together");
    let by_peer = all().per(|call: &Call<Request<()>>| server::peer(call.request().extensions()));
    vec![
        server::subject("bare", Server, |_| 1),
        server::subject("server, defaults", stack::server("benches").layer(Server), |_| 1),
        server::subject("server, everything on", all().layer(Server), |_| 1),
        server::subject("server, everything by client", by_peer.layer(Server), |_| 1),
        tower(),
    ]
}

/// tower's part of it, put on a router as `axum` tells one to: a fixed limit, a timeout, and errors as responses. No correlation id,
/// no deadline of the caller, no drain.
fn tower() -> Subject {
    let answer = async |error: BoxError| match error.is::<tower::timeout::error::Elapsed>() {
        true => StatusCode::GATEWAY_TIMEOUT,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(answer))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(ROOM as usize))
        .layer(TimeoutLayer::new(Duration::from_secs(30)));
    server::subject("tower: shed, limit, timeout", stack.service(Server), |_| 1)
}
