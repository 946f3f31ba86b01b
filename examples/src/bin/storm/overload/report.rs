//! What became of the calls, by phase and stack.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{
    clients::{End, Seen},
    workload::{FACTORS, POLITE_TENANTS, Workload},
};
use crate::{
    parts::Part,
    report::{by_phase, number},
    stats::percentile_of,
};

/// What one stack made of one phase.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    part: &'static str,
    phase: String,
    stack: &'static str,
    calls: usize,
    /// Answered with 200 within the SLO.
    good: usize,
    /// The same in parts of what the workers can serve.
    goodput: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    status_503: usize,
    status_429: usize,
    refusal_p99_ms: Option<f64>,
    /// Calls without an answer.
    lost: usize,
    /// How late the slowest percent of the calls began: a busy machine, which spoils all other figures.
    late_p99_ms: Option<f64>,
    /// Calls of the polite tenants.
    polite_calls: usize,
    polite_good: usize,
    /// The least share of good answers of a polite tenant, 0 to 1.
    polite_worst: Option<f64>,
}

/// The rows of one stack, one per phase in order.
pub(super) fn rows(stack: &'static str, workload: &Workload, seen: &[Seen]) -> Vec<Row> {
    let of_phase = |phase| seen.iter().filter(move |seen| seen.phase == phase).copied().collect::<Vec<_>>();
    let launched = |phase, polite: bool| {
        let jobs = workload.jobs.iter().filter(move |job| job.phase == phase);
        jobs.filter(move |job| job.tenant > 0 || !polite).count()
    };
    let row = |phase: usize| {
        let stretch = &workload.stretches[phase];
        let seen = of_phase(phase);
        let good = count(&seen, Seen::is_good);
        let (unavailable, too_many) = (
            count(&seen, |seen| seen.end == End::Unavailable),
            count(&seen, |seen| seen.end == End::TooMany),
        );
        let answered = waits(&seen, |end| end == End::Answered);
        let refused = waits(&seen, |end| matches!(end, End::Unavailable | End::TooMany));
        let calls = launched(phase, false);
        Row {
            part: Part::Overload.name(),
            phase: format!("x{}", FACTORS[phase]),
            stack,
            calls,
            good,
            goodput: good as f64
                / ((stretch.end - stretch.start).as_secs_f64() * f64::from(workload.capacity)),
            p50_ms: percentile_of(answered.clone(), 50),
            p99_ms: percentile_of(answered.clone(), 99),
            status_503: unavailable,
            status_429: too_many,
            refusal_p99_ms: percentile_of(refused.clone(), 99),
            // Over the calls launched: one that never ended is lost.
            lost: calls - answered.len() - refused.len(),
            late_p99_ms: percentile_of(seen.iter().map(|seen| seen.late).collect(), 99),
            polite_calls: launched(phase, true),
            polite_good: count(&seen, |seen| seen.tenant > 0 && seen.is_good()),
            polite_worst: worst(&seen),
        }
    };
    (0..FACTORS.len()).map(row).collect()
}

fn count(seen: &[Seen], which: impl Fn(&Seen) -> bool) -> usize {
    seen.iter().filter(|seen| which(seen)).count()
}

fn waits(seen: &[Seen], which: impl Fn(End) -> bool) -> Vec<Duration> {
    seen.iter().filter(|seen| which(seen.end)).map(|seen| seen.took).collect()
}

/// The share of good answers of the polite tenant with the fewest; `None` without any.
fn worst(seen: &[Seen]) -> Option<f64> {
    let shares = (1..=POLITE_TENANTS).filter_map(|tenant| {
        let calls = count(seen, |seen| seen.tenant == tenant);
        let good = count(seen, |seen| seen.tenant == tenant && seen.is_good());
        (calls > 0).then(|| good as f64 / calls as f64)
    });
    shares.min_by(f64::total_cmp)
}

/// The table that the part ends with.
pub(super) fn table(stacks: &[Vec<Row>]) -> String {
    let mut text = format!(
        "{:<6}{:<10}{:>6}{:>8}{:>9}{:>9}{:>7}{:>7}{:>8}{:>7}{:>9}\n",
        "load", "stack", "calls", "good %", "p50 ms", "p99 ms", "503", "429", "no in", "lost", "worst %"
    );
    let mut phase = "";
    for row in by_phase(stacks) {
        let name = if row.phase == phase { "" } else { &row.phase };
        phase = &row.phase;
        let _ = writeln!(
            text,
            "{name:<6}{:<10}{:>6}{:>8}{:>9}{:>9}{:>7}{:>7}{:>8}{:>7}{:>9}",
            row.stack,
            row.calls,
            number(Some(row.goodput * 100.0), 1),
            number(row.p50_ms, 1),
            number(row.p99_ms, 1),
            row.status_503,
            row.status_429,
            number(row.refusal_p99_ms, 1),
            row.lost,
            number(row.polite_worst.map(|share| share * 100.0), 1),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tenant: u32, millis: u64, end: End) -> Seen {
        let late = Duration::from_millis(millis / 100);
        Seen { phase: 0, tenant, late, took: Duration::from_millis(millis), end }
    }

    fn row() -> Row {
        let workload = Workload::new(1, 100, 6).unwrap();
        let seen = [
            seen(0, 10, End::Answered),
            seen(1, 200, End::Answered),
            seen(1, 201, End::Answered),
            seen(2, 20, End::Answered),
            seen(0, 1, End::TooMany),
            seen(0, 3, End::Unavailable),
            seen(0, 1000, End::Lost),
        ];
        rows("bare", &workload, &seen).remove(0)
    }

    #[test]
    fn good_is_what_is_answered_in_time() {
        let row = row();
        assert_eq!((row.good, row.goodput), (3, 0.015));
        assert_eq!((row.p50_ms, row.p99_ms), (Some(20.0), Some(201.0)));
        assert_eq!((row.status_503, row.status_429, row.refusal_p99_ms), (1, 1, Some(3.0)));
        assert_eq!((row.lost, row.late_p99_ms), (row.calls - 6, Some(10.0)));
        assert!(row.polite_calls > 0 && 2 * row.polite_calls < row.calls);
        assert_eq!((row.polite_good, row.polite_worst), (2, Some(0.5)));
    }

    #[test]
    fn table_has_a_line_per_phase_and_stack() {
        let workload = Workload::new(1, 100, 6).unwrap();
        let table = table(&["bare", "fixed"].map(|stack| rows(stack, &workload, &[])));
        assert_eq!(table.lines().count(), 7);
        assert!(table.lines().nth(2).is_some_and(|line| line.starts_with("      fixed")), "{table}");
    }
}
