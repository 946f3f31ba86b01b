//! What errors and `Debug` do not say.

use std::error::Error;

use resilience_core::idempotency::{RecordKey, Store, StoreErrorKind};
use resilience_stores::{
    postgres::{Pool, PostgresStore},
    redis::RedisStore,
};
use tests::{faults::Refusing, servers::Redis};
use tokio_postgres::NoTls;

use crate::subjects::{answer, claim};

/// All that an error says, with its sources.
fn told(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    text
}

fn assert_silent(text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn redis_tells_no_url() {
    let nobody = Refusing::take().unwrap();
    let port = nobody.host().rsplit_once(':').unwrap().1.to_owned();
    let secrets = ["user-name", "pass-word", port.as_str()];
    let store = RedisStore::connect(&format!("redis://user-name:pass-word@{}/", nobody.host())).unwrap();
    let error = store.begin(&RecordKey::from_bytes([0xab; 32]), &claim()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_silent(&told(&error), &secrets);
    assert_silent(&format!("{store:?}"), &secrets);

    for url in
        ["http://user-name:pass-word@host/", "redis://user-name:pass-word@host:port/", "user-name pass-word"]
    {
        let error = RedisStore::connect(url).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_silent(&told(&error), &["user-name", "pass-word", "host"]);
    }
}

#[tokio::test]
async fn redis_tells_no_key_and_no_response() {
    let Some(server) = Redis::start(&["--rename-command", "EVALSHA", ""]) else { return };
    let store = RedisStore::connect(&server.url()).unwrap();
    let (key, claim) = (RecordKey::from_bytes([0xab; 32]), claim());
    let held = resilience_core::idempotency::Held::new(1, 1);
    let error = store.finish(&key, &claim, held, answer()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Other);
    assert_silent(&told(&error), &["abab", "answer"]);
}

#[tokio::test]
async fn postgres_tells_no_password() {
    let nobody = Refusing::take().unwrap();
    let mut config: tokio_postgres::Config = "user=user-name password=pass-word dbname=name".parse().unwrap();
    let (host, port) =
        nobody.host().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    config.host(&host).port(port.parse().unwrap());
    let pool = Pool::new(config, NoTls);
    let secrets = ["user-name", "pass-word", port.as_str()];
    assert_silent(&format!("{pool:?}"), &secrets);
    let store = PostgresStore::new(pool);
    let error = store.begin(&RecordKey::from_bytes([0xab; 32]), &claim()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_silent(&told(&error), &secrets);
    assert_silent(&format!("{store:?}"), &secrets);
}

#[test]
#[should_panic(expected = "prefix is \"{shop}\", it must be 1 to 64 visible ASCII characters without braces")]
fn a_prefix_has_no_braces() {
    let _ = RedisStore::connect("redis://localhost/").unwrap().prefix("{shop}");
}

#[test]
#[should_panic(expected = "table is \"a; DROP\", it must be one or two names")]
fn a_table_is_a_name() {
    let _ = PostgresStore::new(Pool::new(tokio_postgres::Config::new(), NoTls)).table("a; DROP");
}
