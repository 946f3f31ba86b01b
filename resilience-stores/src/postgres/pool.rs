//! A few connections of `tokio-postgres`.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};
use tokio_postgres::{
    Client, Config, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};

use super::{Connection, Connections, Failure, Row, Value, client};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
const SIZE: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// A pool for the store alone: connections that are made when they are needed, lent for one operation, and given up when they break or
/// an answer on them does not come in time.
///
/// It does not connect before the first call, so a process starts while its database is down. While all connections are lent, calls
/// wait in order, within the store's timeout. Where nothing says how long connecting may take, it is 250 ms.
///
/// # Examples
///
/// ```no_run
/// use resilience_stores::postgres::{Pool, PostgresStore};
/// use tokio_postgres::NoTls;
///
/// # fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::new("host=localhost user=shop dbname=shop".parse()?, NoTls);
/// let store = PostgresStore::new(pool);
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// Clones share the connections.
pub struct Pool<T = NoTls> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    config: Config,
    tls: T,
    size: usize,
    permits: Arc<Semaphore>,
    /// The last one that was given back is lent first.
    idle: Mutex<Vec<Session>>,
}

struct Session {
    client: Client,
    /// What reads and writes for it.
    task: AbortHandle,
}

impl<T> Pool<T> {
    /// A pool of 8 connections: an operation takes about a millisecond, and one that waits for a lock a quarter of a second.
    #[must_use]
    pub fn new(mut config: Config, tls: T) -> Self {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Self::with(config, tls, SIZE)
    }

    /// As many connections at most.
    ///
    /// It is another pool: call it on a new one.
    #[must_use]
    pub fn size(self, size: NonZeroUsize) -> Self
    where
        T: Clone,
    {
        Self::with(self.shared.config.clone(), self.shared.tls.clone(), size)
    }

    fn with(config: Config, tls: T, size: NonZeroUsize) -> Self {
        let permits = Arc::new(Semaphore::new(size.get()));
        let shared = Shared { config, tls, size: size.get(), permits, idle: Mutex::new(Vec::new()) };
        Self { shared: Arc::new(shared) }
    }
}

impl<T> Connections for Pool<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Connection = Lent<T>;

    async fn connection(&self) -> Result<Lent<T>, Failure> {
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await.map_err(Failure::refused)?;
        let session = match self.shared.take() {
            Some(session) => session,
            None => self.shared.connect().await?,
        };
        Ok(Lent { session: Some(session), waits: false, shared: Arc::clone(&self.shared), _permit: permit })
    }
}

impl<T> Shared<T> {
    fn take(&self) -> Option<Session> {
        let mut idle = self.idle.lock();
        idle.retain(|session| !session.client.is_closed());
        idle.pop()
    }
}

impl<T> Shared<T>
where
    T: MakeTlsConnect<Socket> + Clone,
    T::Stream: Send + 'static,
{
    async fn connect(&self) -> Result<Session, Failure> {
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(client::refused)?;
        // How it ends is told to whoever waits for an answer.
        let task = tokio::spawn(async { connection.await.unwrap_or_default() }).abort_handle();
        Ok(Session { client, task })
    }
}

/// A connection of a [`Pool`] during one operation.
pub struct Lent<T> {
    session: Option<Session>,
    /// For an answer: whoever is dropped then must not lend it to the next.
    waits: bool,
    shared: Arc<Shared<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T: Send + Sync> Connection for Lent<T> {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        let Some(session) = &self.session else { return Err(Failure::refused("connection closed")) };
        self.waits = true;
        let row = (&session.client).row(statement, values).await;
        self.waits = false;
        row
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if self.waits || session.client.is_closed() {
            // The server may be gone, even without a word, and the other connections with it: each would cost a call its time.
            let idle = std::mem::take(&mut *self.shared.idle.lock());
            idle.iter().chain([&session]).for_each(|session| session.task.abort());
        } else {
            self.shared.idle.lock().push(session);
        }
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.shared.size)
            .field("idle", &self.shared.idle.lock().len())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Lent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("waits", &self.waits).finish_non_exhaustive()
    }
}
