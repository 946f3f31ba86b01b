//! The third part: two routes of one caller, of which one has a dependency that turns slow.

mod callers;
mod dependency;
mod report;
mod workload;

use std::{
    net::Ipv4Addr,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Url;
use tokio::{sync::watch, time::sleep_until};

use self::{
    callers::{Bare, Caller, Protected, Seen},
    dependency::{NORMAL, SLOW},
    workload::{Job, jobs},
};
use crate::{
    Failure,
    args::Args,
    clock,
    host::{Host, bind},
    load::drive,
    parts::{self, Part, announce, pace},
    split::{Share, split},
    view::View,
};

/// Good is what is answered within this.
const SLO: Duration = Duration::from_millis(200);

/// How long a caller waits in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long both stacks wait for an answer once they have asked: ten times what route A needs normally.
const ATTEMPT: Duration = Duration::from_millis(500);

pub(crate) const LEGEND: &str = "\
A SLOW ROUTE BESIDE A QUICK ONE
One caller, as many calls a second on route a, where answers take 50 ms and for a while 1 s, as on route b,
where they always take 10 ms. Both stacks wait 500 ms for an answer, and 2 s in all.
Stacks:
  bare       a pool of connections for both routes, in front of which calls queue
  protected  half of the pool for each route (bulkheads by route), and a circuit breaker for each
Columns:
  good %     calls answered with 200 within 200 ms
  p50, p99   of all calls, whatever became of them
  sent       calls that left for the dependency
  fail p50   of the calls without an answer, in ms
  back in    from the end of the slowness until 95 % of the calls of a second are good";

/// The phases: what they are called, what they get, and how long an answer on route A takes.
const PHASES: [(&str, Share, Duration); 3] = [
    ("calm", Share { least: 1, weight: 1 }, NORMAL),
    ("a_slow", Share { least: 3, weight: 2 }, SLOW),
    ("after", Share { least: 5, weight: 1 }, NORMAL),
];

pub(crate) fn shares() -> Vec<Share> {
    PHASES.map(|(_, share, _)| share).to_vec()
}

/// Leads both callers through the phases, each with dependencies of its own, for `seconds`.
pub(crate) async fn run(args: &Args, view: &View, seconds: u32) -> Result<(), Failure> {
    let pace = pace(args.rate);
    let stretches = split(seconds, &shares()).ok_or("the phases do not fit")?;
    let jobs = Arc::new(jobs(args.seed, pace, &stretches));
    // Half of what route A needs when every call takes as long as it may.
    let slots = pace / 4;
    let delay = watch::Sender::new(NORMAL);
    let start = clock::now() + Duration::from_millis(100);
    let (bare_host, url) = host(&delay)?;
    let bare = tokio::spawn(drive_all(Bare::new(url, slots)?, start, Arc::clone(&jobs)));
    let (protected_host, url) = host(&delay)?;
    let protected = Protected::new(url, slots, &view.telemetry("slow route, protected"))?;
    let protected = tokio::spawn(drive_all(protected, start, Arc::clone(&jobs)));

    let lines = lines(&stretches);
    tokio::join!(play(start, &stretches, &delay), announce(Part::SlowRoute, start, &lines));
    let rows = [("bare", bare.await?), ("protected", protected.await?)]
        .map(|(stack, seen)| report::rows(stack, &stretches, &jobs, &seen));
    bare_host.stop().await;
    protected_host.stop().await;
    let title = format!("Two routes with {pace} calls a second each, and a pool of {slots}");
    parts::print(args, &title, &rows, report::table)
}

/// Starts the dependencies of one caller.
fn host(delay: &watch::Sender<Duration>) -> Result<(Host, Url), Failure> {
    let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let url = format!("http://{}/", socket.local_addr()?).parse()?;
    Ok((Host::start(socket, dependency::routes(delay.subscribe()))?, url))
}

async fn drive_all<C: Caller>(caller: C, start: Instant, jobs: Arc<Vec<Job>>) -> Vec<Seen> {
    let calls = jobs.iter().map(|job| {
        let (caller, job) = (caller.clone(), *job);
        (job.at, move || callers::call(caller, job))
    });
    drive(start, PATIENCE, calls).await
}

async fn play(start: Instant, stretches: &[Range<Duration>], delay: &watch::Sender<Duration>) {
    for (stretch, (_, _, to)) in stretches.iter().zip(PHASES) {
        sleep_until((start + stretch.start).into()).await;
        delay.send_replace(to);
    }
}

fn lines(stretches: &[Range<Duration>]) -> Vec<(Range<Duration>, String)> {
    let about = |(name, _, delay): (&str, Share, Duration)| {
        format!("{name}, route a answers after {} ms", delay.as_millis())
    };
    stretches.iter().cloned().zip(PHASES.map(about)).collect()
}
