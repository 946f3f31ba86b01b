//! What a closed breaker watches, and when it is too much: pure.

use std::{num::NonZeroU32, time::Duration};

use super::{
    Cause, Config,
    window::{CountWindow, Counts, TimeWindow},
};
use crate::nanos::nanos;

/// What a call means to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) answer: Answer,
    pub(super) slow: bool,
    /// How long the other side asked to be left alone.
    pub(super) hint: Duration,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Failed,
    /// A failure in a rate, but no part of a run of failures.
    Throttled,
    /// It was dropped, after too long: slow, and nothing else is known.
    None,
}

impl Answer {
    pub(super) const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Throttled)
    }
}

/// The windows and the run of failures.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    time: Option<TimeWindow>,
    count: Option<CountWindow>,
    run: u32,
}

impl Conditions {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            time: config.time_window.map(|length| TimeWindow::new(nanos(length), config.buckets)),
            count: count_window(config).map(CountWindow::new),
            run: 0,
        }
    }

    /// The same observations under other settings.
    pub(super) fn reshaped(&self, config: &Config, now: u64) -> Self {
        let time = config.time_window.map(|length| match &self.time {
            Some(time) => time.resized(nanos(length), config.buckets, now),
            None => TimeWindow::new(nanos(length), config.buckets),
        });
        let count = count_window(config).map(|length| match &self.count {
            Some(count) => count.resized(length),
            None => CountWindow::new(length),
        });
        Self { time, count, run: self.run }
    }

    /// Adds one call.
    pub(super) fn add(&mut self, report: Report) {
        let failed = report.answer.is_failure();
        if let Some(time) = &mut self.time {
            time.add(Counts::one(failed, report.slow));
        }
        if let Some(count) = &mut self.count {
            count.push(failed, report.slow);
        }
        match report.answer {
            Answer::Good => self.run = 0,
            Answer::Failed => self.run = self.run.saturating_add(1),
            Answer::Throttled | Answer::None => {}
        }
    }

    /// Adds calls that were neither failures nor slow.
    pub(super) fn add_good(&mut self, n: u64) {
        if n == 0 {
            return;
        }
        if let Some(time) = &mut self.time {
            time.add(Counts::good(n));
        }
        if let Some(count) = &mut self.count {
            count.push_good(n);
        }
        self.run = 0;
    }

    /// Moves the time window on to `now`.
    pub(super) fn turn(&mut self, now: u64) {
        if let Some(time) = &mut self.time {
            time.advance(now);
        }
    }

    /// The first condition that is too much, and the counts of the window that says so.
    pub(super) fn exceeded(&self, config: &Config) -> Option<(Cause, Counts)> {
        if config.consecutive_failures.is_some_and(|limit| self.run >= limit) {
            let shown = self.windows(config).next().map_or(Counts::default(), |(total, _)| total);
            return Some((Cause::ConsecutiveFailures, shown));
        }
        self.windows(config).find_map(|(total, min_calls)| {
            if total.calls < min_calls {
                return None;
            }
            let reaches = |rate: f64, limit: Option<f64>| limit.is_some_and(|limit| rate >= limit);
            if reaches(total.failure_rate(), config.failure_rate) {
                return Some((Cause::FailureRate, total));
            }
            let slow_limit = config.slow_calls.map(|slow| slow.rate);
            reaches(total.slow_rate(), slow_limit).then_some((Cause::SlowRate, total))
        })
    }

    /// Whether one more good call could be the one that makes a bad rate count.
    pub(super) fn wait_for_min_calls(&self, config: &Config) -> bool {
        self.windows(config).any(|(total, min_calls)| !total.is_clean() && total.calls < min_calls)
    }

    /// Up to which moment calls fall into the present bucket.
    pub(super) fn bucket_ends(&self) -> u64 {
        self.time.as_ref().map_or(u64::MAX, TimeWindow::bucket_ends)
    }

    /// The counts of the window that is shown, at `now`: of the time window if there is one.
    pub(super) fn shown_at(&self, now: u64) -> Counts {
        match (&self.time, &self.count) {
            (Some(time), _) => time.total_at(now),
            (None, Some(count)) => count.total(),
            (None, None) => Counts::default(),
        }
    }

    pub(super) const fn run(&self) -> u32 {
        self.run
    }

    /// Whether nothing bad is remembered at `now`.
    pub(super) fn are_clean(&self, now: u64) -> bool {
        let count = self.count.as_ref().map_or(Counts::default(), CountWindow::total);
        self.run == 0 && self.shown_at(now).is_clean() && count.is_clean()
    }

    pub(super) fn clear(&mut self) {
        self.run = 0;
        if let Some(time) = &mut self.time {
            time.clear();
        }
        if let Some(count) = &mut self.count {
            count.clear();
        }
    }

    /// Each window's counts, and how many calls make them count.
    fn windows(&self, config: &Config) -> impl Iterator<Item = (Counts, u64)> {
        let min_calls = u64::from(config.min_calls);
        let time = self.time.as_ref().map(|time| (time.total(), min_calls));
        let count = self.count.as_ref().map(|count| (count.total(), min_calls.min(count.len())));
        time.into_iter().chain(count)
    }
}

fn count_window(config: &Config) -> Option<NonZeroU32> {
    config.count_window.and_then(NonZeroU32::new)
}
