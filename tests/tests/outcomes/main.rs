//! What the users of a stack see when what it calls fails: published scenarios, in virtual time.
//!
//! Open-loop arrivals, a dependency with workers and a queue, a schedule of faults, and the client's preset as it is shipped: only
//! the timeout of an attempt and that of the whole operation are the scenario's. Each runs with the seeds 1 to 3 and is judged by
//! the average; `cargo test -p tests --test outcomes -- --nocapture` prints the figures, and with
//! `OUTCOMES_TRACE=1` what each second was like.
//!
//! Time is Tokio's, paused: it stands still while anything can run, and then jumps to the next timer. Timers are whole milliseconds, so
//! whatever a caller sees is rounded up to one: an arrival is up to a millisecond late, and so is an answer. The dependency itself counts in
//! fractions, so its capacity is exact. A run is on one thread and all chance is drawn from its seed: it repeats to the bit.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod arrivals;
mod checks;
mod dependency;
mod report;
mod scenarios;
mod schedule;
mod stacks;
