//! A store in Redis or Valkey.
//!
//! One string per record, four scripts, one key for each: so it runs on a cluster as it does on one server. It needs Redis 6.0 or
//! Valkey.
//!
//! # What the server must be set to
//!
//! * **`maxmemory-policy noeviction`**. Any other may evict a claim that is alive, and then two run the same operation. Ask
//!   [`RedisStore::eviction`] at start and refuse to run, or warn. With `noeviction` a full server refuses new claims
//!   ([`Full`](resilience_core::idempotency::StoreErrorKind::Full)), and still replays what is done.
//! * **Append-only file on**, `appendfsync everysec` at least: without it, a restart forgets all.
//! * Replicas do not make it safe by themselves: they are asynchronous, and a failover loses the last claims. `min-replicas-to-write 1`
//!   refuses claims while no replica is there; [`RedisStore::ack_replicas`] waits until a claim has reached some. Neither makes Redis
//!   a consensus system: a primary that was cut off and does not know it yet can still own the same record. The fence of the new
//!   owner is the greater one.
//! * The user of the connection needs `EVALSHA`, `EVAL` and the commands in the scripts: `TIME`, `GETRANGE`, `SET`, `DEL`; `INFO` for
//!   [`eviction`](RedisStore::eviction), `WAIT` for [`ack_replicas`](RedisStore::ack_replicas).
//!
//! # When the clock of the server jumps
//!
//! Forward by more than a lease: a live claim is taken over, and its former owner learns that it has lost. Forward by more than the
//! retention: records are gone. Back: nobody waits for longer than one lease, and fences still grow.

mod connection;
mod error;
mod eviction;
mod reply;
mod script;
mod store;

pub use self::{connection::Reconnecting, eviction::Eviction, store::RedisStore};
