//! Idempotency records in Redis, Valkey and PostgreSQL.
//!
//! Each store is behind the feature of its driver, off by default:
//!
//! | feature | store | driver |
//! |---|---|---|
//! | `redis` | `redis::RedisStore` | `redis` 1.x |
//! | `postgres` | `postgres::PostgresStore` over `postgres::Pool` | `tokio-postgres` 0.7 |
//! | `sqlx` | `postgres::PostgresStore` over `sqlx::PgPool` | `sqlx` 0.8 |
//!
//! # Which one
//!
//! Redis answers in a fraction of a millisecond and keeps what it has acknowledged as well as it is configured to. PostgreSQL costs
//! a commit for each of `begin` and `finish`, loses nothing that it has acknowledged, and can do what no other store can: `finish`
//! **in the transaction of the work itself**, so that work and record are done together or not at all. Whoever moves money in
//! PostgreSQL wants that.
//!
//! | what happens | Redis, AOF `everysec` | Redis, AOF `always` | Redis without AOF | PostgreSQL | `synchronous_commit=off` |
//! |---|---|---|---|---|---|
//! | the server's process dies | kept | kept | **lost** | kept | the last moments **lost** |
//! | its machine dies | 1 to 2 s **lost** | kept | **lost** | kept | the last moments **lost** |
//! | failover to an asynchronous replica | the last moments **lost** | the same | the same | the last moments **lost** | the same |
//! | failover to a synchronous one | see `RedisStore::ack_replicas` | | | kept | the last moments **lost** |
//!
//! What a lost record means: a request that comes again is carried out again, as attempt 1. An owner that is still at work makes its
//! record again when it renews or finishes. Never make PostgreSQL's table `UNLOGGED`: a crash empties it.
//!
//! # What both promise
//!
//! Exactly what [`Store`](resilience_core::idempotency::Store) says: each operation is one statement or one script on one record, by the
//! **server's clock**; a record's time counts from its first `begin`; a `begin` or `finish` that is sent again is harmless. Every call
//! ends within the store's timeout, 500 ms by default, also if its server is stopped, unreachable or swallows its replies, and none is
//! ever passed off as done: the error says whether something may have been written
//! ([`StoreErrorKind`](resilience_core::idempotency::StoreErrorKind)). No error and no `Debug` text holds a URL, a key or a response.
//!
//! # Sizes
//!
//! Records times retention is what has to fit: 100 requests a second, kept for 24 hours, are 8.6 million records, and retention is the
//! lever. Measured per record, indexes included:
//!
//! | | Redis 7, in memory | PostgreSQL 15, on disk |
//! |---|---|---|
//! | pending | 280 B | 310 B |
//! | with a response of 512 B | 820 B | 1.1 kB |
//! | with one of 4 KiB | 5.3 kB | in a table beside, compressed |
//!
//! So those 8.6 million records with responses of 512 bytes take 7.1 GB of memory in Redis. PostgreSQL wants somebody to call `reap`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "postgres", feature = "sqlx"))]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "redis", feature = "postgres", feature = "sqlx"))]
mod time;
