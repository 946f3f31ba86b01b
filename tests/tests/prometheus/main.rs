//! The files that users copy: dashboard, rules, runbook. They are true to the metrics and to each other, and a real Prometheus
//! finds what they promise.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dashboard;
mod files;
mod live;
mod names;
mod rules;
mod runbook;
