//! The service, which runs in a process of its own, to be killed.

use std::{
    env,
    io::{self, Read as _},
    net::{Ipv4Addr, TcpListener as StdListener},
    process::{self, Stdio},
    thread,
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use resilience_core::idempotency::{Finish, KeptResponse};
use resilience_stores::postgres::{Pool, PostgresStore};
use resilience_tower::idempotency::{
    Disposition, Guard, IdempotencyContext, IdempotencyLayer, Settings, http::Http,
};
use tokio::{net::TcpListener, process::Child, time::sleep};
use tokio_postgres::NoTls;

use crate::{Failure, customers::Payment, database::Address, ledger};

/// What this program is called with to be the service.
const SERVE: &str = "serve";
/// After a crash nobody may run a charge again for that long. In earnest it is longer: the default is 30 s.
const LEASE: Duration = Duration::from_secs(1);

/// What the service has to know.
#[derive(Clone)]
pub(crate) struct Service {
    port: u16,
    address: Address,
}

/// The service, if this process is to be it.
pub(crate) fn asked_for() -> Option<Service> {
    let mut arguments = env::args().skip(1);
    arguments.next().filter(|argument| argument == SERVE)?;
    let port = arguments.next()?.parse().ok()?;
    let address = Address { schema: arguments.next()?, url: env::var("DATABASE_URL").ok()? };
    Some(Service { port, address })
}

#[derive(Clone)]
struct Shop {
    address: Address,
    store: PostgresStore<Pool>,
}

impl Service {
    pub(crate) async fn serve(self) -> Result<(), Failure> {
        thread::spawn(end_with_the_parent);
        let store = PostgresStore::new(Pool::new(self.address.config()?, NoTls));
        let guard = Guard::with_settings(store.clone(), Settings::new().lease(LEASE));
        // In earnest: whom the authentication has found out.
        let http = Http::scoped_by(|request| request.headers.get("x-customer").cloned()).require_key(true);
        let app = Router::new()
            .route("/charges", post(charge))
            .with_state(Shop { address: self.address, store })
            .layer(IdempotencyLayer::new(guard, http));
        let listener = listen(self.port).await?;
        Ok(axum::serve(listener, app).await?)
    }
}

/// The port may be taken for a moment: by a client that looks for the service.
async fn listen(port: u16) -> io::Result<TcpListener> {
    for _ in 0..20 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
        sleep(Duration::from_millis(100)).await;
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// The other end of this pipe is the parent's, and it writes nothing.
fn end_with_the_parent() {
    let _ = io::stdin().read(&mut [0]);
    process::exit(1);
}

async fn charge(
    State(shop): State<Shop>,
    Extension(run): Extension<IdempotencyContext>,
    body: Bytes,
) -> Response {
    let Ok(payment) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    match shop.charge(&payment, &run).await {
        Ok(receipt) => {
            // It is charged, and nobody has been told.
            some_time().await;
            (StatusCode::CREATED, receipt).into_response()
        }
        // Whether it was committed nobody knows; if it was, so was the record, and the next one gets that.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Extension(Disposition::Abandon)).into_response(),
    }
}

impl Shop {
    /// The charge and the record of its key in one transaction: both are there, or neither.
    async fn charge(&self, payment: &Payment, run: &IdempotencyContext) -> Result<String, Failure> {
        let held = run.held().ok_or("it is not protected")?;
        // In earnest: one of a pool.
        let mut client = self.address.connect().await?;
        let mut transaction = client.transaction().await?;
        let number = ledger::charge(&transaction, payment, run.attempt()).await?;
        some_time().await;

        let receipt = ledger::receipt(number, payment.cents);
        let mut kept = KeptResponse::new(StatusCode::CREATED.as_u16());
        kept.body = Some(receipt.clone().into());
        let (key, claim) = (run.record_key(), run.claim());
        match self.store.finish_in(&mut transaction, key, claim, held, kept.encode()).await? {
            Finish::Ok | Finish::Healed => transaction.commit().await?,
            Finish::Lost { .. } => {
                transaction.rollback().await?;
                return Err("another run has taken it over".into());
            }
        }
        Ok(receipt)
    }
}

/// Long enough to be killed in it.
async fn some_time() {
    sleep(Duration::from_millis(rand::random_range(10..60))).await;
}

/// The process of the service, as the one who kills it sees it.
pub(crate) struct Process {
    service: Service,
    child: Child,
}

impl Process {
    /// Starts it at a port of its own, which it has each time it is started again.
    pub(crate) fn start(address: Address) -> Result<Self, Failure> {
        let port = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let service = Service { port, address };
        Ok(Self { child: spawn(&service)?, service })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/charges", self.service.port)
    }

    /// With `SIGKILL`: it cannot do anything about it.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    pub(crate) fn start_again(&mut self) -> Result<(), Failure> {
        self.child = spawn(&self.service)?;
        Ok(())
    }
}

fn spawn(Service { port, address }: &Service) -> Result<Child, Failure> {
    let mut command = tokio::process::Command::new(env::current_exe()?);
    command.arg(SERVE).arg(port.to_string()).arg(&address.schema);
    // Not an argument, because those are for all to see.
    command.env("DATABASE_URL", &address.url);
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()?)
}
