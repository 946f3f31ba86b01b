//! A cluster, of one node: the keys of a script say where it goes.

use std::time::Duration;

use redis::cluster::ClusterClient;
use resilience_core::idempotency::{Begin, Finish, Release, Released, Renew, Store};
use resilience_stores::redis::{Eviction, RedisStore};
use tests::{process::until, servers::Redis};

use crate::subjects::{PATIENT, acquired, answer, claim, key};

#[tokio::test]
async fn a_cluster_does_as_well() {
    let Some(server) = Redis::start(&["--cluster-enabled", "yes"]) else { return };
    let client = redis::Client::open(server.url()).unwrap();
    let mut node = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("CLUSTER").arg(&["ADDSLOTSRANGE", "0", "16383"]).exec_async(&mut node).await.unwrap();
    let ok = async || {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut node).await.unwrap();
        info.contains("cluster_state:ok").then_some(())
    };
    until("the cluster", PATIENT, ok).await;

    let cluster =
        ClusterClient::builder([server.url()]).response_timeout(Duration::from_secs(10)).build().unwrap();
    let store = RedisStore::new(cluster.get_async_connection().await.unwrap()).timeout(PATIENT);
    assert_eq!(store.eviction().await.unwrap(), Eviction::Never);
    for _ in 0..10 {
        let (key, owner) = (key(), claim());
        let held = acquired(store.begin(&key, &owner).await);
        assert_eq!(store.renew(&key, &owner, held).await.unwrap(), Renew::Ok);
        assert_eq!(store.finish(&key, &owner, held, answer()).await.unwrap(), Finish::Ok);
        assert_eq!(store.begin(&key, &claim()).await.unwrap(), Begin::Done(answer()));
        assert_eq!(store.release(&key, owner.owner, Release::Delete).await.unwrap(), Released::Lost);
    }
}
