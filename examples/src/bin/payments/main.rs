//! Payments that are charged once each, whatever is killed in the middle.
//!
//! An axum service charges payments into a ledger in PostgreSQL, and guarded `reqwest` clients ask it to, all with idempotency keys. The
//! service is killed while it charges, and started again. Then the database is; then both. The clients go on asking with the same keys.
//! At the end the ledger is read.
//!
//! The charge and the record of its key are one transaction, see `service.rs`. Nothing in the ledger itself would refuse a second charge.
//!
//! ```sh
//! cargo run -p examples --features postgres --bin payments
//! ```
//!
//! It starts a PostgreSQL of its own, from the directory that `POSTGRES_BIN` names, from `PATH`, or from where Debian puts it. If
//! `DATABASE_URL` is set (without TLS) it uses that one, in a schema of its own, and cannot kill it.
//!
//! It fails if a payment was charged twice, not at all, or otherwise than its customer was told. Without a PostgreSQL it ends with 2.

mod customers;
mod database;
mod ledger;
mod service;

use std::{env, error::Error, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    signal,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::{
    customers::{CUSTOMERS, Customer, PAYMENTS, Progress},
    database::{Database, Missing},
    service::Process,
};

type Failure = Box<dyn Error + Send + Sync>;

/// Nothing takes that long, unless something hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// For how long something is gone that was killed.
const GONE: Duration = Duration::from_millis(400);

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match service::asked_for() {
        Some(service) => service.serve().await.map(|()| true),
        None => tokio::select! {
            ended = timeout(LIMIT, run()) => ended.unwrap_or_else(|_| Err("something hangs".into())),
            _ = signal::ctrl_c() => Err("interrupted".into()),
        },
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            if error.is::<Missing>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run() -> Result<bool, Failure> {
    let database = match env::var("DATABASE_URL") {
        Ok(url) => Database::given(url),
        Err(_) => Database::start().await?,
    };
    ledger::create(&database.address()).await?;
    let is_right = pay(&database).await;
    ledger::drop(&database.address()).await?;
    is_right
}

async fn pay(database: &Database) -> Result<bool, Failure> {
    let mut service = Process::start(database.address())?;
    let progress = Arc::new(Progress::default());
    let client = customers::client()?;
    let mut customers = JoinSet::new();
    for name in CUSTOMERS {
        customers.spawn(Customer::new(name, &client, service.url(), &progress).pay());
    }
    println!("{} customers have {PAYMENTS} payments to make each", CUSTOMERS.len());
    disturb(&progress, &mut service, database).await?;
    let receipts = customers.join_all().await.concat();

    println!("\nall customers have their receipts");
    println!("{:>6}  operations had no answer, and were asked for again", progress.asked_again());
    println!("{:>6}  charges had been made when they were asked for again", progress.replayed());
    let is_right = ledger::audit(&database.address(), &receipts).await?;
    println!("{}", if is_right { "every payment was charged once" } else { "not as it should be" });
    Ok(is_right)
}

/// Kills what there is, at moments when it hurts.
async fn disturb(progress: &Progress, service: &mut Process, database: &Database) -> Result<(), Failure> {
    moment(1, progress, database).await?;
    println!("the service is killed");
    service.kill().await?;
    sleep(GONE).await;
    service.start_again()?;

    if database.is_own() {
        moment(2, progress, database).await?;
        println!("the database is killed");
        database.kill().await?;
        sleep(GONE).await;
        database.start_again().await?;
    }

    moment(3, progress, database).await?;
    println!("the service is killed{}", if database.is_own() { ", and the database" } else { " again" });
    service.kill().await?;
    database.kill().await?;
    database.start_again().await?;
    service.start_again()
}

/// Waits until so many fifths of all payments are made, and then until some are charged of which their customers do not know.
async fn moment(fifths: usize, progress: &Progress, database: &Database) -> Result<(), Failure> {
    progress.until_answered(CUSTOMERS.len() * PAYMENTS * fifths / 5).await;
    let ledger = database.address().connect().await?;
    let charged = loop {
        let charged = ledger::charges(&ledger).await?;
        if charged >= progress.answered() + 2 {
            break charged;
        }
    };
    let answered = progress.answered();
    let (silent, under_way) = (charged.saturating_sub(answered), progress.under_way());
    print!("{answered:>4} made, {under_way:>2} under way, {silent} of them charged: ");
    Ok(())
}
