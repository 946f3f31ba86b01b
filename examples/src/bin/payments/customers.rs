//! Customers who pay, and ask again until they know that they have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::{Request, Response, StatusCode};
use resilience_core::{Call, Error, circuit_breaker, idempotency::IdempotencyKey};
use resilience_tower::{
    idempotency::client::{ClassifyKeyed, IdempotencyKeyLayer},
    reqwest::{ClassifyReqwest, Client},
    stack::{ClientLayer, ClientSettings, Destination},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::sleep};
use tower::Service;

use crate::Failure;

pub(crate) const CUSTOMERS: [&str; 12] =
    ["ada", "bob", "cy", "dan", "eve", "fay", "gus", "hal", "ivy", "jo", "kim", "lea"];
/// What each has to make.
pub(crate) const PAYMENTS: usize = 8;

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) customer: String,
    pub(crate) number: i64,
    pub(crate) cents: i64,
}

/// A payment, and what its customer was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) payment: Payment,
    pub(crate) text: String,
}

/// How far all customers together are.
#[derive(Default)]
pub(crate) struct Progress {
    answered: watch::Sender<usize>,
    under_way: AtomicU32,
    asked_again: AtomicU32,
    replayed: AtomicU32,
}

impl Progress {
    pub(crate) async fn until_answered(&self, payments: usize) {
        // The sender is in `self`.
        let _ = self.answered.subscribe().wait_for(|answered| *answered >= payments).await;
    }

    pub(crate) fn answered(&self) -> usize {
        *self.answered.borrow()
    }

    pub(crate) fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }

    pub(crate) fn asked_again(&self) -> u32 {
        self.asked_again.load(Ordering::Relaxed)
    }

    pub(crate) fn replayed(&self) -> u32 {
        self.replayed.load(Ordering::Relaxed)
    }
}

/// The stack of a client, whatever layers it has.
pub(crate) trait Sends:
    Service<Call<Request>, Response = Response, Error = Error<reqwest::Error>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Sends for S where
    S: Service<Call<Request>, Response = Response, Error = Error<reqwest::Error>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// A client that sends a payment again with the same key, because the service honours it.
pub(crate) fn client() -> Result<Client<impl Sends>, Failure> {
    // The defaults are for outages of minutes; those here are over in a second.
    const WAIT: Duration = Duration::from_millis(300);
    let breaker = circuit_breaker::Config::new().consecutive_failures(20).open_for(WAIT, WAIT);
    let settings = ClientSettings::new().circuit_breaker(breaker).throttle(None);
    let layer = ClientLayer::new("payments", &settings)?
        .per(Destination)
        .classify(ClassifyKeyed::new(ClassifyReqwest))
        .operation(IdempotencyKeyLayer::new().server_honours_keys());
    Ok(Client::with_layer(layer, reqwest::Client::builder().no_proxy().build()?))
}

/// One after the other, each until there is a receipt.
pub(crate) struct Customer<S> {
    name: &'static str,
    client: Client<S>,
    url: String,
    progress: Arc<Progress>,
}

impl<S: Sends> Customer<S> {
    pub(crate) fn new(name: &'static str, client: &Client<S>, url: String, progress: &Arc<Progress>) -> Self {
        Self { name, client: client.clone(), url, progress: Arc::clone(progress) }
    }

    pub(crate) async fn pay(self) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for (number, cents) in (1..).zip(100..).take(PAYMENTS) {
            let payment = Payment { customer: self.name.to_owned(), number, cents };
            self.progress.under_way.fetch_add(1, Ordering::Relaxed);
            let text = self.pay_one(&payment).await;
            self.progress.under_way.fetch_sub(1, Ordering::Relaxed);
            self.progress.answered.send_modify(|answered| *answered += 1);
            receipts.push(Receipt { payment, text });
        }
        receipts
    }

    /// Its key is made once, before it is sent: in earnest it is stored with the payment, to outlive this process as well.
    async fn pay_one(&self, payment: &Payment) -> String {
        let key = IdempotencyKey::random();
        loop {
            match self.ask(payment, &key).await {
                Ok(Some(receipt)) => return receipt,
                // What it has done nobody knows here, and need not: the next one has the same key.
                Ok(None) | Err(_) => self.progress.asked_again.fetch_add(1, Ordering::Relaxed),
            };
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// One operation: several attempts, if they are needed.
    async fn ask(&self, payment: &Payment, key: &IdempotencyKey) -> Result<Option<String>, Failure> {
        let request = self.client.post(&self.url).idempotency_key(key).header("x-customer", self.name);
        let response = request.body(serde_json::to_vec(payment)?).send().await?;
        if response.status() != StatusCode::CREATED {
            return Ok(None);
        }
        if response.headers().contains_key("idempotent-replayed") {
            self.progress.replayed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Some(response.text().await?))
    }
}
