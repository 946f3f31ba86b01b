//! The figures at the end, as a table or as JSON lines.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    parts::Part,
    record::{Log, Sample},
    schedule::{Schedule, Span},
    stats::{percentile_ms, recover_seconds},
};

/// What one stack made of one phase.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) part: &'static str,
    pub(crate) phase: &'static str,
    pub(crate) stack: &'static str,
    pub(crate) calls: u64,
    /// Share of the calls that got a whole answer with status 200, 0 to 1; `null` without calls.
    pub(crate) success: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) attempts: u64,
    pub(crate) attempts_per_call: Option<f64>,
    /// The most calls that were under way at once.
    pub(crate) peak_in_flight: u64,
    /// On the line of the last phase alone; `null` there if success never came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recover_s: Option<Option<f64>>,
}

/// The rows of one stack, one per phase in order.
pub(crate) fn rows(stack: &'static str, schedule: &Schedule, log: &Log) -> Vec<Row> {
    let last = schedule.spans().len() - 1;
    let row = |(index, span): (usize, &Span)| {
        let of_phase = |sample: &&Sample| schedule.index_at(sample.at) == index;
        let samples: Vec<_> = log.samples.iter().filter(of_phase).copied().collect();
        let tally = log.tallies[index];
        Row {
            part: Part::Outage.name(),
            phase: span.phase.name,
            stack,
            calls: tally.calls,
            // Over the calls launched, so one that never ended counts as failed.
            success: (tally.calls > 0).then(|| tally.ok as f64 / tally.calls as f64),
            p50_ms: percentile_ms(&samples, 50),
            p99_ms: percentile_ms(&samples, 99),
            attempts: tally.attempts,
            attempts_per_call: tally.attempts_per_call(),
            peak_in_flight: tally.peak,
            recover_s: (index == last).then(|| recover_seconds(&samples, span.start, span.end)),
        }
    };
    schedule.spans().iter().enumerate().map(row).collect()
}

/// One object per line.
pub(crate) fn json<'a, R: Serialize + 'a>(rows: impl Iterator<Item = &'a R>) -> serde_json::Result<String> {
    let mut text = String::new();
    for row in rows {
        text += &serde_json::to_string(row)?;
        text.push('\n');
    }
    Ok(text)
}

/// The table that the part ends with, 89 columns wide.
pub(crate) fn table(stacks: &[Vec<Row>]) -> String {
    let mut text = format!(
        "{:<10}{:<10}{:>6}{:>8}{:>10}{:>10}{:>7}{:>9}{:>10}{:>9}\n",
        "phase", "stack", "calls", "ok %", "p50 ms", "p99 ms", "sent", "per call", "in flight", "back in"
    );
    let mut phase = "";
    for row in by_phase(stacks) {
        let name = if row.phase == phase { "" } else { row.phase };
        phase = row.phase;
        let recovered = match row.recover_s {
            None => String::new(),
            Some(None) => "never".into(),
            Some(Some(seconds)) => format!("{seconds:.2} s"),
        };
        let line = format!(
            "{name:<10}{:<10}{:>6}{:>8}{:>10}{:>10}{:>7}{:>9}{:>10}{recovered:>9}",
            row.stack,
            row.calls,
            number(row.success.map(|share| share * 100.0), 2),
            number(row.p50_ms, 3),
            number(row.p99_ms, 3),
            row.attempts,
            number(row.attempts_per_call, 2),
            row.peak_in_flight,
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The stacks of a phase after each other.
pub(crate) fn by_phase<R>(stacks: &[Vec<R>]) -> impl Iterator<Item = &R> {
    let phases = stacks.first().map_or(0, Vec::len);
    (0..phases).flat_map(move |index| stacks.iter().map(move |rows| &rows[index]))
}

/// A figure with so many digits, or a dash.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::record::Tally;

    /// Two seconds of calls in the last phase, those of the first failed; one never finished.
    fn log(schedule: &Schedule) -> Log {
        let start = schedule.spans()[6].start;
        let sample = |n| Sample {
            at: start + Duration::from_millis(10) * n,
            took: Duration::from_micros(1500),
            ok: n >= 100,
        };
        let mut tallies = vec![Tally::default(); 7];
        tallies[6] = Tally { calls: 200, finished: 199, ok: 99, attempts: 180, peak: 7 };
        Log { samples: (0..199).map(sample).collect(), attempts: Vec::new(), tallies }
    }

    #[test]
    fn rows_attribute_calls_to_the_phase_of_their_launch() {
        let schedule = Schedule::split(40).unwrap();
        let rows = rows("bare", &schedule, &log(&schedule));
        assert_eq!(rows.len(), 7);
        assert_eq!((rows[0].success, rows[0].p50_ms, rows[0].recover_s), (None, None, None));
        assert_eq!((rows[6].success, rows[6].p50_ms), (Some(0.495), Some(1.5)));
        assert_eq!((rows[0].attempts_per_call, rows[6].attempts_per_call), (None, Some(0.9)));
        assert_eq!(rows[6].recover_s, Some(Some(0.95)));
    }

    #[test]
    fn json_has_one_object_per_phase_and_stack() {
        let schedule = Schedule::split(40).unwrap();
        let empty = Log { samples: Vec::new(), ..log(&schedule) };
        let stacks = [("bare", log(&schedule)), ("protected", empty)];
        let stacks = stacks.map(|(name, log)| rows(name, &schedule, &log));
        let text = json(by_phase(&stacks)).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 14);
        assert_eq!((&lines[0]["phase"], &lines[1]["stack"]), (&"healthy".into(), &"protected".into()));
        assert!(lines[0].get("recover_s").is_none());
        assert_eq!((&lines[12]["recover_s"], &lines[12]["attempts"]), (&0.95.into(), &180.into()));
        assert_eq!(lines[13]["recover_s"], Value::Null);
    }

    #[test]
    fn table_shows_the_stacks_of_a_phase_below_each_other() {
        let schedule = Schedule::split(40).unwrap();
        let stacks = ["bare", "protected"].map(|name| rows(name, &schedule, &log(&schedule)));
        let table = table(&stacks);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 15);
        assert!(lines[13].starts_with("recovery  bare"));
        assert!(lines[13].ends_with("49.50     1.500     1.500    180     0.90         7   0.95 s"));
        assert!(lines[14].starts_with("          protected"));
    }
}
