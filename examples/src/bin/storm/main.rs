//! A storm in three parts: over a dependency, over a server, and over what two routes share.
//!
//! In each part a bare stack and a protected one get the same calls at the same time; at the end
//! of each a table says what their callers saw.

mod args;
mod bars;
mod callers;
mod chart;
mod clock;
mod host;
mod live;
mod load;
mod outage;
mod overload;
mod parts;
mod record;
mod report;
mod schedule;
mod server;
mod slow_route;
mod split;
mod stats;
mod view;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::{args::Args, parts::Part, view::View};

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
    if args.chart.is_some() && args.only.is_some_and(|only| only != Part::Outage) {
        return Err("the chart is of the outage, which --only leaves out".into());
    }
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

/// Makes sure that the calls which pile up find enough file descriptors.
///
/// Both ends of every connection are in this process; without room the clients and servers would
/// fail for reasons that have nothing to do with the storm.
fn make_room(rate: u32) -> Result<(), Failure> {
    let needed = outage::files(rate).max(overload::files(rate)) + 200;
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
    let seconds = parts::seconds(args.seconds).ok_or("the parts do not fit")?;
    let view = View::start(args.live).map_err(|error| format!("the live view: {error}"))?;
    for (part, seconds) in Part::ALL.into_iter().zip(seconds) {
        if args.only.is_some_and(|only| only != part) {
            continue;
        }
        match part {
            Part::Outage => outage::run(args, &view, seconds).await?,
            Part::Overload => overload::run(args, &view, seconds).await?,
            Part::SlowRoute => slow_route::run(args, &view, seconds).await?,
        }
    }
    Ok(())
}
