//! Every kind against a naive model: plain numbers, or a list of all that ever happened, scanned anew for each question.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};

use super::{RetryBudget, Tab};
use crate::FailureKind::{self, Fault, PeerOverloaded, Permanent, Throttled, Timeout, Transient};

/// How many operations there are at a time.
const OPERATIONS: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Step {
    Open(usize),
    Fail(FailureKind),
    Withdraw(usize, FailureKind),
    Deposit(usize),
    Close(usize),
}

fn kind() -> impl Strategy<Value = FailureKind> {
    prop::sample::select(vec![Transient, Fault, Throttled, PeerOverloaded, Timeout, Permanent])
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0..OPERATIONS;
    prop_oneof![
        1 => which().prop_map(Step::Open),
        1 => kind().prop_map(Step::Fail),
        3 => (which(), kind()).prop_map(|(which, kind)| Step::Withdraw(which, kind)),
        3 => which().prop_map(Step::Deposit),
        1 => which().prop_map(Step::Close),
    ]
}

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn start() -> Instant {
    Instant::now()
}

/// A budget of tokens as its source describes it, in thousandths of tokens.
#[derive(Clone, Copy, Debug)]
enum Tokens {
    SuccessPaid { capacity: u32, fast: u32, timeout: u32 },
    Quota,
    Throttle { max: u32, ratio: u32 },
}

impl Tokens {
    fn budget(self) -> RetryBudget {
        match self {
            Self::SuccessPaid { capacity, fast, timeout } => {
                let settings = RetryBudget::success_paid().capacity(capacity).cost(Timeout, timeout);
                [Transient, Fault, Throttled, PeerOverloaded, Permanent]
                    .into_iter()
                    .fold(settings, |settings, kind| settings.cost(kind, fast))
                    .into()
            }
            Self::Quota => RetryBudget::quota(),
            Self::Throttle { max, ratio } => RetryBudget::throttle(max, f64::from(ratio) / 1000.0),
        }
    }

    fn max(self) -> i64 {
        1000 * match self {
            Self::SuccessPaid { capacity, .. } => i64::from(capacity),
            Self::Quota => 500,
            Self::Throttle { max, .. } => i64::from(max),
        }
    }

    fn cost(self, kind: FailureKind) -> i64 {
        1000 * match (self, kind) {
            (Self::SuccessPaid { timeout, .. }, Timeout) => i64::from(timeout),
            (Self::SuccessPaid { fast, .. }, _) => i64::from(fast),
            (Self::Quota, Throttled) => 5,
            (Self::Quota, _) => 14,
            (Self::Throttle { .. }, _) => 0,
        }
    }
}

fn tokens() -> impl Strategy<Value = Tokens> {
    prop_oneof![
        (1..60_u32, 1..12_u32, 1..12_u32).prop_map(|(capacity, fast, timeout)| Tokens::SuccessPaid {
            capacity,
            fast,
            timeout
        }),
        Just(Tokens::Quota),
        (1..20_u32, 1..2000_u32).prop_map(|(max, ratio)| Tokens::Throttle { max, ratio }),
    ]
}

proptest! {
    #[test]
    fn tokens_equal_the_model(rules in tokens(), steps in vec(step(), 1..600)) {
        let (budget, now) = (rules.budget(), start());
        let mut tabs: Vec<Tab> = (0..OPERATIONS).map(|_| budget.open(|| now)).collect();
        let mut left = rules.max();
        let mut last_costs = [0; OPERATIONS];
        for step in steps {
            match step {
                Step::Open(which) => {
                    tabs[which] = budget.open(|| now);
                    last_costs[which] = 0;
                }
                Step::Fail(kind) => {
                    budget.fail(kind);
                    if let Tokens::Throttle { .. } = rules {
                        left = (left - 1000).max(0);
                    }
                }
                Step::Withdraw(which, kind) => {
                    let granted = match rules {
                        Tokens::Throttle { .. } => left > rules.max() / 2,
                        _ => left >= rules.cost(kind),
                    };
                    prop_assert_eq!(budget.withdraw(&mut tabs[which], kind, || now), granted);
                    if granted {
                        left -= rules.cost(kind);
                        last_costs[which] = rules.cost(kind);
                    }
                }
                Step::Deposit(which) => {
                    budget.deposit(&mut tabs[which]);
                    left += match rules {
                        Tokens::Quota if last_costs[which] > 0 => last_costs[which],
                        Tokens::SuccessPaid { .. } | Tokens::Quota => 1000,
                        Tokens::Throttle { ratio, .. } => i64::from(ratio),
                    };
                    left = left.min(rules.max());
                    last_costs[which] = 0;
                }
                Step::Close(which) => budget.close(&mut tabs[which]),
            }
            prop_assert_eq!(budget.tokens(now), left as f64 / 1000.0);
        }
    }

    #[test]
    fn retries_in_flight_equal_the_model(
        percent in 1..=100_u32,
        min in 0..4_u32,
        steps in vec(step(), 1..600),
    ) {
        let (budget, now) = (RetryBudget::in_flight(percent, min), start());
        // Per operation that is open: its tab and whether it retries.
        let mut open: Vec<(Tab, bool)> = Vec::new();
        for step in steps {
            let at = |which: usize| Some(which % open.len().max(1)).filter(|&at| at < open.len());
            match step {
                // Again and again, so that a percentage comes to something.
                Step::Open(times) => open.extend((0..times).map(|_| (budget.open(|| now), false))),
                Step::Fail(kind) => budget.fail(kind),
                Step::Withdraw(which, kind) => {
                    let Some(at) = at(which) else { continue };
                    open[at].1 = false;
                    let retrying = open.iter().filter(|(_, retrying)| *retrying).count();
                    let limit = (open.len() * percent as usize / 100).max(min as usize);
                    open[at].1 = retrying < limit;
                    let (tab, granted) = &mut open[at];
                    prop_assert_eq!(budget.withdraw(tab, kind, || now), *granted);
                }
                Step::Deposit(which) => {
                    if let Some(at) = at(which) {
                        budget.deposit(&mut open[at].0);
                    }
                }
                Step::Close(which) => {
                    if let Some(at) = at(which) {
                        let (mut tab, _) = open.swap_remove(at);
                        budget.close(&mut tab);
                        budget.close(&mut tab);
                    }
                }
            }
            let retrying = open.iter().filter(|(_, retrying)| *retrying).count();
            let limit = (open.len() * percent as usize / 100).max(min as usize);
            prop_assert_eq!(budget.max_tokens(), limit as f64);
            prop_assert_eq!(budget.tokens(now), limit.saturating_sub(retrying) as f64);
        }
    }
}

/// What happens to a ratio: time passes, then somebody asks, perhaps with a time read a while ago. In milliseconds.
#[derive(Clone, Copy, Debug)]
enum Timed {
    Requests { wait: u64, late: u64, times: u32 },
    Retry { wait: u64, late: u64 },
}

fn timed(ttl: u64) -> impl Strategy<Value = Timed> {
    let wait = || prop_oneof![5 => Just(0), 3 => 0..ttl / 4, 1 => 0..3 * ttl, 1 => Just(1000 * ttl)];
    let late = || prop_oneof![5 => Just(0), 1 => 0..7 * ttl];
    prop_oneof![
        2 => (wait(), late(), 1..20_u32).prop_map(|(wait, late, times)| Timed::Requests { wait, late, times }),
        3 => (wait(), late()).prop_map(|(wait, late)| Timed::Retry { wait, late }),
    ]
}

/// All that ever happened, each with its slice, in thousandths of a retry.
#[derive(Debug)]
struct History {
    happened: Vec<(u64, i64)>,
    half_ttl: u64,
    reserve: i64,
}

impl History {
    /// The slice of this time, or the one that others have reached.
    fn slice(&self, millis: u64) -> u64 {
        self.happened.iter().map(|&(slice, _)| slice).fold(millis / self.half_ttl, u64::max)
    }

    fn left(&self, slice: u64) -> i64 {
        let counts = |&&(of, _): &&(u64, i64)| of == slice || of + 1 == slice;
        self.reserve + self.happened.iter().filter(counts).map(|&(_, moved)| moved).sum::<i64>()
    }
}

proptest! {
    #[test]
    fn ratios_equal_the_model(
        thousandths in 0..=1000_u32,
        reserve_per_second in 0..4_u32,
        (ttl, steps) in (2..=120_u64).prop_map(|half_seconds| 500 * half_seconds)
            .prop_flat_map(|ttl| (Just(ttl), vec(timed(ttl), 1..300))),
    ) {
        let start = start();
        let ratio = RetryBudget::ratio(f64::from(thousandths) / 1000.0)
            .reserve_per_second(reserve_per_second)
            .ttl(Duration::from_millis(ttl));
        let budget = RetryBudget::from(ratio);
        let reserve = 1000 * (i64::from(reserve_per_second) * ttl as i64 / 1000);
        let mut model = History { happened: Vec::new(), half_ttl: ttl / 2, reserve };
        let mut millis = 0;
        let mut tab = budget.open(|| start);
        if thousandths > 0 {
            model.happened.push((0, thousandths.into()));
        } else if budget.withdraw(&mut tab, Transient, || start) {
            model.happened.push((0, -1000));
        }
        for step in steps {
            let (Timed::Requests { wait, late, .. } | Timed::Retry { wait, late }) = step;
            millis += wait;
            let seen = millis.saturating_sub(late);
            let now = start + Duration::from_millis(seen);
            let slice = model.slice(seen);
            match step {
                Timed::Requests { times, .. } => {
                    for _ in 0..times {
                        let _tab = budget.open(|| now);
                        if thousandths > 0 {
                            model.happened.push((slice, thousandths.into()));
                        }
                    }
                }
                Timed::Retry { .. } => {
                    let granted = model.left(slice) >= 1000;
                    prop_assert_eq!(budget.withdraw(&mut tab, Transient, || now), granted);
                    if granted {
                        model.happened.push((slice, -1000));
                    }
                }
            }
            let left = model.left(slice).max(0) as f64 / 1000.0;
            prop_assert!((budget.tokens(now) - left).abs() < 1e-9, "{} is not {left}", budget.tokens(now));
        }
    }

    /// Whatever happens when: retries are paid for by requests, each once, or by the reserve of some `ttl`.
    #[test]
    fn no_request_pays_twice(thousandths in 1..=1000_u32, steps in vec(timed(1000), 1..600)) {
        let start = start();
        let ratio = RetryBudget::ratio(f64::from(thousandths) / 1000.0).reserve_per_second(0);
        let budget = RetryBudget::from(ratio.ttl(Duration::from_secs(1)));
        let (mut requests, mut granted, mut millis) = (0, 0, 0);
        let mut tab = Tab::new(false);
        for step in steps {
            let (Timed::Requests { wait, late, .. } | Timed::Retry { wait, late }) = step;
            millis += wait;
            let now = start + Duration::from_millis(millis.saturating_sub(late));
            match step {
                Timed::Requests { times, .. } => {
                    requests += u64::from(times);
                    (0..times).for_each(|_| drop(budget.open(|| now)));
                }
                Timed::Retry { .. } => granted += u64::from(budget.withdraw(&mut tab, Transient, || now)),
            }
            prop_assert!(granted * 1000 <= requests * u64::from(thousandths));
        }
    }
}
