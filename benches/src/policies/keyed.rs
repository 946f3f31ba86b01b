//! A rate limit for each of many keys: known ones, and keys that come for the first time.
//!
//! Keys are numbers, met in an order that no cache foresees.

use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use http::Request;
use resilience_core::keyed::Keyed;
use resilience_core::{Quota, RateLimiter};
use resilience_tower::ErrorLayer;
use resilience_tower::http::RespondLayer;
use resilience_tower::http::rate_limit::ClientAddr;
use resilience_tower::rate_limit::KeyedRateLimitLayer;
use tower::ServiceBuilder;
use tower_governor::key_extractor::PeerIpKeyExtractor;

use super::rate_limit::{AMPLE, ample, new_clock, spend, tower_governor};
use super::{Case, Policy};
use crate::server::{self, Server};
use crate::subject::Subject;
use crate::thread::HOUR;
use crate::time::now;
use crate::upstream::{Fault, Upstream};

/// The rate limit by key. `governor` never gives one up by itself; what a key takes is in [`memory`](crate::memory).
pub const POLICY: Policy = Policy {
    name: "keyed",
    cases: &[
        Case { name: "known_1k", subjects: || known(1_000) },
        Case { name: "known_1m", subjects: || known(1_000_000) },
        Case { name: "new_1k", subjects: || new(1_000) },
        Case { name: "new_1m", subjects: || new(1_000_000) },
        Case { name: "http_known_1k", subjects: http_known },
        Case { name: "http_refused_1k", subjects: http_refused },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);
const IDLE: Duration = HOUR;

/// Spreads numbers over all of 64 bits, each to another.
pub(crate) const fn scramble(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// One of `keys` keys, as good as at random.
const fn one_of(keys: u64, n: u64) -> u64 {
    scramble(scramble(n) >> 20) % keys
}

/// All keys are there before; the table has room for twice as many, so that its shards never fill.
fn known(keys: u64) -> Vec<Subject> {
    let room = NonZeroUsize::new(2 * keys as usize).expect("not zero");
    let table = Arc::new(Keyed::new(room, IDLE));
    let layer = KeyedRateLimitLayer::with_capacity(move |n: &u64| one_of(keys, *n), AMPLE, room, IDLE);
    let (std, quanta) = (peer(MonotonicClock), peer(governor::clock::DefaultClock::default()));
    let start = now();
    for key in 0..keys {
        table.get_or_insert_with(key, start, || RateLimiter::new(AMPLE, start));
        black_box(layer.limiter_of(&key));
        black_box((std.check_key(&key).is_ok(), quanta.check_key(&key).is_ok()));
    }
    let held = [table.len(), layer.limiters().len(), std.len(), quanta.len()];
    assert_eq!(held, [keys as usize; 4], "every table holds every key");
    vec![
        bare(move |n| one_of(keys, n)),
        core(table, move |n| one_of(keys, n)),
        Subject::service(
            "resilience",
            ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(UPSTREAM),
        ),
        governor("governor std", std, move |n| one_of(keys, n)),
        governor("governor quanta", quanta, move |n| one_of(keys, n)),
    ]
}

/// Each call has a key of its own, and the table is full: each gives up another. `governor` keeps them all.
fn new(keys: u64) -> Vec<Subject> {
    let room = NonZeroUsize::new(keys as usize).expect("not zero");
    let table = Arc::new(Keyed::new(room, IDLE));
    let start = now();
    for key in 0..2 * keys {
        table.get_or_insert_with(scramble(key), start, || RateLimiter::new(AMPLE, start));
    }
    vec![bare(fresh), core(table, fresh), governor("governor std", peer(MonotonicClock), fresh)]
}

/// Over HTTP, with refusals as responses: a limit for each of 1 000 addresses, which have called before.
fn http_known() -> Vec<Subject> {
    let subjects =
        vec![http_bare(), http_resilience(AMPLE), tower_governor(PeerIpKeyExtractor, ample(), client)];
    let runtime = crate::thread::runtime();
    for subject in &subjects {
        assert_eq!(subject.caller()(&runtime, 20_000), 20_000, "{}", subject.name);
    }
    subjects
}

/// Each address has one call an hour, and has made it.
fn http_refused() -> Vec<Subject> {
    let peer = tower_governor(PeerIpKeyExtractor, governor::Quota::per_hour(NonZeroU32::MIN), client);
    vec![http_bare(), spend(http_resilience(Quota::per_hour(1)), 1_000), spend(peer, 1_000), new_clock()]
}

fn http_bare() -> Subject {
    server::subject("bare", Server, client)
}

fn http_resilience(quota: Quota) -> Subject {
    let address = ClientAddr::new(server::peer);
    let room = NonZeroUsize::new(2_000).expect("not zero");
    let key = move |request: &Request<()>| address.of(request);
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(KeyedRateLimitLayer::with_capacity(key, quota, room, IDLE))
        .layer(ErrorLayer::new());
    server::subject("resilience", stack.service(Server), client)
}

/// One of 1 000 addresses, as good as at random.
const fn client(n: u64) -> u32 {
    (10 << 24) + one_of(1_000, n) as u32
}

/// A key that nobody has had before.
fn fresh(_: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    scramble(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes the key, as all the others do.
fn bare(key: impl Fn(u64) -> u64 + Clone + Send + 'static) -> Subject {
    Subject::function("bare", async move |n| {
        black_box(key(n));
        UPSTREAM.answer(n).await
    })
}

/// The table and the check alone, without Tower around them.
fn core(table: Arc<Keyed<u64, RateLimiter>>, key: impl Fn(u64) -> u64 + Clone + Send + 'static) -> Subject {
    Subject::function("resilience core", async move |n| {
        let now = now();
        let key = key(n);
        let checked = table.with(&key, now, |limiter| limiter.check(1, now)).unwrap_or_else(|| {
            table.get_or_insert_with(key, now, || RateLimiter::new(AMPLE, now)).check(1, now)
        });
        match checked {
            Ok(_) => UPSTREAM.answer(n).await,
            Err(_) => Err(Fault),
        }
    })
}

pub(crate) type Peer<C> = governor::RateLimiter<
    u64,
    governor::state::keyed::DashMapStateStore<u64>,
    C,
    governor::middleware::NoOpMiddleware<<C as Clock>::Instant>,
>;

pub(crate) fn peer<C: Clock>(clock: C) -> Arc<Peer<C>> {
    Arc::new(governor::RateLimiter::dashmap_with_clock(ample(), clock))
}

fn governor<C>(
    name: &'static str,
    limiter: Arc<Peer<C>>,
    key: impl Fn(u64) -> u64 + Clone + Send + 'static,
) -> Subject
where
    C: Clock + Send + Sync + 'static,
{
    Subject::function(name, async move |n| match limiter.check_key(&key(n)) {
        Ok(()) => UPSTREAM.answer(n).await,
        Err(_) => Err(Fault),
    })
}
