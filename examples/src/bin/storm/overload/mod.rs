//! The second part: three servers with the same workers get more than they can bear.

mod clients;
mod report;
mod servers;
mod workers;
mod workload;

use std::{sync::Arc, time::Duration};

use self::{
    clients::Client,
    servers::{Stack, start},
    workload::{FACTORS, Workload},
};
use crate::{
    Failure,
    args::Args,
    clock,
    parts::{self, Part, announce, pace},
    split::Share,
    view::View,
};

/// Good is what is answered within this.
const SLO: Duration = Duration::from_millis(200);

/// After this a caller hangs up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The header that says which tenant a call is from.
const API_KEY: &str = "x-api-key";

pub(crate) const LEGEND: &str = "\
THE OVERLOAD OF A SERVER
Four workers, 0.8, 2 and 5 times the calls that they can serve; seven tenants, of which one sends all
but three tenths of the capacity. Callers hang up after 1 s.
Stacks:
  bare       calls queue in front of the workers
  fixed      tower's ConcurrencyLimit under LoadShed, set by somebody who knows the capacity
  protected  a rate limit by API key, an adaptive limit with its defaults and fair shares by API key
Columns:
  good %     calls answered with 200 within 200 ms, of what the workers can serve
  p50, p99   of the calls answered with 200
  no in      the 99th percentile of how long a refusal took, in ms
  lost       calls without an answer
  worst %    calls of the polite tenant off worst that were answered with 200 within 200 ms";

pub(crate) fn shares() -> Vec<Share> {
    FACTORS.map(|_| Share { least: 2, weight: 1 }).to_vec()
}

/// How many files the calls that pile up in the queue of the bare server keep open.
pub(crate) fn files(rate: u32) -> u64 {
    // Two ends of a connection per call until its caller hangs up, and half as many for all others.
    3 * 5 * u64::from(pace(rate)) * PATIENCE.as_secs()
}

/// Offers each server the same calls for `seconds`.
pub(crate) async fn run(args: &Args, view: &View, seconds: u32) -> Result<(), Failure> {
    let capacity = pace(args.rate);
    let workload = Workload::new(args.seed, capacity, seconds).ok_or("the phases do not fit")?;
    let workload = Arc::new(workload);
    let mut hosts = Vec::new();
    let mut clients = Vec::new();
    for stack in Stack::ALL {
        let (host, address) = start(stack, capacity, view)?;
        hosts.push(host);
        clients.push(Client::new(address)?);
    }
    let start = clock::now() + Duration::from_millis(100);
    let work = clients.into_iter().map(|client| tokio::spawn(client.drive(start, Arc::clone(&workload))));
    let work: Vec<_> = work.collect();
    announce(Part::Overload, start, &workload.phases()).await;
    let mut rows = Vec::new();
    for (stack, work) in Stack::ALL.into_iter().zip(work) {
        rows.push(report::rows(stack.name(), &workload, &work.await?));
    }
    for host in hosts {
        host.stop().await;
    }
    let title = format!("A server that bears {capacity} calls a second");
    parts::print(args, &title, &rows, report::table)
}
