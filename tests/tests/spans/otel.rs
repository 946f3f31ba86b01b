//! What arrives at an exporter of OpenTelemetry.

use std::collections::BTreeMap;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use resilience_core::{Call, Observer};
use resilience_metrics::Telemetry;
use resilience_tower::RetryLayer;
use tower::{ServiceBuilder, ServiceExt};
use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use super::{Do, Inner, call, classify, policy, service, spans, verdict};

/// Exports the spans of this thread into memory, until it is dropped.
pub(crate) struct Exported {
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
    _installed: DefaultGuard,
}

impl Exported {
    pub(crate) fn start(level: LevelFilter) -> Self {
        Self::start_beside(level, LevelFilter::OFF)
    }

    /// Beside another that takes what it takes, and does nothing.
    pub(crate) fn start_beside(level: LevelFilter, others: LevelFilter) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test")).with_filter(level);
        let other = tracing_subscriber::layer::Identity::new().with_filter(others);
        let subscriber = tracing_subscriber::registry().with(layer).with(other);
        Self { exporter, _provider: provider, _installed: tracing::subscriber::set_default(subscriber) }
    }

    /// The spans of ours that are over, in the order of their beginnings.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        let mut spans = self.exporter.get_finished_spans().unwrap();
        spans.sort_by_key(|span| span.start_time);
        spans
    }
}

/// The attributes that are ours, and not about the program's source and threads.
fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let all = span.attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string()));
    all.filter(|(key, _)| {
        !["code.", "thread.", "busy_ns", "idle_ns", "target"].iter().any(|p| key.starts_with(p))
    })
    .collect()
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_recovered_operation_is_a_tree_with_a_link_and_one_error() {
    let exported = Exported::start(LevelFilter::TRACE);
    assert_eq!(call(&service(&spans()), Do::FailFirst(1)).await, Ok(2));
    let all = exported.spans();
    let [operation, first, second] = &all[..] else { panic!("{all:?}") };

    let names = [operation, first, second].map(|span| span.name.as_ref());
    assert_eq!(names, ["pay", "resilience.attempt", "resilience.attempt"]);
    assert!(all.iter().all(|span| span.span_kind == SpanKind::Internal));
    let id = |span: &SpanData| span.span_context.span_id();
    assert_eq!([first.parent_span_id, second.parent_span_id], [id(operation); 2]);
    assert!(all.iter().all(|span| span.span_context.trace_id() == operation.span_context.trace_id()));

    let links: Vec<Vec<_>> =
        all.iter().map(|span| span.links.iter().map(|link| link.span_context.span_id()).collect()).collect();
    assert_eq!(links, [vec![], vec![], vec![id(first)]]);

    let statuses = [operation, first, second].map(|span| span.status.clone());
    assert_eq!(statuses, [Status::Unset, Status::error(""), Status::Unset]);

    let pipeline =
        [("resilience.pipeline", "pay"), ("resilience.outcome", "success"), ("resilience.attempts", "2")];
    assert_eq!(attributes(operation), texts(pipeline));
    let failed =
        [("resilience.attempt.number", "1"), ("resilience.outcome", "failure"), ("error.type", "reset")];
    assert_eq!(attributes(first), texts(failed));
    let retried = [
        ("resilience.attempt.number", "2"),
        ("resilience.outcome", "success"),
        ("http.request.resend_count", "1"),
    ];
    assert_eq!(attributes(second), texts(retried));
}

#[tokio::test(start_paused = true)]
async fn a_failed_operation_is_an_error_without_a_description() {
    let exported = Exported::start(LevelFilter::INFO);
    assert!(call(&service(&spans()), Do::Fail).await.is_err());
    let all = exported.spans();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].status, Status::error(""));
    assert_eq!(attributes(&all[0])["error.type"], "reset");
}

/// An event at `ERROR` marks the span around it as failed, for good.
#[tokio::test(start_paused = true)]
async fn trap_43_a_recovered_operation_is_not_marked_as_failed_by_its_log() {
    let exported = Exported::start(LevelFilter::TRACE);
    let telemetry = Telemetry::new("pay");
    let (operation, attempt) = telemetry.spans(classify()).layers();
    let service = ServiceBuilder::new()
        .layer(operation)
        .layer(RetryLayer::new(policy()).classify(verdict).with_observer(telemetry.logs()))
        .layer(attempt)
        .service(Inner);
    assert_eq!(service.clone().oneshot(Call::new(Do::FailFirst(2))).await, Ok(3));
    let all = exported.spans();
    let operation = &all[0];
    assert_eq!(operation.status, Status::Unset);
    let events: Vec<_> = operation.events.iter().map(|event| event.name.as_ref()).collect();
    assert_eq!(events, ["retry scheduled", "retry scheduled", "operation recovered"]);
    assert!(operation.attributes.iter().all(|pair| !pair.key.as_str().starts_with("e")), "no error.type");

    // Nor by any other line that there is.
    for event in super::logs::all_events() {
        let exported = Exported::start(LevelFilter::TRACE);
        tracing::info_span!("operation").in_scope(|| telemetry.logs().observe(&event));
        let span = &exported.spans()[0];
        assert_eq!((&span.status, span.events.len()), (&Status::Unset, 1), "{event:?}");
    }
}
