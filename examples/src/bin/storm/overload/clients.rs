//! Those who call the servers.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::StatusCode;

use super::{
    API_KEY, PATIENCE, SLO,
    workload::{Job, Workload},
};
use crate::{clock, load::drive};

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A whole answer with status 200.
    Answered,
    /// Refused with 503: too much for the server.
    Unavailable,
    /// Refused with 429: too much for the tenant.
    TooMany,
    /// No answer, or one that makes no sense.
    Lost,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) phase: usize,
    pub(super) tenant: u32,
    /// How much later than it was due the call began: what this program, not the server, is to blame for.
    pub(super) late: Duration,
    pub(super) took: Duration,
    pub(super) end: End,
}

impl Seen {
    pub(super) fn is_good(&self) -> bool {
        self.end == End::Answered && self.took <= SLO
    }
}

/// All callers of one server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { http, address })
    }

    /// Makes the calls of `workload`, the first phase of which begins at `start`.
    pub(super) async fn drive(self, start: Instant, workload: Arc<Workload>) -> Vec<Seen> {
        let calls = workload.jobs.iter().map(|job| {
            let (client, job) = (self.clone(), *job);
            (job.at, move || client.call(job, start + job.at))
        });
        drive(start, PATIENCE, calls).await
    }

    async fn call(self, job: Job, due: Instant) -> Seen {
        let begun = clock::now();
        let end = self.ask(job).await.unwrap_or(End::Lost);
        let late = begun.saturating_duration_since(due);
        Seen { phase: job.phase, tenant: job.tenant, late, took: clock::now() - begun, end }
    }

    async fn ask(&self, job: Job) -> reqwest::Result<End> {
        let url = format!("http://{}/work/{}", self.address, job.takes.as_micros());
        let response = self.http.get(url).header(API_KEY, job.tenant).send().await?;
        let end = match response.status() {
            StatusCode::OK => End::Answered,
            StatusCode::SERVICE_UNAVAILABLE => End::Unavailable,
            StatusCode::TOO_MANY_REQUESTS => End::TooMany,
            _ => End::Lost,
        };
        response.bytes().await?;
        Ok(end)
    }
}
