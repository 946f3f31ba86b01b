//! What servers see of the spans: each attempt has a trace context of its own.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, routing};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use resilience_core::{Backoff, Call, CarryContext, Context, RetryPolicy};
use resilience_metrics::{Telemetry, span::hand_in_context};
use resilience_tower::{
    CallLayer, RetryLayer, TransportLayer,
    grpc::{self, ClassifyChannel, RequestBody},
    http::ClassifyStatus,
    reqwest::{ClassifyReqwest, Client},
    stack::{self, ClientLayer, ClientSettings, Destination},
};
use tests::{
    grpc::channel,
    server::serve,
    shop::{Answer, ScriptedShop, ShopClient},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tracing::{Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::otel::Exported;

const HEADER: &str = "traceparent";

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = http::HeaderName::from_bytes(key.as_bytes()).unwrap();
        self.0.insert(name, HeaderValue::from_str(&value).unwrap());
    }
}

/// What an application has of `tracing-opentelemetry`, whichever version that is.
fn inject(span: &Span, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut Headers(headers));
}

/// The same of what is around the request, whoever takes the innermost span.
fn inject_current(_: &Span, headers: &mut HeaderMap) {
    let context = opentelemetry::Context::current();
    TraceContextPropagator::new().inject_context(&context, &mut Headers(headers));
}

/// The trace context of each request that has arrived, by its span.
#[derive(Clone, Debug, Default)]
struct Arrived(Arc<Mutex<Vec<(String, String)>>>);

impl Arrived {
    fn note(&self, headers: &HeaderMap) -> usize {
        let header = headers.get(HEADER).map_or("", |value| value.to_str().unwrap());
        let parts: Vec<_> = header.split('-').chain([""; 3]).collect();
        let mut all = self.0.lock().unwrap();
        all.push((parts[1].to_owned(), parts[2].to_owned()));
        all.len()
    }

    fn traces(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(trace, _)| trace.clone()).collect()
    }

    fn spans(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, span)| span.clone()).collect()
    }
}

/// A server that fails twice, and what has arrived there.
async fn server() -> (SocketAddr, Arrived) {
    let arrived = Arrived::default();
    let seen = arrived.clone();
    let answer = move |headers: HeaderMap| async move {
        if seen.note(&headers) < 3 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
    };
    let address = serve(Router::new().route("/", routing::get(answer))).await.unwrap();
    (address, arrived)
}

fn layer() -> ClientLayer {
    let settings = ClientSettings::new().retry(RetryPolicy::new().backoff(Backoff::none()));
    ClientLayer::new("pay", &settings).unwrap()
}

fn inner() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The ids of the exported spans of this name, and their trace.
fn ids(exported: &Exported, name: &str) -> Vec<(String, String)> {
    let all = exported.spans().into_iter().filter(|span| span.name == name);
    all.map(|span| (span.span_context.trace_id().to_string(), span.span_context.span_id().to_string()))
        .collect()
}

#[tokio::test]
async fn each_attempt_of_a_client_is_another_span_to_the_server() {
    let exported = Exported::start(LevelFilter::TRACE);
    let (address, arrived) = server().await;
    let spans = Telemetry::new("pay").spans(ClassifyReqwest).on_attempt(
        |span: &Span, call: &mut Call<reqwest::Request>| inject(span, call.request_mut().headers_mut()),
    );
    let layer = layer().per(Destination).classify(ClassifyReqwest).slots(spans.layers_with_metrics());
    let client = Client::with_layer(layer, inner());
    let response = client.get(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(response.status(), 200);

    let attempts = ids(&exported, "resilience.attempt");
    let (traces, spans): (Vec<_>, Vec<_>) = attempts.into_iter().unzip();
    assert_eq!((arrived.traces(), arrived.spans()), (traces.clone(), spans.clone()));
    assert_eq!(spans.len(), 3);
    assert!(spans[0] != spans[1] && spans[1] != spans[2] && spans[0] != spans[2]);
    let operation = ids(&exported, "pay").remove(0);
    assert!(traces.iter().all(|trace| *trace == operation.0), "one trace");
    // And why each failed, as the server put it.
    let statuses: Vec<_> = exported
        .spans()
        .iter()
        .flat_map(|span| &span.attributes)
        .filter(|pair| pair.key.as_str() == "error.type")
        .map(|pair| pair.value.to_string())
        .collect();
    assert_eq!(statuses, ["502", "502"]);
}

/// Why propagation has to be inside of the retry layer.
#[tokio::test]
async fn propagation_outside_of_the_stack_is_the_same_for_all_attempts() {
    let exported = Exported::start(LevelFilter::TRACE);
    let (address, arrived) = server().await;
    let layer = layer()
        .per(Destination)
        .classify(ClassifyReqwest)
        .slots(Telemetry::new("pay").spans(ClassifyReqwest).layers());
    let client = Client::with_layer(layer, inner());
    let mut request = client.get(format!("http://{address}/")).build().unwrap();
    let around = tracing::info_span!("around");
    around.in_scope(|| inject(&Span::current(), request.request_mut().headers_mut()));
    assert_eq!(client.execute_call(request).await.unwrap().status(), 200);
    let spans = arrived.spans();
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| *span == spans[0]));
    assert_eq!(ids(&exported, "resilience.attempt").len(), 3);
}

/// The exporter takes operations alone, so that is what the server can know: also where others take attempts, for then the span of
/// an attempt is there, and the exporter knows nothing of it.
#[tokio::test]
async fn where_attempts_are_not_exported_the_operation_is_propagated() {
    for others in [LevelFilter::INFO, LevelFilter::TRACE] {
        let exported = Exported::start_beside(LevelFilter::INFO, others);
        let (address, arrived) = server().await;
        let spans = Telemetry::new("pay").spans(ClassifyReqwest).on_attempt(
            |span: &Span, call: &mut Call<reqwest::Request>| {
                inject_current(span, call.request_mut().headers_mut())
            },
        );
        let layer = layer().per(Destination).classify(ClassifyReqwest).slots(spans.layers());
        let client = Client::with_layer(layer, inner());
        assert_eq!(client.get(format!("http://{address}/")).send().await.unwrap().status(), 200);
        let operation = ids(&exported, "pay").remove(0).1;
        assert_eq!(arrived.spans(), [operation.clone(), operation.clone(), operation], "{others}");
    }
}

#[tokio::test]
async fn each_attempt_of_a_generated_grpc_client_has_its_own_metadata() {
    let exported = Exported::start(LevelFilter::TRACE);
    let shop = ScriptedShop::new([Answer::Fail(tonic::Status::unavailable("closed for a moment"))]);
    let address = shop.open().await.unwrap();
    let spans = Telemetry::new("shop").spans(ClassifyChannel).on_attempt(
        |span: &Span, call: &mut Call<Request<RequestBody>>| inject(span, call.request_mut().headers_mut()),
    );
    let layer = stack::client("shop").per(Destination).classify(ClassifyChannel).slots(spans.layers());
    let guarded = grpc::Client::with_layer(layer, channel(&format!("http://{address}")));
    let mut request = tonic::Request::new(tests::shop::Article { name: "pears".to_owned() });
    request.extensions_mut().insert(Context::new().assume_idempotent());
    ShopClient::new(guarded).stock(request).await.unwrap();

    let sent = shop.take();
    let spans: Vec<_> = sent
        .iter()
        .map(|seen| {
            seen.metadata.get(HEADER).unwrap().to_str().unwrap().split('-').nth(2).unwrap().to_owned()
        })
        .collect();
    let attempts: Vec<_> = ids(&exported, "resilience.attempt").into_iter().map(|(_, span)| span).collect();
    assert_eq!(spans, attempts);
    assert_eq!(spans.len(), 2);
    let failed = exported.spans().into_iter().find(|span| span.name == "resilience.attempt").unwrap();
    let name = failed.attributes.iter().find(|pair| pair.key.as_str() == "error.type").unwrap();
    assert_eq!(name.value.as_str(), "UNAVAILABLE");
}

/// Whoever makes spans further in finds the number of the attempt in the extensions.
#[tokio::test(start_paused = true)]
async fn inner_layers_find_the_number_of_the_attempt_in_an_http_request() {
    let inner = service_fn(async |request: Request<()>| {
        let number = request.context().map(Context::attempt);
        let mut response = Response::new(number);
        if number != Some(3) {
            *response.status_mut() = StatusCode::BAD_GATEWAY;
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    let spans = Telemetry::new("pay").spans(ClassifyStatus).on_attempt(hand_in_context::<Request<()>>);
    let client = layer().classify(ClassifyStatus).slots(spans.layers()).layer(inner);
    let response = client.oneshot(Request::new(())).await.unwrap();
    assert_eq!((response.status(), *response.body()), (StatusCode::OK, Some(3)));
}

/// The same order without a preset: retry outside, the span of the attempt and propagation inside.
#[tokio::test(start_paused = true)]
async fn the_order_of_layers_by_hand() {
    let exported = Exported::start(LevelFilter::TRACE);
    let arrived = Arrived::default();
    let (operation, attempt) = Telemetry::new("pay")
        .spans(ClassifyStatus)
        .on_attempt(|span: &Span, call: &mut Call<Request<()>>| {
            inject(span, call.request_mut().headers_mut())
        })
        .layers();
    let seen = arrived.clone();
    let client = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(operation)
        .layer(RetryLayer::new(RetryPolicy::new().backoff(Backoff::none())).classify(ClassifyStatus))
        .layer(attempt)
        .layer(TransportLayer::new())
        .service(service_fn(move |request: Request<()>| {
            let mut response = Response::new(());
            if seen.note(request.headers()) < 3 {
                *response.status_mut() = StatusCode::BAD_GATEWAY;
            }
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        }));
    assert_eq!(client.oneshot(Request::new(())).await.unwrap().status(), StatusCode::OK);
    let attempts: Vec<_> = ids(&exported, "resilience.attempt").into_iter().map(|(_, span)| span).collect();
    assert_eq!((arrived.spans(), attempts.len()), (attempts, 3));
}
