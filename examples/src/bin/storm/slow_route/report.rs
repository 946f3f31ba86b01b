//! What became of the calls, by phase, stack and route.

use std::{fmt::Write as _, ops::Range, time::Duration};

use serde::Serialize;

use super::{
    PHASES,
    callers::{End, Seen},
    workload::{Job, Route},
};
use crate::{
    parts::Part,
    record::Sample,
    report::{by_phase, number},
    stats::{percentile_of, recover_seconds},
};

/// What one stack made of one route in one phase.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    part: &'static str,
    phase: &'static str,
    stack: &'static str,
    route: Route,
    calls: usize,
    /// Answered with 200 within the SLO.
    good: usize,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// Calls that left for the dependency.
    sent: usize,
    /// Calls without an answer, and the median of how long their callers waited.
    failed: usize,
    failed_p50_ms: Option<f64>,
    /// On the lines of the last phase alone; `null` there if good answers never came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    recover_s: Option<Option<f64>>,
}

/// The rows of one stack, two per phase in order.
pub(super) fn rows(
    stack: &'static str,
    stretches: &[Range<Duration>],
    jobs: &[Job],
    seen: &[Seen],
) -> Vec<Row> {
    let row = |phase: usize, route: Route| {
        let is_here = |job: &Job| (job.phase, job.route) == (phase, route);
        let seen: Vec<_> = seen.iter().filter(|seen| is_here(&seen.job)).copied().collect();
        let waits = |which: fn(&Seen) -> bool| {
            seen.iter().filter(|seen| which(seen)).map(|seen| seen.took).collect::<Vec<_>>()
        };
        let calls = jobs.iter().filter(|job| is_here(job)).count();
        let all = waits(|_| true);
        Row {
            part: Part::SlowRoute.name(),
            phase: PHASES[phase].0,
            stack,
            route,
            calls,
            good: waits(Seen::is_good).len(),
            p50_ms: percentile_of(all.clone(), 50),
            p99_ms: percentile_of(all, 99),
            sent: waits(|seen| seen.end != End::Unsent).len(),
            // Over the calls launched: one that never ended has failed.
            failed: calls - waits(|seen| seen.end == End::Answered).len(),
            failed_p50_ms: percentile_of(waits(|seen| seen.end != End::Answered), 50),
            recover_s: (phase == PHASES.len() - 1).then(|| recovery(&seen, &stretches[phase])),
        }
    };
    (0..PHASES.len()).flat_map(|phase| Route::ALL.map(|route| row(phase, route))).collect()
}

fn recovery(seen: &[Seen], stretch: &Range<Duration>) -> Option<f64> {
    let sample = |seen: &Seen| Sample { at: seen.job.at, took: seen.took, ok: seen.is_good() };
    recover_seconds(&seen.iter().map(sample).collect::<Vec<_>>(), stretch.start, stretch.end)
}

/// The table that the part ends with.
pub(super) fn table(stacks: &[Vec<Row>]) -> String {
    let mut text = format!(
        "{:<8}{:<7}{:<10}{:>6}{:>8}{:>10}{:>10}{:>6}{:>8}{:>10}{:>9}\n",
        "phase",
        "route",
        "stack",
        "calls",
        "good %",
        "p50 ms",
        "p99 ms",
        "sent",
        "failed",
        "fail p50",
        "back in"
    );
    for (index, row) in by_phase(stacks).enumerate() {
        let is_first = index % stacks.len() == 0;
        let phase = if is_first && row.route == Route::A { row.phase } else { "" };
        let route = if is_first { &row.route.path()[1..] } else { "" };
        let recovered = match row.recover_s {
            None => String::new(),
            Some(None) => "never".into(),
            Some(Some(seconds)) => format!("{seconds:.2} s"),
        };
        let good = (row.calls > 0).then(|| 100.0 * row.good as f64 / row.calls as f64);
        let line = format!(
            "{phase:<8}{route:<7}{:<10}{:>6}{:>8}{:>10}{:>10}{:>6}{:>8}{:>10}{recovered:>9}",
            row.stack,
            row.calls,
            number(good, 1),
            number(row.p50_ms, 3),
            number(row.p99_ms, 3),
            row.sent,
            row.failed,
            number(row.failed_p50_ms, 3),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{slow_route::shares, split::split};

    const MS: Duration = Duration::from_millis(1);

    /// Calls on route A in the last phase: those of its first second have no answer.
    fn stacks() -> [Vec<Row>; 2] {
        let stretches = split(9, &shares()).unwrap();
        let job = |n: u32| Job { at: stretches[2].start + 10 * MS * n, phase: 2, route: Route::A };
        let jobs: Vec<_> = (0..300).map(job).collect();
        let seen = |job: &Job| {
            let (end, took) = match job.at - stretches[2].start {
                into if into < 500 * MS => (End::Unsent, 2 * MS),
                into if into < 1000 * MS => (End::Failed, 2 * MS),
                _ => (End::Answered, 50 * MS),
            };
            Seen { job: *job, took, end }
        };
        let seen: Vec<_> = jobs[1..].iter().map(seen).collect();
        ["bare", "protected"].map(|stack| rows(stack, &stretches, &jobs, &seen))
    }

    #[test]
    fn rows_say_what_failed_and_how_fast() {
        let row = &stacks()[0][4];
        assert_eq!((row.phase, row.route, row.calls, row.good), ("after", Route::A, 300, 200));
        assert_eq!(row.sent, 250);
        assert_eq!((row.failed, row.failed_p50_ms, row.p99_ms), (100, Some(2.0), Some(50.0)));
        assert_eq!(row.recover_s, Some(Some(0.95)));
        assert_eq!(stacks()[0][5].recover_s, Some(None));
        assert_eq!((stacks()[0][0].recover_s, stacks()[0][2].recover_s), (None, None));
    }

    #[test]
    fn good_answers_are_those_in_time() {
        let job = Job { at: Duration::ZERO, phase: 0, route: Route::B };
        let good = |took, end| Seen { job, took, end }.is_good();
        assert!(good(200 * MS, End::Answered) && !good(201 * MS, End::Answered));
        assert!(!good(MS, End::Failed) && !good(MS, End::Unsent));
    }

    #[test]
    fn table_shows_the_stacks_of_a_route_below_each_other() {
        let table = table(&stacks());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 13);
        assert!(lines[9].starts_with("after   a      bare") && lines[9].ends_with("0.95 s"), "{table}");
        assert!(lines[10].starts_with("               protected"), "{table}");
        assert!(lines[11].starts_with("        b      bare"), "{table}");
    }
}
