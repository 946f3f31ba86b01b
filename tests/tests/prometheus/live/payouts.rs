//! A server that keeps its answers by idempotency key, and in bad weather cannot ask where it keeps them.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use resilience_core::{
    Call, Error,
    idempotency::{
        Begin, Claim, Finish, Held, MemoryStore, Owner, RecordKey, Release, Released, Renew, Store,
        StoreError, StoreErrorKind, memory,
    },
};
use resilience_metrics::Telemetry;
use resilience_tower::{
    http::ClassifyStatus,
    idempotency::{
        Guard, IdempotencyLayer, OnStoreError, Settings,
        http::{Http, IdempotentBody},
        memory_store,
    },
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::traffic::{MS, Weather, calls};

/// A store that is away in bad weather.
struct Remote {
    store: MemoryStore,
    weather: Weather,
}

impl Remote {
    fn reach(&self) -> Result<&MemoryStore, StoreError> {
        if self.weather.is_bad() {
            Err(StoreError::new(StoreErrorKind::Unavailable))
        } else {
            Ok(&self.store)
        }
    }
}

impl Store for Remote {
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        self.reach()?.begin(key, claim).await
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        self.reach()?.renew(key, claim, held).await
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        self.reach()?.finish(key, claim, held, response).await
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        self.reach()?.release(key, owner, how).await
    }
}

/// Each request comes twice. While the store is away they run without protection: no error to a caller, and what somebody has to know.
pub(super) fn payouts(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let store = memory_store(memory::Config::new().max_entries(8));
    let shown = store.clone();
    telemetry.idempotency_store("idempotency", move || shown.snapshot());
    let settings = Settings::new().on_store_error(OnStoreError::Open);
    let remote = Remote { store, weather: weather.clone() };
    let guard = Guard::with_observer(remote, settings, telemetry.idempotency("idempotency"));
    let server = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(IdempotencyLayer::new(guard, Http::single_tenant()))
        .service(service_fn(async |_: Request<IdempotentBody<Full<Bytes>>>| {
            Ok::<_, Error<&str>>(Response::new(Full::new(Bytes::from_static(b"paid"))))
        }));
    let service = service_fn(move |call: Call<u32>| {
        let key = format!("payout-{}", call.request() / 2);
        let request =
            Request::post("/").header("idempotency-key", key).body(Full::new(Bytes::new())).unwrap();
        server.clone().oneshot(request)
    });
    calls(service, 20 * MS, || 1);
    telemetry
}
