//! The labels, and their values where those are known.

use resilience_core::{
    FailureKind, Outcome, adaptive::Priority, circuit_breaker::State, idempotency::Ending, retry::Reason,
};

use super::{LabelDef, Shown, Values};

/// The names of all values of an enum, in their order, without the first `$skip`.
macro_rules! names_of {
    ($enum:ty, $skip:literal) => {{
        const NAMES: [&str; <$enum>::ALL.len() - $skip] = {
            let mut names = [""; <$enum>::ALL.len() - $skip];
            let mut at = 0;
            while at < names.len() {
                names[at] = <$enum>::ALL[at + $skip].as_str();
                at += 1;
            }
            names
        };
        &NAMES
    }};
}

const fn given(name: &'static str) -> LabelDef {
    LabelDef { name, values: Values::Given, shown: Shown::Always }
}

const fn one_of(name: &'static str, values: &'static [&'static str]) -> LabelDef {
    LabelDef { name, values: Values::OneOf(values), shown: Shown::Always }
}

pub(crate) const PIPELINE: LabelDef = given("pipeline");
pub(crate) const POLICY: LabelDef = given("policy");
pub(super) const OPERATION: LabelDef =
    LabelDef { name: "operation", values: Values::Given, shown: Shown::Operations };
pub(super) const VERSION: LabelDef = one_of("version", &[env!("CARGO_PKG_VERSION")]);
pub(super) const OUTCOME: LabelDef = one_of("outcome", names_of!(Outcome, 0));
pub(super) const ATTEMPT_OUTCOME: LabelDef =
    one_of("outcome", &["success", "failure", "timeout", "cancelled"]);
pub(super) const ATTEMPT_KIND: LabelDef = one_of("kind", &["first", "retry"]);
pub(super) const RETRY_REASON: LabelDef = one_of("reason", names_of!(FailureKind, 0));
/// But for the first, `not_retryable`: an answer that is not worth a retry was not denied one.
pub(super) const DENIED_REASON: LabelDef = one_of("reason", names_of!(Reason, 1));
pub(super) const SCOPE: LabelDef = one_of("scope", &["attempt", "operation"]);
pub(super) const FROM: LabelDef = one_of("from", names_of!(State, 0));
pub(super) const TO: LabelDef = one_of("to", names_of!(State, 0));
pub(super) const STATE: LabelDef = one_of("state", names_of!(State, 0));
pub(super) const PRIORITY: LabelDef = one_of("priority", names_of!(Priority, 0));
pub(super) const BULKHEAD_REASON: LabelDef =
    one_of("reason", &["full", "queue_full", "queue_timeout", "queue_shed"]);
pub(super) const ENFORCED: LabelDef = one_of("enforced", &["true", "false"]);
pub(super) const RESULT: LabelDef = one_of("result", &["success", "failure"]);
pub(super) const EVICTED: LabelDef = one_of("reason", &["idle", "capacity"]);
pub(super) const ENDING: LabelDef = one_of("result", names_of!(Ending, 0));
pub(super) const GIVEN_UP: LabelDef = one_of("reason", &["expired", "capacity"]);
