//! A storm over one dependency, weathered by a bare reqwest client, by a naive one and by a protected one.
//!
//! Each client drives a server of its own with the same arrivals through the same phases, all at
//! the same time; at the end a table says what their callers saw.

mod args;
mod bars;
mod callers;
mod chart;
mod clock;
mod live;
mod load;
mod record;
mod report;
mod schedule;
mod server;
mod stats;

use std::{error::Error, io::Write, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;

use crate::{
    args::Args,
    callers::{ATTEMPT, Bare, Layered, PATIENCE},
    live::{Live, Watched},
    load::Load,
    record::Recorder,
    schedule::Schedule,
    server::Server,
};

type Failure = Box<dyn Error>;

/// What a shell expects of a program that was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Failure> {
    make_room(args.rate)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let interrupted = runtime.block_on(async {
        tokio::select! {
            result = storm(args) => result.map(|()| false),
            signal = tokio::signal::ctrl_c() => Ok(signal.map(|()| true)?),
        }
    })?;
    // Nothing that is still under way is worth waiting for.
    runtime.shutdown_background();
    if interrupted {
        eprintln!("interrupted");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that the calls which pile up in the hang find enough file descriptors.
///
/// Both ends of every connection are in this process; without room the clients and servers would
/// fail for reasons that have nothing to do with the storm.
fn make_room(rate: u32) -> Result<(), Failure> {
    // A connection per call, with two ends, for as long as each stack lets it wait: the bare one to the end of
    // its patience, the others for three attempts at most; and some to spare.
    let needed = 2 * u64::from(rate) * ((PATIENCE + 2 * 3 * ATTEMPT).as_secs() + 1) + 200;
    let limit = rlimit::increase_nofile_limit(needed)?;
    if limit < needed {
        return Err(format!(
            "a rate of {rate} needs {needed} open files and the limit is {limit}: lower --rate or raise `ulimit -n`"
        )
        .into());
    }
    Ok(())
}

async fn storm(args: &Args) -> Result<(), Failure> {
    let schedule = Arc::new(Schedule::split(args.seconds).ok_or("the phases do not fit")?);
    let server = || Server::start(args.seed);
    let (mut bare_server, mut naive_server, mut protected_server) = (server()?, server()?, server()?);
    let start = clock::now() + Duration::from_millis(100);
    let recorder = || Recorder::new(start, Arc::clone(&schedule));
    let (bare_log, naive_log, protected_log) = (recorder(), recorder(), recorder());
    let breaker = callers::breaker(start, args.seed);
    let bare = Bare::new(bare_server.url().parse()?, bare_log.clone())?;
    let naive = Layered::naive(naive_server.url().parse()?, naive_log.clone(), args.seed)?;
    let url = protected_server.url().parse()?;
    let protected = Layered::protected(url, protected_log.clone(), args.seed, breaker.clone())?;

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
    let text = if args.json { report::json(&rows)? } else { report::table(&rows) };
    std::io::stdout().write_all(text.as_bytes())?;
    if let Some(path) = &args.chart {
        chart::write(path, schedule, &logs)?;
        eprintln!("chart written to {}", path.display());
    }
    Ok(())
}
