//! The ledger: what was charged. Nothing in it refuses a second charge for a payment.

use resilience_stores::postgres::MIGRATION;
use tokio_postgres::{Client, Error, Row, Transaction};

use crate::{
    Failure,
    customers::{CUSTOMERS, Payment, Receipt},
    database::Address,
};

const LEDGER: &str = "CREATE TABLE ledger (
    number bigint GENERATED ALWAYS AS IDENTITY,
    customer text NOT NULL, payment bigint NOT NULL, cents bigint NOT NULL, run bigint NOT NULL
)";

pub(crate) async fn create(address: &Address) -> Result<(), Failure> {
    let schema = &address.schema;
    let client = address.connect().await?;
    Ok(client.batch_execute(&format!("CREATE SCHEMA {schema}; {MIGRATION}; {LEDGER}")).await?)
}

pub(crate) async fn drop(address: &Address) -> Result<(), Failure> {
    let statement = format!("DROP SCHEMA {} CASCADE", address.schema);
    Ok(address.connect().await?.batch_execute(&statement).await?)
}

/// One charge, and its number. `run` says whether others had begun it before.
pub(crate) async fn charge(transaction: &Transaction<'_>, payment: &Payment, run: u32) -> Result<i64, Error> {
    const CHARGE: &str =
        "INSERT INTO ledger (customer, payment, cents, run) VALUES ($1, $2, $3, $4) RETURNING number";
    let Payment { customer, number, cents } = payment;
    let row = transaction.query_one(CHARGE, &[customer, number, cents, &i64::from(run)]).await?;
    Ok(row.get(0))
}

/// How many charges are committed.
pub(crate) async fn charges(client: &Client) -> Result<usize, Failure> {
    let count: i64 = client.query_one("SELECT count(*) FROM ledger", &[]).await?.get(0);
    Ok(count.try_into()?)
}

/// What a customer is told.
pub(crate) fn receipt(charge: i64, cents: i64) -> String {
    format!("charge {charge}, {cents} cents")
}

struct Charge {
    number: i64,
    customer: String,
    payment: i64,
    cents: i64,
    run: i64,
}

impl From<Row> for Charge {
    fn from(row: Row) -> Self {
        Self {
            number: row.get(0),
            customer: row.get(1),
            payment: row.get(2),
            cents: row.get(3),
            run: row.get(4),
        }
    }
}

/// Prints the ledger, and says whether each payment is there once, as its customer was told.
pub(crate) async fn audit(address: &Address, receipts: &[Receipt]) -> Result<bool, Failure> {
    const ALL: &str = "SELECT number, customer, payment, cents, run FROM ledger";
    let rows = address.connect().await?.query(ALL, &[]).await?;
    let ledger: Vec<Charge> = rows.into_iter().map(Charge::from).collect();
    let killed = ledger.iter().filter(|charge| charge.run > 1).count();
    println!("{killed:>6}  charges were made by a second run, because a first one was killed before its end");

    println!("\n{:>8} {:>9} {:>8} {:>8} {:>8}", "customer", "payments", "charges", "to pay", "paid");
    for customer in CUSTOMERS {
        let wanted: Vec<_> = receipts.iter().filter(|receipt| receipt.payment.customer == customer).collect();
        let charged: Vec<_> = ledger.iter().filter(|charge| charge.customer == customer).collect();
        let to_pay: i64 = wanted.iter().map(|receipt| receipt.payment.cents).sum();
        let paid: i64 = charged.iter().map(|charge| charge.cents).sum();
        println!("{customer:>8} {:>9} {:>8} {to_pay:>8} {paid:>8}", wanted.len(), charged.len());
    }
    println!("{:>8} {:>9} {:>8}", "all", receipts.len(), ledger.len());
    Ok(ledger.len() == receipts.len() && receipts.iter().all(|receipt| is_in(&ledger, receipt)))
}

fn is_in(ledger: &[Charge], Receipt { payment, text }: &Receipt) -> bool {
    let mut charges = ledger
        .iter()
        .filter(|charge| charge.customer == payment.customer && charge.payment == payment.number);
    charges
        .next()
        .is_some_and(|charge| charge.cents == payment.cents && *text == receipt(charge.number, charge.cents))
        && charges.next().is_none()
}
