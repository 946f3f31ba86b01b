//! The view while the storm rages, on standard error: bars on a terminal, lines elsewhere.

use std::{
    future::Future,
    io::IsTerminal,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use resilience_core::circuit_breaker::{CircuitBreaker, State};
use tokio::time::interval;

use crate::{
    bars::Bars,
    clock,
    record::Recorder,
    schedule::{Schedule, Span},
};

pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Begins a line below the one before, where the name of a phase ends.
const INDENT: &str = "\n                    ";

/// A stack as the view sees it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) name: &'static str,
    pub(crate) recorder: Recorder,
    pub(crate) breaker: Option<CircuitBreaker>,
}

impl Watched {
    /// How its breaker stands, ready to be appended to a line.
    pub(crate) fn breaker(&self) -> String {
        let Some(breaker) = &self.breaker else { return String::new() };
        let snapshot = breaker.snapshot(clock::now());
        let wait = snapshot.retry_after.filter(|_| snapshot.state == State::Open);
        let wait = wait.map_or_else(String::new, |wait| format!(" for {:.1} s", wait.as_secs_f64()));
        format!(", breaker {}{wait}", snapshot.state.as_str())
    }
}

/// Shows the run to whoever started it.
#[derive(Debug)]
pub(crate) struct Live {
    schedule: Arc<Schedule>,
    start: Instant,
    stacks: Vec<Watched>,
    view: View,
}

#[derive(Debug)]
enum View {
    Bars(Bars),
    /// How many notes have been printed: one at the start and one at the end of each phase.
    Lines(usize),
}

impl Live {
    pub(crate) fn new(schedule: Arc<Schedule>, start: Instant, stacks: Vec<Watched>) -> Self {
        let view = if std::io::stderr().is_terminal() {
            View::Bars(Bars::new(&schedule, &stacks))
        } else {
            View::Lines(0)
        };
        Self { schedule, start, stacks, view }
    }

    /// Shows the run until `work` is done.
    pub(crate) async fn watch<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                result = &mut work => {
                    self.update();
                    return result;
                }
                _ = ticks.tick() => self.update(),
            }
        }
    }

    fn update(&mut self) {
        let elapsed = clock::now().saturating_duration_since(self.start);
        match &mut self.view {
            View::Bars(bars) => bars.update(&self.schedule, &self.stacks, elapsed),
            View::Lines(printed) => {
                while let Some(span) = self.schedule.spans().get(*printed / 2) {
                    let (due, line) = if *printed % 2 == 0 {
                        (span.start, opening(span))
                    } else {
                        (span.end, closing(*printed / 2, span, &self.stacks))
                    };
                    if elapsed < due {
                        break;
                    }
                    eprintln!("{:5.1} s  {:<11}{line}", due.as_secs_f64(), span.phase.name);
                    *printed += 1;
                }
            }
        }
    }
}

fn opening(span: &Span) -> String {
    format!("begins: {}", span.phase.about)
}

fn closing(index: usize, span: &Span, stacks: &[Watched]) -> String {
    let parts = stacks.iter().map(|stack| {
        let tally = stack.recorder.read(|log| log.tallies[index]);
        let rate = tally.attempts as f64 / span.length().as_secs_f64();
        let ok = tally.ok_percent().map_or_else(|| "-".into(), |ok| format!("{ok:.1} % ok"));
        let name = stack.name;
        format!(
            "{name:<10}{ok:>11}, {rate:>4.0} sent/s, up to {:>4} in flight{}",
            tally.peak,
            stack.breaker()
        )
    });
    parts.collect::<Vec<_>>().join(INDENT)
}
