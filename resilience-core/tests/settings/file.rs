//! A file with a table for every policy.

use resilience_core::{Quota, RetryPolicy, adaptive, bulkhead, circuit_breaker, retry::budget, throttle};
use serde::{Deserialize, Serialize};

/// What a user might write: every policy once, each optional.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub(crate) struct File {
    pub(crate) circuit_breaker: Option<circuit_breaker::Config>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) retry_budget: Option<budget::Config>,
    pub(crate) bulkhead: Option<bulkhead::Config>,
    pub(crate) rate_limit: Option<Quota>,
    pub(crate) throttle: Option<throttle::Config>,
    pub(crate) adaptive: Option<adaptive::Config>,
}

/// A file in which all that is lies below a name.
#[derive(Debug, Deserialize)]
pub(crate) struct Nested {
    #[expect(dead_code, reason = "it is about what is refused")]
    pub(crate) client: File,
}

pub(crate) fn toml<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, toml::de::Error> {
    toml::from_str(text)
}

/// What is wrong with a file, and where.
#[track_caller]
pub(crate) fn refused(text: &str) -> (String, String) {
    let deserializer = toml::Deserializer::parse(text).unwrap();
    match serde_path_to_error::deserialize::<_, Nested>(deserializer) {
        Ok(read) => panic!("{text} is read as {read:?}"),
        Err(error) => (error.path().to_string(), error.inner().message().to_owned()),
    }
}
