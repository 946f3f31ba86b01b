//! What a file says of a retry budget.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Config, InFlight, Ratio, SuccessPaid, Throttle, config,
    costs::{Costs, cost_of},
    ratio,
    success_paid::CAPACITY,
};
use crate::{
    FailureKind,
    range::Range,
    settings::{
        Invalid,
        form::plain,
        patch::{Change, needed, settings, whole},
        tagged::{Nothing, tagged},
    },
};

const MIN: Range<u32> = Range::new("min", 0, u32::MAX);

/// What a file says of a retry budget: see [`settings`](crate::settings#layers).
///
/// Another kind than before has its own defaults.
///
/// ```
/// use resilience_core::{RetryBudget, retry::budget::{Config, Patch}};
///
/// let preset = Config::from(RetryBudget::ratio(0.2).reserve_per_second(0));
/// let file: Patch = toml::from_str("ratio = { ratio = 0.1 }")?;
/// assert_eq!(file.apply_to(preset.clone())?, RetryBudget::ratio(0.1).reserve_per_second(0).into());
/// let file: Patch = toml::from_str("success_paid = { capacity = 500 }")?;
/// assert_eq!(file.apply_to(preset)?, RetryBudget::success_paid().capacity(500).into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch(Option<Kind>);

tagged! {
    /// The kinds of budget.
    enum Kind as "retry_budget" {
        "success_paid" => SuccessPaid(SuccessPaidPatch),
        "ratio" => Ratio(RatioPatch),
        "quota" => Quota(Nothing),
        "throttle" => Throttle(ThrottlePatch),
        "in_flight" => InFlight(InFlightPatch),
    }
}

impl Patch {
    /// These settings, and those of `base` where none are said.
    ///
    /// # Errors
    ///
    /// If one is missing that has no default.
    pub fn apply_to(self, base: Config) -> Result<Config, Invalid> {
        let Some(kind) = self.0 else { return Ok(base) };
        Ok(match (kind, base) {
            (Kind::SuccessPaid(patch), Config::SuccessPaid(base)) => patch.apply_to(base)?.into(),
            (Kind::SuccessPaid(patch), _) => patch.into_config()?.into(),
            (Kind::Ratio(patch), Config::Ratio(base)) => patch.apply_to(base)?.into(),
            (Kind::Ratio(patch), _) => patch.into_config()?.into(),
            (Kind::Quota(Nothing), _) => Config::Quota,
            (Kind::Throttle(patch), Config::Throttle(base)) => patch.apply_to(base)?.into(),
            (Kind::Throttle(patch), _) => patch.into_config()?.into(),
            (Kind::InFlight(patch), Config::InFlight(base)) => patch.apply_to(base)?.into(),
            (Kind::InFlight(patch), _) => patch.into_config()?.into(),
        })
    }

    /// These settings, and the defaults where none are said.
    ///
    /// # Errors
    ///
    /// If one is missing that has no default.
    pub fn into_config(self) -> Result<Config, Invalid> {
        self.apply_to(Config::default())
    }
}

impl Change<Config> for Patch {
    fn apply(self, base: Config) -> Result<Config, Invalid> {
        self.apply_to(base)
    }

    fn alone(self) -> Result<Config, Invalid> {
        self.into_config()
    }

    fn to(config: &Config) -> Result<Self, Invalid> {
        Ok(Self(Some(match config {
            Config::SuccessPaid(settings) => Kind::SuccessPaid(Change::to(settings)?),
            Config::Ratio(settings) => Kind::Ratio(Change::to(settings)?),
            Config::Quota => Kind::Quota(Nothing),
            Config::Throttle(settings) => Kind::Throttle(Change::to(settings)?),
            Config::InFlight(settings) => Kind::InFlight(Change::to(settings)?),
        })))
    }
}

whole!(Patch for Config, needs []);

impl<'de> Deserialize<'de> for Patch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Kind::deserialize(deserializer).map(|kind| Self(Some(kind)))
    }
}

/// A patch that says nothing has no form of its own in a file: it is not there.
impl Serialize for Patch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Patch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "retry_budget".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Kind as schemars::JsonSchema>::json_schema(generator)
    }
}

settings! {
    /// What a file says of a budget that successes pay for.
    struct SuccessPaidPatch for SuccessPaid as "success_paid", needs [] {
        /// Holds at most so many tokens, and holds them at first.
        capacity: u32 = CAPACITY,
        /// What a retry costs, by the kind of failure that it follows.
        cost: CostsPatch = plain(),
    }
    _patch => Ok(SuccessPaid::new());
    settings => Ok(settings);
}

settings! {
    /// What a file says of costs.
    struct CostsPatch for Costs as "cost", needs [] {
        /// After a failure that is likely gone on the next try.
        transient: u32 = cost_of(FailureKind::Transient),
        /// After a defect on the other side.
        fault: u32 = cost_of(FailureKind::Fault),
        /// After a request to slow down.
        throttled: u32 = cost_of(FailureKind::Throttled),
        /// After the other side was short of capacity.
        peer_overloaded: u32 = cost_of(FailureKind::PeerOverloaded),
        /// After no answer in time.
        timeout: u32 = cost_of(FailureKind::Timeout),
        /// After a refusal of the request itself.
        permanent: u32 = cost_of(FailureKind::Permanent),
    }
    _patch => Ok(SuccessPaid::new().cost);
    costs => Ok(costs);
}

settings! {
    /// What a file says of a budget in proportion to recent requests.
    struct RatioPatch for Ratio as "ratio", needs ["ratio"] {
        /// The part of a retry that each request brings. At most three decimals.
        ratio: u32 = ratio::RATIO,
        /// Counts the requests of so long.
        ttl: Duration = ratio::TTL,
        /// Grants so many retries a second, whatever the requests.
        reserve_per_second: u32 = ratio::RESERVE_PER_SECOND,
    }
    patch => Ok(Ratio { ratio: needed(patch.ratio, &ratio::RATIO.0)?, ..Ratio::new(0.0) });
    settings => Ok(settings);
}

settings! {
    /// What a file says of the retry throttling of gRPC.
    struct ThrottlePatch for Throttle as "throttle", needs ["max", "ratio"] {
        /// So many tokens at first and at most.
        max: u32 = config::MAX,
        /// What each success brings. At most three decimals.
        ratio: u32 = config::RATIO,
    }
    patch => Ok(Throttle {
        max: needed(patch.max, &config::MAX)?,
        ratio: needed(patch.ratio, &config::RATIO.0)?,
    });
    settings => Ok(settings);
}

settings! {
    /// What a file says of a limit of the retries in flight.
    struct InFlightPatch for InFlight as "in_flight", needs ["percent", "min"] {
        /// Per cent of the open operations.
        percent: u32 = config::PERCENT,
        /// So many in any case.
        min: u32 = MIN,
    }
    patch => Ok(InFlight {
        percent: needed(patch.percent, &config::PERCENT)?,
        min: needed(patch.min, &MIN)?,
    });
    settings => Ok(settings);
}
