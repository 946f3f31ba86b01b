//! What every store must do, on each of them.

use std::{sync::Arc, time::Duration};

use resilience_core::idempotency::conformance::{self, cases};

use crate::subjects::{OnPostgres, OnRedis, OnSqlx, Subject};

/// With the server's clock, which nobody can move.
struct OnTheClock<S>(S);

impl<S> conformance::Subject for OnTheClock<S>
where
    S: Subject + Sync,
{
    type Store = S::Store;

    fn store(&self) -> &S::Store {
        self.0.store()
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// All cases run at once, on a machine that may do much else.
    fn unit(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// All cases at once: most of them wait.
async fn conforms<S: Subject + Send + Sync + 'static>() {
    let Some(subject) = S::start().await else { return };
    let subject = Arc::new(OnTheClock(subject));
    let running: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            let subject = Arc::clone(&subject);
            tokio::spawn(async move { case.run(&*subject).await })
        })
        .collect();
    assert!(running.len() > 30);
    let mut failures = Vec::new();
    for case in running {
        failures.extend(case.await.unwrap().err().map(|failure| failure.to_string()));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis() {
    conforms::<OnRedis>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    conforms::<OnPostgres>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlx() {
    conforms::<OnSqlx>().await;
}
