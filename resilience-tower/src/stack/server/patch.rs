//! What a file says of a server's stack.

use std::time::Duration;

use resilience_core::{
    adaptive, bulkhead, rate_limit,
    settings::{
        form::plain,
        off::{Off, Part},
        patch::settings,
    },
};

use super::{
    ServerSettings,
    settings::{MAX_DEADLINE, TOTAL_TIMEOUT},
};

settings! {
    /// What a file says of a server's stack: see [`stack`](crate::stack#settings-from-a-file).
    pub struct ServerPatch for ServerSettings as "server", needs [] {
        /// The time for a request whose caller has named none, or more.
        total_timeout: Option<Duration> = Off(TOTAL_TIMEOUT),
        /// What a caller's deadline is taken for at most.
        max_deadline: Duration = MAX_DEADLINE,
        /// Finds how many requests may run at a time.
        adaptive: Part<adaptive::Patch> = plain(),
        /// How many requests may come in a time, of each key.
        rate_limit: Part<rate_limit::Patch> = plain(),
        /// How many requests may run at a time.
        bulkhead: Part<bulkhead::Patch> = plain(),
    }
    _patch => Ok(ServerSettings::new());
    settings => settings.fit().map(|()| settings);
}
