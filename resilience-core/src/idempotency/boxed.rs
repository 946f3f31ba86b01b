//! A store whose type is chosen while the program runs.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;

use super::{Begin, Claim, Finish, Held, Owner, RecordKey, Release, Released, Renew, Store, StoreError};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of whatever type, behind a pointer: each operation costs one allocation more.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::idempotency::{BoxStore, MemoryStore, memory::Config};
///
/// fn store(kind: &str) -> Result<BoxStore, String> {
///     match kind {
///         "memory" => Ok(BoxStore::new(MemoryStore::new(Config::new(), Instant::now))),
///         other => Err(format!("store is {other:?}, it must be \"memory\"")),
///     }
/// }
/// assert!(store("memory").is_ok());
/// assert!(store("paper").is_err());
/// ```
///
/// # Clone
///
/// A clone is the same store.
#[derive(Clone)]
pub struct BoxStore(Arc<dyn AnyStore>);

impl BoxStore {
    /// Hides the type of `store`.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }
}

/// [`Store`], such that it can be a trait object.
trait AnyStore: Send + Sync {
    fn begin<'a>(&'a self, key: &'a RecordKey, claim: &'a Claim) -> BoxFuture<'a, Begin>;
    fn renew<'a>(&'a self, key: &'a RecordKey, claim: &'a Claim, held: Held) -> BoxFuture<'a, Renew>;
    fn finish<'a>(
        &'a self,
        key: &'a RecordKey,
        claim: &'a Claim,
        held: Held,
        response: Bytes,
    ) -> BoxFuture<'a, Finish>;
    fn release<'a>(&'a self, key: &'a RecordKey, owner: Owner, how: Release) -> BoxFuture<'a, Released>;
}

impl<S: Store> AnyStore for S {
    fn begin<'a>(&'a self, key: &'a RecordKey, claim: &'a Claim) -> BoxFuture<'a, Begin> {
        Box::pin(Store::begin(self, key, claim))
    }

    fn renew<'a>(&'a self, key: &'a RecordKey, claim: &'a Claim, held: Held) -> BoxFuture<'a, Renew> {
        Box::pin(Store::renew(self, key, claim, held))
    }

    fn finish<'a>(
        &'a self,
        key: &'a RecordKey,
        claim: &'a Claim,
        held: Held,
        response: Bytes,
    ) -> BoxFuture<'a, Finish> {
        Box::pin(Store::finish(self, key, claim, held, response))
    }

    fn release<'a>(&'a self, key: &'a RecordKey, owner: Owner, how: Release) -> BoxFuture<'a, Released> {
        Box::pin(Store::release(self, key, owner, how))
    }
}

impl Store for BoxStore {
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        self.0.begin(key, claim).await
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        self.0.renew(key, claim, held).await
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        self.0.finish(key, claim, held, response).await
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        self.0.release(key, owner, how).await
    }
}

/// The same store for all who hold the `Arc`.
impl<S: Store> Store for Arc<S> {
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        S::begin(self, key, claim).await
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        S::renew(self, key, claim, held).await
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        S::finish(self, key, claim, held, response).await
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        S::release(self, key, owner, how).await
    }
}

impl fmt::Debug for BoxStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxStore(..)")
    }
}
