//! The policies under measurement. A new one is a file beside these and its line in [`ALL`].

pub mod adaptive;
pub mod bulkhead;
pub mod circuit_breaker;
pub mod fallback;
pub mod idempotency;
pub mod keyed;
pub mod load_shed;
pub mod rate_limit;
pub mod retry;
pub mod retry_budget;
pub mod spans;
pub mod stack;
pub mod telemetry;
pub mod throttle;
pub mod timeout;

use std::mem::forget;
use std::task::{Context, Poll, Waker};

use tower::Service;

use crate::subject::Subject;

/// All policies, in the order in which they are reported.
pub const ALL: &[Policy] = &[
    telemetry::POLICY,
    timeout::POLICY,
    circuit_breaker::POLICY,
    throttle::POLICY,
    load_shed::POLICY,
    retry::POLICY,
    retry_budget::POLICY,
    bulkhead::POLICY,
    adaptive::POLICY,
    fallback::POLICY,
    rate_limit::POLICY,
    idempotency::POLICY,
    keyed::POLICY,
    stack::POLICY,
];

/// One policy: its name, and a group of implementations for each of its cases.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The name of its module, in the library as well as here.
    pub name: &'static str,
    /// The cases.
    pub cases: &'static [Case],
}

/// One situation a policy can be in. Implementations are compared within a case, never across.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name of the case.
    pub name: &'static str,
    /// Builds the implementations anew, so that no measurement inherits the state of another.
    pub subjects: fn() -> Vec<Subject>,
}

/// Takes one of the service's permits for good: a clone is readied, and never called.
///
/// # Panics
///
/// If there is no permit to take.
fn occupy<S: Service<u64> + Clone>(service: &S) {
    let mut holder = service.clone();
    let ready = holder.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))), "there is a permit to take");
    forget(holder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::runtime;

    /// A million keys differ from a thousand in what they cost only.
    #[test]
    fn every_call_is_answered_or_refused_as_its_case_says() {
        let runtime = runtime();
        let _inside = runtime.enter();
        for Policy { name, cases } in ALL {
            for case in cases.iter().filter(|case| !case.name.ends_with("_1m")) {
                for subject in (case.subjects)() {
                    let answered = subject.caller()(&runtime, 1_000);
                    assert_eq!(answered, subject.expected(1_000), "{name} {} {}", case.name, subject.name);
                }
            }
        }
    }
}
