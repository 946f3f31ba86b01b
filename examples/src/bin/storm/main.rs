//! A storm over one dependency, weathered by a bare reqwest client, by a naive one and by a protected one.
//!
//! Each client drives a server of its own with the same arrivals through the same phases, all at
//! the same time; at the end a table says what their callers saw.

mod args;
mod bars;
mod callers;
mod chart;
mod clock;
mod host;
mod live;
mod load;
mod outage;
mod record;
mod report;
mod schedule;
mod server;
mod split;
mod stats;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::args::Args;

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
            result = outage::run(args, args.seconds) => result.map(|()| false),
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
    let needed = outage::files(rate) + 200;
    let limit = rlimit::increase_nofile_limit(needed)?;
    if limit < needed {
        return Err(format!(
            "a rate of {rate} needs {needed} open files and the limit is {limit}: lower --rate or raise `ulimit -n`"
        )
        .into());
    }
    Ok(())
}
