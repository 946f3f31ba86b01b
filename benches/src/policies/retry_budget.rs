//! A retry budget by itself: what an operation pays that succeeds at once, and one that is retried first.
//!
//! Each row takes the steps of a whole operation, as a retry layer would, and none has a layer or an upstream.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use resilience_core::FailureKind;
use resilience_core::retry::RetryBudget;
use tower::retry::budget::{Budget, TpsBudget};
use tower_resilience_retry::{RetryBudget as PeerBudget, RetryBudgetBuilder};

use super::{Case, Policy};
use crate::subject::Subject;
use crate::time::now;
use crate::upstream::Fault;

/// The retry budget.
pub const POLICY: Policy = Policy {
    name: "retry_budget",
    cases: &[Case { name: "deposit", subjects: deposit }, Case { name: "retried", subjects: retried }],
};

/// An operation succeeds at once, and a bucket of tokens is full: the common case. The others have no such state: `ratio`,
/// `in_flight` and tower's count every operation.
fn deposit() -> Vec<Subject> {
    let mut subjects = vec![bare()];
    subjects.extend(ours().map(|(name, budget)| {
        Subject::function(name, move |n| {
            let mut tab = budget.open(now);
            budget.deposit(&mut tab);
            budget.close(&mut tab);
            ready(Ok::<_, Fault>(n))
        })
    }));
    let budget = Arc::new(tps());
    subjects.push(Subject::function("tower", move |n| {
        budget.deposit();
        ready(Ok::<_, Fault>(n))
    }));
    subjects.extend(peers().map(|(name, budget)| {
        Subject::function(name, move |n| {
            budget.deposit();
            ready(Ok::<_, Fault>(n))
        })
    }));
    subjects
}

/// An operation fails, is granted a retry, and succeeds. It brings as much as it takes, so that all are granted.
fn retried() -> Vec<Subject> {
    let mut subjects = vec![bare()];
    subjects.extend(ours().map(|(name, budget)| {
        Subject::function(name, move |n| ready(if retry(&budget) { Ok(n) } else { Err(Fault) }))
    }));
    let budget = Arc::new(tps());
    subjects.push(Subject::function("tower", move |n| {
        let granted = budget.withdraw();
        budget.deposit();
        ready(if granted { Ok(n) } else { Err(Fault) })
    }));
    subjects.extend(peers().map(|(name, budget)| {
        Subject::function(name, move |n| {
            let granted = budget.try_withdraw();
            budget.deposit();
            ready(if granted { Ok(n) } else { Err(Fault) })
        })
    }));
    subjects
}

/// Takes the steps of an operation that fails once and then succeeds; whether the retry was granted.
fn retry(budget: &RetryBudget) -> bool {
    let mut tab = budget.open(now);
    budget.fail(FailureKind::Transient);
    let granted = budget.withdraw(&mut tab, FailureKind::Transient, now);
    budget.deposit(&mut tab);
    budget.close(&mut tab);
    granted
}

fn bare() -> Subject {
    Subject::function("bare", |n| ready(Ok::<_, Fault>(n)))
}

/// All kinds of ours. Where the cost of a retry can be set it is what a success brings.
///
/// A `ratio` counts no more than eight million deposits for each half of its `ttl`. At the pace of a benchmark that is not
/// enough for its default, and what is not counted is not written; no client gets there.
fn ours() -> impl Iterator<Item = (&'static str, RetryBudget)> {
    [
        ("resilience success_paid", RetryBudget::success_paid().cost(FailureKind::Transient, 1).into()),
        ("resilience quota", RetryBudget::quota()),
        ("resilience throttle", RetryBudget::throttle(10, 1.0)),
        ("resilience ratio", RetryBudget::ratio(1.0).ttl(Duration::from_secs(1)).into()),
        ("resilience in_flight", RetryBudget::in_flight(100, 1)),
    ]
    .into_iter()
}

/// Its default, but that a success brings a whole retry.
fn tps() -> TpsBudget {
    TpsBudget::new(Duration::from_secs(10), 10, 1.0)
}

/// Both kinds that tower-resilience has, with their defaults. The bucket fills with time as well.
fn peers() -> impl Iterator<Item = (&'static str, Arc<dyn PeerBudget>)> {
    let bucket = RetryBudgetBuilder::new().token_bucket().build().expect("the defaults are valid");
    let aimd = RetryBudgetBuilder::new().aimd().build().expect("the defaults are valid");
    [("tower-resilience bucket", bucket), ("tower-resilience aimd", aimd)].into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::runtime;

    const CALLS: u64 = 1_000;

    #[test]
    fn every_retry_is_granted() {
        let runtime = runtime();
        for subject in deposit().into_iter().chain(retried()) {
            assert_eq!(subject.caller()(&runtime, CALLS), CALLS, "{}", subject.name);
        }
    }

    #[test]
    fn buckets_are_as_full_after_a_retry_as_before() {
        for (name, budget) in ours().filter(|(name, _)| !name.ends_with("ratio")) {
            let tokens = budget.tokens(now());
            for _ in 0..CALLS {
                assert!(retry(&budget), "{name}");
                assert_eq!(budget.tokens(now()), tokens, "{name}");
            }
        }
    }
}
