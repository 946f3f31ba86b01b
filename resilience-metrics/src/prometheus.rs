//! For the Prometheus exporter, `metrics-exporter-prometheus`: buckets, and what answers a scrape.
//!
//! ```
//! use metrics_exporter_prometheus::PrometheusBuilder;
//! use resilience_metrics::{Telemetry, prometheus::{self, Scrape}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let handle = prometheus::configure(PrometheusBuilder::new()).install_recorder()?;
//! let telemetry = Telemetry::new("payments");
//! let app: axum::Router = axum::Router::new().route_service("/metrics", Scrape::new(handle, [telemetry]));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_service::Service;

use crate::{CATALOGUE, Publisher, Telemetry};

/// How often samples become buckets while nobody scrapes: what the exporter's own listener does.
const UPKEEP: Duration = Duration::from_secs(5);

/// Gives each histogram of the [catalogue](crate::catalogue) its buckets.
///
/// Without buckets the exporter renders histograms as summaries, whose quantiles cannot be summed over instances. Whoever wants
/// others for one says so afterwards:
///
/// ```
/// use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
/// use resilience_metrics::{catalogue::FINE_SECONDS, prometheus};
///
/// let duration = Matcher::Full("resilience_operation_duration_seconds".into());
/// let builder = prometheus::configure(PrometheusBuilder::new()).set_buckets_for_metric(duration, FINE_SECONDS)?;
/// # let _ = builder;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn configure(builder: PrometheusBuilder) -> PrometheusBuilder {
    let with_buckets = CATALOGUE.iter().filter(|metric| !metric.buckets.is_empty());
    with_buckets.fold(builder, |builder, metric| {
        match builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), metric.buckets) {
            Ok(builder) => builder,
            Err(_) => unreachable!("only a lack of buckets is an error"),
        }
    })
}

/// Answers scrapes: publishes what it was given, and renders all that the recorder has.
///
/// A Tower service for any path and body: in `axum`, `Router::route_service`. It refuses every method but `GET` and `HEAD`. What
/// it shows is public to whoever reaches it; give it a port that only the scraper does.
///
/// # Clone
///
/// A clone shows the same.
#[derive(Clone)]
pub struct Scrape {
    shared: Arc<Shared>,
}

struct Shared {
    handle: PrometheusHandle,
    telemetries: Vec<Telemetry>,
    _upkeep: Publisher,
}

impl Scrape {
    /// Shows the recorder of `handle`, after these telemetries have been [published](Telemetry::publish).
    ///
    /// It also does the exporter's upkeep every five seconds until its last clone is dropped: samples that nobody scrapes would
    /// pile up.
    ///
    /// # Panics
    ///
    /// If it is called outside of a Tokio runtime, or in one without its time driver.
    #[track_caller]
    pub fn new(handle: PrometheusHandle, telemetries: impl IntoIterator<Item = Telemetry>) -> Self {
        let samples = handle.clone();
        let upkeep = Publisher::spawn(UPKEEP, move || samples.run_upkeep());
        let telemetries = telemetries.into_iter().collect();
        Self { shared: Arc::new(Shared { handle, telemetries, _upkeep: upkeep }) }
    }

    /// The text of a scrape.
    #[must_use]
    pub fn render(&self) -> String {
        self.shared.telemetries.iter().for_each(Telemetry::publish);
        self.shared.handle.render()
    }

    fn answer(&self, method: &Method) -> Response<String> {
        if *method != Method::GET && *method != Method::HEAD {
            let mut refusal = Response::new(String::new());
            *refusal.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            refusal.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let mut answer = Response::new(self.render());
        let text = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, text);
        answer
    }
}

impl<B> Service<Request<B>> for Scrape {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method())))
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").field("telemetries", &self.shared.telemetries).finish_non_exhaustive()
    }
}
