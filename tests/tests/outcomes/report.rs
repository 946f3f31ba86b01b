//! What the users saw, as figures with goals.

use std::{collections::BTreeMap, fmt::Write as _};

use resilience_core::Outcome;

use crate::{
    arrivals::{Called, End},
    dependency::Seen,
};

/// All that a run has shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) calls: Vec<Called>,
    pub(crate) seen: Seen,
    /// A call counts as good if it was answered within so many seconds.
    pub(crate) slo: f64,
}

impl Run {
    /// Prints what each second was like if `OUTCOMES_TRACE` is set.
    pub(crate) fn new(calls: Vec<Called>, seen: Seen, slo: f64) -> Self {
        let run = Self { calls, seen, slo };
        if std::env::var_os("OUTCOMES_TRACE").is_some() {
            run.trace();
        }
        run
    }

    fn trace(&self) {
        let end = self.calls.iter().map(|called| called.at).fold(0.0, f64::max);
        for second in seconds(0.0, end) {
            let mut ends = BTreeMap::<String, u32>::new();
            for called in self.within(second, second + 1.0) {
                let end = if self.is_good(called) { "good".to_owned() } else { format!("{:?}", called.end) };
                *ends.entry(end).or_default() += 1;
            }
            println!("{second:4} {:5} attempts, {ends:?}", self.attempts(second, second + 1.0));
        }
    }

    fn within(&self, from: f64, to: f64) -> impl Iterator<Item = &Called> {
        self.calls.iter().filter(move |called| (from..to).contains(&called.at))
    }

    fn is_good(&self, called: &Called) -> bool {
        called.end == End::Answered && called.took <= self.slo
    }

    /// The part of the calls of this time that were good, in percent.
    pub(crate) fn ok(&self, from: f64, to: f64) -> f64 {
        let good = self.within(from, to).filter(|called| self.is_good(called)).count();
        100.0 * good as f64 / self.within(from, to).count() as f64
    }

    fn attempts(&self, from: f64, to: f64) -> usize {
        self.seen.arrivals.iter().filter(|&&at| (from..to).contains(&at)).count()
    }

    /// Attempts that arrived in this time, for each call of a user.
    pub(crate) fn amplification(&self, from: f64, to: f64) -> f64 {
        self.attempts(from, to) as f64 / self.within(from, to).count() as f64
    }

    /// The most attempts that arrived within a second of this time, as a multiple of `rate`.
    pub(crate) fn herd(&self, from: f64, to: f64, rate: f64) -> f64 {
        seconds(from, to).map(|second| self.attempts(second, second + 1.0) as f64 / rate).fold(0.0, f64::max)
    }

    /// How many seconds after `from` the first of five seconds in a row begins in each of which 95 % of the calls are good.
    pub(crate) fn recovers(&self, from: f64, to: f64) -> f64 {
        let good: Vec<bool> = seconds(from, to).map(|second| self.ok(second, second + 1.0) >= 95.0).collect();
        let first = good.windows(5).position(|five| five.iter().all(|&good| good));
        first.map_or(f64::INFINITY, |first| first as f64)
    }

    /// How many seconds after `from` the last of the callers is refused something because of failures, and not of what is in flight,
    /// for the first time.
    pub(crate) fn detects(&self, from: f64, callers: usize) -> f64 {
        let by_failures = |end| matches!(end, End::Refused(Outcome::CircuitOpen | Outcome::Throttled));
        let mut first = vec![f64::INFINITY; callers];
        for called in self.calls.iter().filter(|called| called.at >= from && by_failures(called.end)) {
            // Told then: an attempt before it may have taken its time.
            first[called.caller] = first[called.caller].min(called.at + called.took - from);
        }
        first.into_iter().fold(0.0, f64::max)
    }

    /// A quantile of the time that these calls of this time took, in milliseconds.
    pub(crate) fn quantile(&self, from: f64, to: f64, q: f64, which: impl Fn(&Called) -> bool) -> f64 {
        let mut took: Vec<f64> =
            self.within(from, to).filter(|called| which(called)).map(|called| 1000.0 * called.took).collect();
        took.sort_by(f64::total_cmp);
        took.get(rank(q, took.len())).copied().unwrap_or(f64::NAN)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
fn rank(q: f64, len: usize) -> usize {
    (q * len.saturating_sub(1) as f64).ceil() as usize
}

fn seconds(from: f64, to: f64) -> impl Iterator<Item = f64> {
    (0..).map(move |n| from + f64::from(n)).take_while(move |second| second + 1.0 <= to)
}

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It is printed only.
    None,
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::None => true,
        }
    }
}

/// A figure of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure(pub(crate) &'static str, pub(crate) f64, pub(crate) Goal);

const SEEDS: [u64; 3] = [1, 2, 3];

/// Runs a scenario with each seed, prints the figures, and insists on the goals.
pub(crate) fn judge(scenario: &str, figures: impl Fn(u64) -> Vec<Figure>) {
    let runs = SEEDS.map(figures);
    let (mut text, mut missed) = (String::new(), Vec::new());
    for (n, &Figure(name, _, goal)) in runs[0].iter().enumerate() {
        let values = runs.each_ref().map(|run| run[n].1);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let verdict = if goal.is_met(mean) { "" } else { "  MISSED" };
        let [one, two, three] = values;
        writeln!(
            text,
            "{scenario:4} {name:28} {mean:9.3}  ({one:9.3} {two:9.3} {three:9.3})  {goal:?}{verdict}"
        )
        .unwrap();
        if !goal.is_met(mean) {
            missed.push(name);
        }
    }
    print!("{text}");
    assert!(missed.is_empty(), "{scenario} misses {missed:?}\n{text}");
}
