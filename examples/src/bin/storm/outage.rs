//! The first part: a bare, a naive and a protected client go through the same outage.

use std::{io::Write, sync::Arc, time::Duration};

use crate::{
    Failure,
    args::Args,
    callers::{ATTEMPT, Bare, Layered, PATIENCE},
    chart, clock,
    live::{Live, Watched},
    load::Load,
    record::Recorder,
    report,
    schedule::Schedule,
    server::Server,
    view::View,
};

/// How many files the calls that pile up in the hang keep open.
pub(crate) fn files(rate: u32) -> u64 {
    // A connection per call, with two ends, for as long as each stack lets it wait: the bare one to the end of
    // its patience, the others for three attempts at most.
    2 * u64::from(rate) * ((PATIENCE + 2 * 3 * ATTEMPT).as_secs() + 1)
}

/// Leads three clients through one outage, each with a server of its own, for `seconds`.
pub(crate) async fn run(args: &Args, view: &View, seconds: u32) -> Result<(), Failure> {
    let schedule = Arc::new(Schedule::split(seconds).ok_or("the phases do not fit")?);
    let server = || Server::start(args.seed);
    let (mut bare_server, mut naive_server, mut protected_server) = (server()?, server()?, server()?);
    let start = clock::now() + Duration::from_millis(100);
    let recorder = || Recorder::new(start, Arc::clone(&schedule));
    let (bare_log, naive_log, protected_log) = (recorder(), recorder(), recorder());
    let bare = Bare::new(bare_server.url().parse()?, bare_log.clone())?;
    let url = naive_server.url().parse()?;
    let naive = Layered::naive(url, naive_log.clone(), &view.telemetry("outage, naive"), args.seed)?;
    let (url, telemetry) = (protected_server.url().parse()?, view.telemetry("outage, protected"));
    let (protected, breaker) = Layered::protected(url, protected_log.clone(), &telemetry, args.seed)?;

    let stacks = [
        Watched { name: "bare", recorder: bare_log.clone(), breaker: None },
        Watched { name: "naive", recorder: naive_log.clone(), breaker: None },
        Watched { name: "protected", recorder: protected_log.clone(), breaker: Some(breaker) },
    ];
    let load = Load { seed: args.seed, rate: args.rate, start, length: schedule.total() };
    let loads = async {
        tokio::join!(
            load.drive(bare, bare_log),
            load.drive(naive, naive_log),
            load.drive(protected, protected_log),
        );
        Ok(())
    };
    let work = async {
        tokio::try_join!(
            bare_server.play(&schedule, start),
            naive_server.play(&schedule, start),
            protected_server.play(&schedule, start),
            loads,
        )
    };
    Live::new(Arc::clone(&schedule), start, stacks.to_vec()).watch(work).await?;
    finish(args, &schedule, &stacks)
}

/// Prints the figures and draws the chart.
fn finish(args: &Args, schedule: &Schedule, stacks: &[Watched]) -> Result<(), Failure> {
    let logs: Vec<_> = stacks.iter().map(|stack| (stack.name, stack.recorder.read(Clone::clone))).collect();
    let rows: Vec<_> = logs.iter().map(|(name, log)| report::rows(name, schedule, log)).collect();
    let text = if args.json { report::json(report::by_phase(&rows))? } else { report::table(&rows) };
    std::io::stdout().write_all(text.as_bytes())?;
    if let Some(path) = &args.chart {
        chart::write(path, schedule, &logs)?;
        eprintln!("chart written to {}", path.display());
    }
    Ok(())
}
