//! A connection that is made again when it breaks, and at once says so while it cannot be.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo as _, Pipeline, RedisError, RedisFuture,
    RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    io::tcp::TcpSettings,
};

use super::error;

/// Long enough for a server in another zone, and half of what a call has.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// One connection for all calls, as [`RedisStore::connect`](super::RedisStore::connect) makes it.
///
/// It differs from the driver's `ConnectionManager` in what an outage costs. A call on a broken connection fails and does not wait for
/// another one; the next call connects, once for all who wait, and never more often than somebody asks. Whatever the reason was that a
/// connection could not be made, the next call tries again. A connection on which a call got no answer in time, and no other call
/// got one since, is given up: the way to the server may be gone without either end knowing.
///
/// # Clone
///
/// Clones share the connection.
#[derive(Clone)]
pub struct Reconnecting {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    config: AsyncConnectionConfig,
    database: i64,
    live: Mutex<Option<Arc<Live>>>,
    /// Attempts to connect that have failed. Relaxed: what it is compared with is read under the lock that it is changed under, and
    /// whoever read an old number before has just come.
    failures: AtomicU64,
    /// Held while connecting: why the last attempt failed.
    connecting: tokio::sync::Mutex<Option<RedisError>>,
}

struct Live {
    connection: MultiplexedConnection,
    /// Answers that have come. Relaxed: it is only compared with itself.
    answers: AtomicU64,
}

impl Reconnecting {
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let database = info.redis_settings().db();
        // The store bounds the whole of a call, so the driver does not have to.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let shared = Shared {
            client: Client::open(info)?,
            config,
            database,
            live: Mutex::new(None),
            failures: AtomicU64::new(0),
            connecting: tokio::sync::Mutex::new(None),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    async fn lend(&self) -> RedisResult<Lent<'_>> {
        let live = self.live().await?;
        Ok(Lent {
            connection: live.connection.clone(),
            answers: live.answers.load(Ordering::Relaxed),
            live,
            shared: self,
            answered: false,
        })
    }

    async fn live(&self) -> RedisResult<Arc<Live>> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let before = self.failures.load(Ordering::Relaxed);
        let mut failed = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        // Somebody has tried while this call waited: that is as good as an attempt of its own.
        if let Some(error) = failed.as_ref().filter(|_| self.failures.load(Ordering::Relaxed) != before) {
            return Err(error.clone());
        }
        match self.client.get_multiplexed_async_connection_with_config(&self.config).await {
            Ok(connection) => {
                let live = Arc::new(Live { connection, answers: AtomicU64::new(0) });
                *self.live.lock() = Some(Arc::clone(&live));
                Ok(live)
            }
            Err(error) => {
                let error = refused(error);
                self.failures.fetch_add(1, Ordering::Relaxed);
                *failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<Arc<Live>> {
        self.live.lock().clone()
    }

    /// Calls that are under way on it end as they may.
    fn forget(&self, broken: &Arc<Live>) {
        let mut live = self.live.lock();
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, broken)) {
            *live = None;
        }
    }
}

/// Whatever went wrong while connecting, no command was sent.
fn refused(error: RedisError) -> RedisError {
    io::Error::new(io::ErrorKind::ConnectionRefused, error).into()
}

/// The connection during one call.
struct Lent<'a> {
    connection: MultiplexedConnection,
    live: Arc<Live>,
    shared: &'a Shared,
    /// How many answers there were before.
    answers: u64,
    answered: bool,
}

impl Lent<'_> {
    fn answered<T>(&mut self, answer: &RedisResult<T>) {
        self.answered = true;
        match answer {
            Ok(_) => {
                self.live.answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.is_unrecoverable_error() => self.shared.forget(&self.live),
            Err(_) => {}
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // The call was given up.
        if !self.answered && self.live.answers.load(Ordering::Relaxed) == self.answers {
            self.shared.forget(&self.live);
        }
    }
}

impl ConnectionLike for Reconnecting {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut lent = self.shared.lend().await?;
            let answer = lent.connection.req_packed_command(command).await;
            lent.answered(&answer);
            if matches!(&answer, Ok(Value::ServerError(error)) if error::is_read_only(error)) {
                self.shared.forget(&lent.live);
            }
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut lent = self.shared.lend().await?;
            let answers = lent.connection.req_packed_commands(commands, offset, count).await;
            lent.answered(&answers);
            answers
        })
    }

    fn get_db(&self) -> i64 {
        self.shared.database
    }
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("connected", &self.shared.live.lock().is_some())
            .finish_non_exhaustive()
    }
}
