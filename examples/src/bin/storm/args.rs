//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::{
    overload,
    parts::{Part, least},
    schedule::PHASES,
    slow_route,
};

const MOST_SECONDS: u32 = 600;
const LEAST_RATE: u32 = 10;
const MOST_RATE: u32 = 1000;

/// Puts bare and protected stacks through the same storm and compares what their callers saw:
/// clients through an outage, servers through an overload, two routes with what they share.
#[derive(Debug, Parser)]
#[command(name = "storm", after_help = legend())]
pub(crate) struct Args {
    /// Length of the run in seconds, all parts together: 29 to 600
    #[arg(long, value_name = "N", default_value = "71", value_parser = seconds)]
    pub(crate) seconds: u32,

    /// Calls per second and stack in the outage, in the mean: 10 to 1000; the other parts are
    /// built around as many, within 100 to 500
    #[arg(long, value_name = "N", default_value = "200", value_parser = rate)]
    pub(crate) rate: u32,

    /// Seed of the arrivals, of the failures, of the pauses before retries and of the work
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,

    /// Leave out the other parts; this one keeps its length
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<Part>,

    /// Write a chart of the outage to this file
    #[arg(long, value_name = "FILE.svg", value_parser = chart)]
    pub(crate) chart: Option<PathBuf>,

    /// Serve the live view of what is protected at this port of the loopback interface while the storm lasts
    #[arg(long, value_name = "PORT")]
    pub(crate) live: Option<u16>,

    /// Print one JSON object per phase and stack instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

fn seconds(text: &str) -> Result<u32, String> {
    whole(text, least(), MOST_SECONDS)
}

fn rate(text: &str) -> Result<u32, String> {
    whole(text, LEAST_RATE, MOST_RATE)
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("it must be a whole number from {least} to {most}"))
}

/// Refuses a path that could not be written to when the run is over.
fn chart(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if path.is_dir() || path.file_name().is_none() {
        return Err("not the name of a file".into());
    }
    if !folder.is_dir() {
        return Err(format!("there is no folder {}", folder.display()));
    }
    Ok(path)
}

fn legend() -> String {
    let lines = PHASES.iter().map(|phase| format!("  {:<11}{}\n", phase.name, phase.about));
    format!(
        "THE OUTAGE OF A DEPENDENCY\n\
         Stacks:\n  \
           bare       reqwest with a timeout of 5 s\n  \
           naive      up to three attempts of 500 ms each within a deadline of 5 s\n  \
           protected  the same under the client's preset: budget, throttle, breaker, limit\n\
         \n\
         Phases, what the server does in each:\n{}\n\
         Columns:\n  \
           sent       attempts that left the client for the server\n  \
           per call   sent over calls; the retries of a call may fall into the next phase\n  \
           in flight  the most calls that were under way at once\n  \
           back in    from the start of the recovery until 95 % of the calls of a second are ok\n\
         \n\
         {}\n\
         \n\
         {}",
        lines.collect::<String>(),
        overload::LEGEND,
        slow_route::LEGEND,
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let args = ["storm"].iter().chain(args);
        Args::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_within_their_ranges() {
        let args = parse(&[]).unwrap();
        assert_eq!((args.seconds, args.rate, args.seed), (71, 200, 1));
        assert_eq!(parse(&["--seconds", "29"]).unwrap().seconds, 29);
        assert_eq!(parse(&[]).unwrap().live, None);
        assert_eq!(parse(&["--live", "9000"]).unwrap().live, Some(9000));
    }

    #[test]
    fn bad_values_are_refused_with_the_valid_range() {
        for bad in ["28", "601", "0", "-1", "1.5", "long", ""] {
            let error = parse(&[&format!("--seconds={bad}")]).unwrap_err();
            assert!(error.contains("from 29 to 600"), "{error}");
        }
        for bad in ["9", "1001", "fast"] {
            let error = parse(&["--rate", bad]).unwrap_err();
            assert!(error.contains("from 10 to 1000"), "{error}");
        }
    }

    #[test]
    fn help_names_the_ranges_the_phases_and_the_columns() {
        let help = Args::command().render_help().to_string();
        for part in [
            ": 29 to 600",
            ": 10 to 1000",
            "naive",
            "recovery",
            "per call",
            "back in",
            "slow-route",
            "worst %",
        ] {
            assert!(help.contains(part), "{part} is not in {help}");
        }
    }

    #[test]
    fn a_chart_that_cannot_be_written_is_refused_before_the_run() {
        assert!(parse(&["--chart", "no/such/folder/storm.svg"]).unwrap_err().contains("no/such/folder"));
        assert!(parse(&["--chart", "."]).is_err());
        assert_eq!(parse(&["--chart", "storm.svg"]).unwrap().chart, Some("storm.svg".into()));
    }
}
