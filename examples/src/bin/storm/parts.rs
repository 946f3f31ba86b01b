//! The parts of the storm, and what they have in common.

use std::{
    io::Write,
    ops::Range,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use serde::Serialize;
use tokio::time::sleep_until;

use crate::{
    Failure,
    args::Args,
    overload,
    report::{by_phase, json},
    schedule, slow_route,
    split::{Share, least_seconds},
};

/// One after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Outage,
    Overload,
    SlowRoute,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Outage, Self::Overload, Self::SlowRoute];

    /// The name in the JSON output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Overload => "overload",
            Self::SlowRoute => "slow_route",
        }
    }

    /// The seconds that it takes at least, and those that it gets more by default.
    fn share(self) -> Share {
        let (phases, weight) = match self {
            Self::Outage => (schedule::shares(), 32),
            Self::Overload => (overload::shares(), 6),
            Self::SlowRoute => (slow_route::shares(), 4),
        };
        Share { least: least_seconds(&phases), weight }
    }
}

/// The fewest seconds that all parts fit into.
pub(crate) fn least() -> u32 {
    least_seconds(&Part::ALL.map(Part::share))
}

/// The whole seconds of each part; `None` if they do not fit.
pub(crate) fn seconds(all: u32) -> Option<[u32; 3]> {
    let spare = all.checked_sub(least())?;
    let weights: u32 = Part::ALL.iter().map(|part| part.share().weight).sum();
    let of = |part: Part| part.share().least + spare * part.share().weight / weights;
    let (overload, slow_route) = (of(Part::Overload), of(Part::SlowRoute));
    Some([all - overload - slow_route, overload, slow_route])
}

/// Calls per second that the later parts are built around: `--rate`, within what shows a queue as it
/// should be and what two cores can send five times of to three servers.
pub(crate) fn pace(rate: u32) -> u32 {
    rate.clamp(100, 500)
}

/// Says on standard error what begins when.
pub(crate) async fn announce(part: Part, start: Instant, phases: &[(Range<Duration>, String)]) {
    for (stretch, about) in phases {
        sleep_until((start + stretch.start).into()).await;
        eprintln!("{:5.1} s  {:<11}begins: {about}", stretch.start.as_secs_f64(), part.name());
    }
}

/// Prints the rows of a part: a title and a table, or JSON lines.
pub(crate) fn print<R: Serialize>(
    args: &Args,
    title: &str,
    stacks: &[Vec<R>],
    table: impl FnOnce(&[Vec<R>]) -> String,
) -> Result<(), Failure> {
    let text = if args.json { json(by_phase(stacks))? } else { format!("\n{title}\n{}", table(stacks)) };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_length_is_the_default_of_every_part() {
        assert_eq!(seconds(71), Some([46, 12, 13]));
    }

    #[test]
    fn no_second_is_lost_and_every_part_has_its_least() {
        assert_eq!((seconds(28), seconds(29)), (None, Some([14, 6, 9])));
        for all in 29..=600 {
            let parts = seconds(all).unwrap();
            assert_eq!(parts.iter().sum::<u32>(), all);
            for (part, seconds) in Part::ALL.iter().zip(parts) {
                assert!(seconds >= part.share().least);
            }
        }
    }

    #[test]
    fn pace_is_bounded() {
        assert_eq!([10, 200, 1000].map(pace), [100, 200, 500]);
    }
}
