//! Spans around operations and attempts, where no subscriber takes them and where one does.

use std::io;
use std::sync::{OnceLock, atomic::AtomicBool};

use resilience_core::ErrorsAreFailures;
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, ErrorLayer, TransportLayer};
use tower::{Layer as _, ServiceBuilder};
use tracing::{Instrument as _, level_filters::LevelFilter};
use tracing_subscriber::{Registry, fmt::format::FmtSpan, layer::SubscriberExt as _, reload};

use crate::subject::Subject;
use crate::upstream::Upstream;

static FAILING: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&FAILING);

/// A subscriber that is there, and takes warnings only.
#[must_use]
pub fn filtered() -> Vec<Subject> {
    take(LevelFilter::WARN);
    subjects()
}

/// One that writes a line for each span, to nowhere.
#[must_use]
pub fn taken() -> Vec<Subject> {
    take(LevelFilter::DEBUG);
    subjects()
}

fn subjects() -> Vec<Subject> {
    let (operation, attempt) = Telemetry::new("spans").spans(ErrorsAreFailures).layers();
    let both = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(operation.clone())
        .layer(attempt)
        .layer(TransportLayer::new());
    let call = ServiceBuilder::new().layer(CallLayer::new()).layer(TransportLayer::new());
    vec![
        Subject::service("bare", UPSTREAM),
        Subject::service("operation", operation.layer(ErrorLayer::new().layer(UPSTREAM))),
        Subject::service("call", call.service(UPSTREAM)),
        Subject::service("call, operation, attempt", both.service(UPSTREAM)),
        Subject::function("tracing by hand", |n| async move {
            let span = tracing::info_span!("operation", pipeline = "spans");
            async { UPSTREAM.answer(n).await }.instrument(span).await
        }),
    ]
}

/// Installs the subscriber, once, and has it take what is at `level` or above.
fn take(level: LevelFilter) {
    static FILTER: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
    let filter = FILTER.get_or_init(|| {
        let (filter, handle) = reload::Layer::new(level);
        let lines = tracing_subscriber::fmt::layer().with_writer(io::sink).with_span_events(FmtSpan::CLOSE);
        // Somebody else's stays: then everything is what that takes.
        let _ =
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(lines));
        handle
    });
    // It fails when the subscriber is gone, which it is not.
    let _ = filter.reload(level);
}
