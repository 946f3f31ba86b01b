//! The store: what it is told, and its operations.

use std::{fmt, num::NonZeroU32, time::Duration};

use bytes::Bytes;
use redis::{Value, aio::ConnectionLike};
use resilience_core::idempotency::{
    Begin, Claim, Finish, Held, OnLostOwner, Owner, RecordKey, Release, Released, Renew, Store, StoreError,
    StoreErrorKind,
};

use super::{
    Eviction, Reconnecting, error, reply,
    script::{self, Acks, Answer, Call},
};
use crate::time::{self, Deadline, milliseconds};

/// The format of the records, as a part of their keys: another one would have other keys.
const FORMAT: &str = "i1";
const PREFIX: &str = "idem";
const MAX_PREFIX: usize = 64;

/// Records in Redis or Valkey; see the [module](crate::redis) for what the server must be set to.
///
/// `C` is any connection of `redis` that can be shared: what [`connect`](RedisStore::connect) makes, a `MultiplexedConnection`, a
/// `ClusterConnection`. Each operation is one `EVALSHA`, in one round trip, also for a replay; a server that does not know the script
/// yet is sent it once.
///
/// A `ConnectionManager` of your own must be told `set_number_of_retries(0)`: with its defaults it keeps a call for seconds while the
/// server is down.
///
/// # Examples
///
/// ```no_run
/// use resilience_stores::redis::{Eviction, RedisStore};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::connect("redis://localhost/")?;
/// if let Eviction::Possible { policy } = store.eviction().await? {
///     return Err(format!("maxmemory-policy is {policy}, it must be noeviction").into());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// A call that is dropped may have been carried out or not. Send it again with the same owner, or release the record.
///
/// # Clone
///
/// Clones use the same connection.
#[derive(Clone)]
pub struct RedisStore<C> {
    connection: C,
    prefix: String,
    timeout: Duration,
    acks: Option<Acks>,
}

impl RedisStore<Reconnecting> {
    /// A store on a server of its own connection, which is made by the first call and made again when it breaks.
    ///
    /// So a process starts although its server is down. `rediss://` needs a TLS feature of `redis`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreErrorKind::Unavailable) if the URL is not one of a Redis server. The error does not hold it.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Reconnecting::new(url).map(Self::new).map_err(error::store_error)
    }
}

impl<C> RedisStore<C> {
    /// A store on this connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self { connection, prefix: PREFIX.to_owned(), timeout: time::TIMEOUT, acks: None }
    }

    /// What all keys begin with, "idem" by default: `idem:i1:` and the record's key in hexadecimal, 72 bytes in all.
    ///
    /// # Panics
    ///
    /// If it is empty, longer than 64 bytes, or has anything but visible ASCII characters in it, or braces: on a cluster those would send
    /// all records to one node.
    #[must_use]
    #[track_caller]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
        assert!(
            (1..=MAX_PREFIX).contains(&prefix.len()) && prefix.bytes().all(visible),
            "prefix is {prefix:?}, it must be 1 to {MAX_PREFIX} visible ASCII characters without braces"
        );
        self.prefix = prefix;
        self
    }

    /// For how long an operation waits for the server, connecting included. 500 ms by default: a request that cannot be protected is
    /// refused while its caller is still there.
    ///
    /// # Panics
    ///
    /// If it is zero, or not longer than what [`ack_replicas`](Self::ack_replicas) waits.
    #[must_use]
    #[track_caller]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        assert!(!timeout.is_zero(), "timeout is {timeout:?}, it must be longer than zero");
        self.timeout = timeout;
        self.check_acks()
    }

    /// Claims and responses count only when so many replicas have them, which the server waits for.
    ///
    /// If they do not say so within that time, the call fails as [timed out](StoreErrorKind::Timeout): the primary has it. It makes the
    /// loss of acknowledged claims in a failover unlikely, not impossible: the replica that is promoted must be one of those.
    ///
    /// The price: a connection that is shared waits with all that is behind such a call, also behind a replay. Not for clusters, whose
    /// nodes would each be asked.
    ///
    /// # Panics
    ///
    /// If the time is zero (for Redis that means for ever), or not shorter than the [timeout](Self::timeout).
    #[must_use]
    #[track_caller]
    pub fn ack_replicas(mut self, replicas: NonZeroU32, within: Duration) -> Self {
        assert!(!within.is_zero(), "the time for replicas is {within:?}, it must be longer than zero");
        self.acks = Some(Acks { replicas: replicas.get(), milliseconds: milliseconds(within) });
        self.check_acks()
    }

    #[track_caller]
    fn check_acks(self) -> Self {
        if let Some(Acks { milliseconds, .. }) = self.acks {
            let within = time::from_milliseconds(milliseconds);
            assert!(
                within < self.timeout,
                "the time for replicas is {within:?}, it must be shorter than the timeout, which is {:?}",
                self.timeout
            );
        }
        self
    }

    fn key(&self, key: &RecordKey) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut name = String::with_capacity(self.prefix.len() + FORMAT.len() + 66);
        name.extend([&self.prefix, ":", FORMAT, ":"]);
        for byte in key.as_bytes() {
            name.push(char::from(DIGITS[usize::from(byte >> 4)]));
            name.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        name
    }
}

impl<C> RedisStore<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// What the server does when it is full. Ask at start, and warn or refuse to run unless it is [`Never`](Eviction::Never).
    ///
    /// # Errors
    ///
    /// If the server cannot be reached. One that does not let itself be asked is [`Unknown`](Eviction::Unknown).
    pub async fn eviction(&self) -> Result<Eviction, StoreError> {
        let mut connection = self.connection.clone();
        let asked = async {
            match redis::cmd("INFO").arg("memory").query_async::<Value>(&mut connection).await {
                Ok(info) => Ok(Eviction::of(&info)),
                Err(error) if error.code() == Some("NOPERM") => Ok(Eviction::Unknown),
                Err(error) => Err(error::store_error(error)),
            }
        };
        Deadline::after(self.timeout).bounds(asked).await
    }

    async fn call(&self, call: Call<'_>, acks: Option<Acks>) -> Result<Answer, StoreError> {
        let mut connection = self.connection.clone();
        let asked = async { call.send(&mut connection, acks).await.map_err(error::store_error) };
        Deadline::after(self.timeout).bounds(asked).await
    }

    /// What was written does not count before enough replicas have it.
    fn check(&self, acks: Option<i64>) -> Result<(), StoreError> {
        match (self.acks, acks) {
            (Some(wanted), Some(acks)) if acks < i64::from(wanted.replicas) => {
                Err(StoreError::new(StoreErrorKind::Timeout).with_source("too few replicas have it"))
            }
            _ => Ok(()),
        }
    }
}

impl<C> Store for RedisStore<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        let key = self.key(key);
        let call = Call::new(&script::BEGIN, &key)
            .bytes(claim.fingerprint.as_bytes())
            .bytes(claim.owner.as_bytes())
            .number(milliseconds(claim.lease))
            .number(milliseconds(claim.retain))
            .flag(claim.on_lost_owner == OnLostOwner::TakeOver);
        let answer = self.call(call, self.acks).await?;
        let begin = reply::begin(answer.value)?;
        if matches!(begin, Begin::Acquired(_)) {
            self.check(answer.acks)?;
        }
        Ok(begin)
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        let key = self.key(key);
        let call = Call::new(&script::RENEW, &key)
            .bytes(claim.fingerprint.as_bytes())
            .bytes(claim.owner.as_bytes())
            .number(milliseconds(claim.lease))
            .number(milliseconds(claim.retain))
            .number(held.attempt)
            .number(held.fence);
        reply::renew(self.call(call, None).await?.value)
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        let key = self.key(key);
        let call = Call::new(&script::FINISH, &key)
            .bytes(claim.fingerprint.as_bytes())
            .bytes(claim.owner.as_bytes())
            .number(milliseconds(claim.retain))
            .number(held.attempt)
            .number(held.fence)
            .bytes(&response);
        let answer = self.call(call, self.acks).await?;
        let finish = reply::finish(answer.value)?;
        if !matches!(finish, Finish::Lost { .. }) {
            self.check(answer.acks)?;
        }
        Ok(finish)
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        let key = self.key(key);
        let call = Call::new(&script::RELEASE, &key).bytes(owner.as_bytes()).flag(how == Release::Delete);
        reply::release(self.call(call, None).await?.value)
    }
}

impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("acks", &self.acks)
            .finish_non_exhaustive()
    }
}
