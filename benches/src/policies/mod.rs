//! The policies under measurement. A new one is a file beside these and its line in [`ALL`].

pub mod adaptive;
pub mod bulkhead;
pub mod circuit_breaker;
pub mod keyed;
pub mod load_shed;
pub mod rate_limit;
pub mod retry;
pub mod retry_budget;
pub mod stack;
pub mod throttle;
pub mod timeout;

use crate::subject::Subject;

/// All policies, in the order in which they are reported.
pub const ALL: &[Policy] = &[
    timeout::POLICY,
    circuit_breaker::POLICY,
    throttle::POLICY,
    load_shed::POLICY,
    retry::POLICY,
    retry_budget::POLICY,
    bulkhead::POLICY,
    adaptive::POLICY,
    rate_limit::POLICY,
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
