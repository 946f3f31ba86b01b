//! The view on a terminal: a bar per phase and a line per stack.

use std::{collections::VecDeque, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    live::{TICK, Watched},
    record::{Log, Tally},
    schedule::Schedule,
};

/// Rates are taken over the latest second.
const RATE_OVER: Duration = Duration::from_secs(1);

/// The bars and lines, and what they need from one tick to the next.
#[derive(Debug)]
pub(crate) struct Bars {
    heading: ProgressBar,
    phases: Vec<ProgressBar>,
    stacks: Vec<ProgressBar>,
    /// The totals of each stack at the latest ticks, the oldest first.
    past: VecDeque<Vec<Tally>>,
}

impl Bars {
    pub(crate) fn new(schedule: &Schedule, stacks: &[Watched]) -> Self {
        let all = MultiProgress::new();
        let add = |length: u64, style: ProgressStyle| all.add(ProgressBar::new(length).with_style(style));
        let plain = || style("{msg}");
        let names = stacks.iter().map(|stack| format!("{:>19}", stack.name)).collect::<String>();
        let heading = add(0, plain()).with_message(format!("{:<21}{names}", "phase"));
        let phases = schedule.spans().iter().map(|span| {
            let bar = add(millis(span.length()), style("{prefix:<9} {bar:10} {msg}"));
            bar.with_prefix(span.phase.name).with_message("")
        });
        let phases = phases.collect();
        let stacks = stacks.iter().map(|_| add(0, plain())).collect();
        Self { heading, phases, stacks, past: VecDeque::new() }
    }

    pub(crate) fn update(&mut self, schedule: &Schedule, stacks: &[Watched], elapsed: Duration) {
        self.heading.tick();
        for (index, (bar, span)) in self.phases.iter().zip(schedule.spans()).enumerate() {
            let into = elapsed.saturating_sub(span.start).min(span.length());
            bar.set_position(millis(into));
            if !into.is_zero() {
                bar.set_message(stacks.iter().map(|stack| cell(stack, index)).collect::<String>());
            }
        }
        let totals: Vec<Tally> = stacks.iter().map(|stack| stack.recorder.read(Log::total)).collect();
        let before = self.past.front().unwrap_or(&totals);
        let over = TICK * u32::try_from(self.past.len()).unwrap_or(u32::MAX);
        for (index, stack) in stacks.iter().enumerate() {
            self.stacks[index].set_message(line(stack, before[index], totals[index], over));
        }
        self.past.push_back(totals);
        if TICK * u32::try_from(self.past.len()).unwrap_or(u32::MAX) > RATE_OVER {
            self.past.pop_front();
        }
    }
}

/// What a stack has made of a phase so far.
fn cell(stack: &Watched, index: usize) -> String {
    let tally = stack.recorder.read(|log| log.tallies[index]);
    let ok = tally.ok_percent().map_or_else(|| "-".into(), |ok| format!("{ok:.1}"));
    format!("{ok:>6} %{:>6} sent", tally.attempts)
}

/// What a stack is doing right now.
fn line(stack: &Watched, before: Tally, now: Tally, over: Duration) -> String {
    let rate = |count: u64| {
        let seconds = over.as_secs_f64();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    };
    format!(
        "{:<10}{:>5.0} calls/s{:>6.0} sent/s{:>6} in flight{}",
        stack.name,
        rate(now.calls - before.calls),
        rate(now.attempts - before.attempts),
        now.calls - now.finished,
        stack.breaker(),
    )
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; a wrong one shows the default style rather than ending the run.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
