//! How a result gets into the store.

use bytes::Bytes;
use resilience_core::{
    Observer,
    idempotency::{Finish, Renew, Store, StoreErrorKind},
};

use super::{
    execution::{Execution, renew},
    release::Pauses,
};
use crate::time;

impl<St, O> Execution<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Stores `response` within the deadline of the store. If that fails, goes on in the background.
    pub(super) async fn finish(mut self, response: Bytes) -> Result<Finish, StoreErrorKind> {
        // Given up from here on it would be run again, though it is done: let the lease decide, not us.
        self.claiming.on_drop = None;
        let response = self.claiming.shared.settings.sealing.seal(&self.claiming.key, response);
        let finished = self.try_finish(&response).await;
        if finished.is_err() {
            tokio::spawn(self.keep_finishing(response));
        }
        finished
    }

    async fn try_finish(&self, response: &Bytes) -> Result<Finish, StoreErrorKind> {
        let claiming = &self.claiming;
        let shared = &*claiming.shared;
        let finish = shared.store.finish(&claiming.key, &claiming.claim, self.held, response.clone());
        let finished = shared.ask(finish).await;
        if finished.is_ok() {
            shared.waiting.wake(&claiming.key);
        }
        finished
    }

    /// Until the store has it, or the lease is over: then another may have the record. The claim is renewed meanwhile, because a store
    /// that has no room for a response may have it for that.
    async fn keep_finishing(mut self, response: Bytes) {
        let lease = self.claiming.claim.lease;
        let mut pauses = Pauses::new();
        while time::now() < self.lease.renewed + lease {
            time::sleep_until(time::now() + pauses.next()).await;
            if self.try_finish(&response).await.is_ok() {
                return;
            }
            let now = time::now();
            if now >= self.lease.renewed + lease / 3 && now < self.last_renewal() {
                let renewed = renew(&self.claiming, self.held, &mut self.lease).await;
                if renewed == Some(Renew::Lost) {
                    return;
                }
            }
        }
    }
}
