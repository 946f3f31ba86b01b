//! What a file says of a throttle.

use std::time::Duration;

#[cfg(feature = "schemars")]
use schemars::{Schema, SchemaGenerator};
use serde::{Deserializer, Serializer, de::Error};

use super::{
    Config,
    config::{MAX_REQUESTS, MIN_REQUESTS, MULTIPLIER, PROBE_ONE_IN, Tens, WINDOW},
};
use crate::settings::{form::Form, patch::settings};

settings! {
    /// What a file says of a throttle: see [`settings`](crate::settings#layers).
    pub struct Patch for Config as "throttle", needs [] {
        /// Offers up to so many times what is accepted: K in the formula. At most three decimals.
        multiplier: u32 = MULTIPLIER,
        /// Looks at the calls of the last so long.
        window: Duration = WINDOW,
        /// Looks at the last so many calls at the most.
        max_requests: u32 = MAX_REQUESTS,
        /// Refuses nothing while the window holds fewer calls than this.
        min_requests: u32 = MIN_REQUESTS,
        /// Lets at least one in so many calls pass.
        probe_one_in: u32 = PROBE_ONE_IN,
    }
    _patch => Ok(Config::new());
    config => Ok(config);
}

impl Form for Tens {
    type Value = u32;

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<u32, D::Error> {
        let value = self.0.read(deserializer)?;
        self.check(value).map_err(D::Error::custom)
    }

    fn write<S: Serializer>(&self, value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(value, serializer)
    }

    #[cfg(feature = "schemars")]
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = self.0.schema(generator);
        schema.insert("multipleOf".to_owned(), super::window::SLICES.into());
        schema
    }
}
