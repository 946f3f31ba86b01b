//! A Prometheus of its own for a test, and its answers.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;
use tests::process::{Process, until};

use super::LIMIT;

/// How often it scrapes, and evaluates the rules.
const INTERVAL: &str = "500ms";

pub(super) struct Server {
    process: Process,
    client: reqwest::Client,
}

/// Alerts and the pipelines that they are about.
pub(super) type Fired = BTreeSet<(String, String)>;

const FIRING: &str = r#"ALERTS{alertstate="firing"}"#;

/// A series and its values; an instant query has one.
#[derive(Debug)]
pub(super) struct Series {
    labels: Value,
    pub(super) values: Vec<f64>,
}

impl Server {
    /// Scrapes `target` and evaluates `rules`.
    pub(super) fn start(binary: &Path, target: SocketAddr, rules: &str) -> Self {
        let config = format!(
            "global: {{ scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL} }}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{ job_name: shop, static_configs: [{{ targets: ['{target}'] }}] }}]\n",
        );
        let process = Process::start("prometheus", |directory, address| {
            fs::write(directory.join("prometheus.yml"), &config).unwrap();
            fs::write(directory.join("rules.yml"), rules).unwrap();
            let mut command = Command::new(binary);
            command.arg(format!("--config.file={}", directory.join("prometheus.yml").display()));
            command.arg(format!("--storage.tsdb.path={}", directory.join("data").display()));
            command.arg(format!("--web.listen-address={address}"));
            command.arg("--log.level=warn").current_dir(directory);
            command
        });
        Self { process, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// Its own clock, once it is ready, in seconds.
    pub(super) async fn now(&self) -> f64 {
        let now = async || self.query("vector(time())").await.pop();
        until("Prometheus", LIMIT, now).await.values[0]
    }

    /// The alerts that fire now.
    pub(super) async fn firing(&self) -> Fired {
        fired(&self.query(FIRING).await)
    }

    /// The alerts that have fired between these moments.
    pub(super) async fn fired(&self, start: f64, end: f64) -> Fired {
        fired(&self.query_range(FIRING, start, end, 0.25).await)
    }

    pub(super) async fn query(&self, expr: &str) -> Vec<Series> {
        self.ask("query", &[("query", expr)]).await.unwrap_or_default()
    }

    pub(super) async fn query_range(&self, expr: &str, start: f64, end: f64, step: f64) -> Vec<Series> {
        let [start, end, step] = [start, end, step].map(|number| number.to_string());
        let parameters = [("query", expr), ("start", &start), ("end", &end), ("step", &step)];
        self.ask("query_range", &parameters).await.unwrap_or_else(|| panic!("no answer to {expr}"))
    }

    /// `None` as long as it is not ready.
    async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Option<Vec<Series>> {
        let url = format!("http://{}/api/v1/{what}", self.process.address());
        let response = self.client.get(url).query(parameters).send().await.ok()?;
        if response.status() == 503 {
            return None;
        }
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        let value = |pair: &Value| pair[1].as_str().unwrap().parse().unwrap();
        let series = |result: &Value| {
            let one = result.get("value").map(|pair| vec![value(pair)]);
            let many = || result["values"].as_array().unwrap().iter().map(value).collect();
            Series { labels: result["metric"].clone(), values: one.unwrap_or_else(many) }
        };
        Some(answer["data"]["result"].as_array().unwrap().iter().map(series).collect())
    }
}

fn fired(series: &[Series]) -> Fired {
    let label = |series: &Series, name: &str| series.labels[name].as_str().unwrap_or_default().to_owned();
    series.iter().map(|series| (label(series, "alertname"), label(series, "pipeline"))).collect()
}
