//! What happens to the dependency, and when.

use std::time::Duration;

use crate::split::{Share, split};

/// How the dependency treats the calls it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Behaviour {
    /// It answers after `delay`, a share of `errors` (0 to 1) with status 500.
    Answer { delay: Duration, errors: f64 },
    /// It accepts connections and requests, and never answers.
    Hang,
    /// Its process is dead: open connections are cut, new ones refused.
    Down,
}

/// A stretch of the run with one behaviour.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) behaviour: Behaviour,
    pub(crate) share: Share,
}

const SERVICE_TIME: Duration = Duration::from_millis(5);
const HEALTHY: Behaviour = Behaviour::Answer { delay: SERVICE_TIME, errors: 0.0 };

/// The phases in their order; recovery is measured in the last.
///
/// The phase before the last is bad for a stack that gives up early, so its breaker is open when the
/// dependency comes back. The shares make 46 seconds come out even.
pub(crate) const PHASES: &[Phase] = &[
    Phase {
        name: "healthy",
        about: "answers after 5 ms",
        behaviour: HEALTHY,
        share: Share { least: 1, weight: 4 },
    },
    Phase {
        name: "errors_10",
        about: "10 % of the answers are 500",
        behaviour: Behaviour::Answer { delay: SERVICE_TIME, errors: 0.1 },
        share: Share { least: 1, weight: 5 },
    },
    Phase {
        name: "errors_30",
        about: "30 % of the answers are 500",
        behaviour: Behaviour::Answer { delay: SERVICE_TIME, errors: 0.3 },
        share: Share { least: 1, weight: 5 },
    },
    Phase {
        name: "hang",
        about: "accepts and never answers",
        behaviour: Behaviour::Hang,
        share: Share { least: 1, weight: 6 },
    },
    Phase {
        name: "down",
        about: "connections cut and refused",
        behaviour: Behaviour::Down,
        share: Share { least: 1, weight: 6 },
    },
    Phase {
        name: "slow",
        about: "answers after 2 s",
        behaviour: Behaviour::Answer { delay: Duration::from_secs(2), errors: 0.0 },
        share: Share { least: 1, weight: 4 },
    },
    Phase {
        name: "recovery",
        about: "answers after 5 ms again",
        behaviour: HEALTHY,
        share: Share { least: 8, weight: 2 },
    },
];

/// What the phases get of the outage.
pub(crate) fn shares() -> Vec<Share> {
    PHASES.iter().map(|phase| phase.share).collect()
}

/// One phase with its place in the run, as offsets from the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) phase: &'static Phase,
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

impl Span {
    pub(crate) fn length(&self) -> Duration {
        self.end - self.start
    }
}

/// The phases laid out over the length of a run.
#[derive(Debug)]
pub(crate) struct Schedule {
    spans: Vec<Span>,
}

impl Schedule {
    /// Splits `seconds` among the phases; `None` if they do not fit.
    pub(crate) fn split(seconds: u32) -> Option<Self> {
        let stretches = split(seconds, &shares())?;
        let spans = PHASES.iter().zip(stretches);
        let spans = spans.map(|(phase, stretch)| Span { phase, start: stretch.start, end: stretch.end });
        Some(Self { spans: spans.collect() })
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The length of the run.
    pub(crate) fn total(&self) -> Duration {
        self.spans.last().map_or(Duration::ZERO, |span| span.end)
    }

    /// The phase that runs at `offset`; after the end, the last.
    pub(crate) fn index_at(&self, offset: Duration) -> usize {
        self.spans.partition_point(|span| span.end <= offset).min(self.spans.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::least_seconds;

    #[test]
    fn default_length_splits_into_whole_seconds() {
        let schedule = Schedule::split(46).unwrap();
        let lengths = schedule.spans().iter().map(|span| span.length().as_millis());
        assert_eq!(lengths.collect::<Vec<_>>(), [5000, 6000, 6000, 7000, 7000, 5000, 10000]);
        assert_eq!(schedule.total(), Duration::from_secs(46));
    }

    #[test]
    fn shortest_run_gives_every_phase_its_least() {
        let schedule = Schedule::split(least_seconds(&shares())).unwrap();
        let lengths = schedule.spans().iter().map(|span| span.length().as_secs());
        assert_eq!(lengths.collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1, 8]);
        assert!(Schedule::split(least_seconds(&shares()) - 1).is_none());
    }

    #[test]
    fn phases_follow_each_other_without_gaps() {
        let schedule = Schedule::split(29).unwrap();
        for pair in schedule.spans().windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
        }
        assert!(schedule.total() <= Duration::from_secs(29));
    }

    #[test]
    fn a_phase_owns_its_start_and_not_its_end() {
        let schedule = Schedule::split(46).unwrap();
        let index = |millis| schedule.index_at(Duration::from_millis(millis));
        assert_eq!([index(0), index(4999), index(5000)], [0, 0, 1]);
        assert_eq!([index(35_999), index(36_000), index(99_000)], [5, 6, 6]);
    }
}
