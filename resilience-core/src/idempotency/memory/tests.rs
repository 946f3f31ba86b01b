//! What is this store's own: its bounds, its clock, and what it shows. What every store does is in the conformance suite.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Config, MemoryStore,
    room::Room,
    shard::{Place, RECORD_BYTES, Shard},
    state::Moment,
};
use crate::idempotency::{
    Begin, Claim, Fingerprint, Finish, Held, Owner, RecordKey, Release, Released, Renew, Store,
    StoreErrorKind,
};

const S: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A store and its clock.
struct Lab {
    store: MemoryStore,
    millis: Arc<AtomicU64>,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(config: Config) -> Self {
        let (t0, millis) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let clock = Arc::clone(&millis);
        let now = move || t0 + Duration::from_millis(clock.load(Ordering::Relaxed));
        Self { store: MemoryStore::new(config, now), millis }
    }

    fn pass(&self, time: Duration) {
        self.millis.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn begin(&self, n: u32, claim: &Claim) -> Result<Begin, StoreErrorKind> {
        ready(self.store.begin(&key(n), claim)).map_err(|error| error.kind())
    }

    fn finish(&self, n: u32, claim: &Claim, response: &[u8]) -> Result<Finish, StoreErrorKind> {
        let response = Bytes::copy_from_slice(response);
        ready(self.store.finish(&key(n), claim, Held::new(1, 1), response)).map_err(|error| error.kind())
    }

    fn release(&self, n: u32, claim: &Claim, how: Release) -> Released {
        ready(self.store.release(&key(n), claim.owner, how)).unwrap()
    }

    /// A record that is done, with a response of so many bytes.
    fn done(&self, n: u32, bytes: usize) {
        let claim = claim();
        assert!(matches!(self.begin(n, &claim), Ok(Begin::Acquired(_))), "{n}");
        assert_eq!(self.finish(n, &claim, &vec![0; bytes]), Ok(Finish::Ok), "{n}");
    }

    /// Whether there is a record that is done.
    fn has(&self, n: u32) -> bool {
        let refusing = claim();
        match self.begin(n, &refusing).unwrap() {
            Begin::Done(_) => true,
            _ => {
                self.release(n, &refusing, Release::Delete);
                false
            }
        }
    }

    fn counts(&self) -> (u64, u64, u64) {
        let snapshot = self.store.snapshot();
        (snapshot.entries, snapshot.pending, snapshot.bytes)
    }

    fn evicted(&self) -> (u64, u64) {
        let evictions = self.store.snapshot().evictions;
        (evictions.expired, evictions.capacity)
    }
}

fn key(n: u32) -> RecordKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    RecordKey::from_bytes(bytes)
}

fn claim() -> Claim {
    Claim::new(Fingerprint::from_bytes([0; 32]), Owner::random())
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

#[test]
fn counts_what_it_holds() {
    let lab = Lab::new(Config::new());
    let one = claim();
    lab.begin(1, &one).unwrap();
    lab.done(2, 100);
    assert_eq!(lab.counts(), (2, 1, 2 * RECORD_BYTES + 100));
    lab.finish(1, &one, &[0; 10]).unwrap();
    assert_eq!(lab.counts(), (2, 0, 2 * RECORD_BYTES + 110));
    assert!(lab.store.purge(&key(2)));
    assert!(!lab.store.purge(&key(2)));
    assert_eq!(lab.counts(), (1, 0, RECORD_BYTES + 10));
    let three = claim();
    lab.begin(3, &three).unwrap();
    lab.release(3, &three, Release::Delete);
    assert_eq!(lab.counts(), (1, 0, RECORD_BYTES + 10));
    lab.pass(DAY);
    assert!(!lab.store.purge(&key(1)), "it has expired");
    assert_eq!(lab.counts(), (0, 0, 0));
    assert_eq!(lab.evicted(), (1, 0));
}

#[test]
fn trap_35_a_full_store_gives_up_the_oldest_done_record_and_never_a_claim() {
    let lab = Lab::new(Config::new().max_entries(100));
    let claims: Vec<_> = (0..50).map(|_| claim()).collect();
    for (n, claim) in (0..).zip(&claims) {
        lab.begin(n, claim).unwrap();
    }
    for n in 50..1050 {
        lab.pass(Duration::from_millis(1));
        lab.done(n, 10);
        assert!(lab.counts().0 <= 100);
    }
    assert_eq!(lab.evicted(), (0, 950));
    for n in 50..1050 {
        if n >= 1000 {
            let again = lab.begin(n, &claim());
            assert_eq!(again, Ok(Begin::Done(Bytes::from_static(&[0; 10]))), "{n}");
        }
    }
    for (n, claim) in (0..).zip(&claims) {
        assert!(matches!(lab.begin(n, &self::claim()), Ok(Begin::Busy { .. })));
        assert_eq!(lab.finish(n, claim, b"done"), Ok(Finish::Ok));
    }
}

#[test]
fn trap_32_of_many_threads_with_one_key_one_acquires_it() {
    let lab = Lab::new(Config::new());
    for n in 0..200 {
        let acquired: usize = std::thread::scope(|scope| {
            let begin = || matches!(lab.begin(n, &claim()), Ok(Begin::Acquired(_)));
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(acquired, 1);
    }
}

#[test]
fn trap_33_a_claim_ends_with_its_lease_and_its_record_does_not() {
    let lab = Lab::new(Config::new());
    let crashed = claim();
    lab.begin(1, &crashed).unwrap();
    lab.pass(30 * S);
    assert!(matches!(lab.begin(1, &claim()), Ok(Begin::Acquired(held)) if held.attempt == 2));
    lab.done(2, 1);
    lab.pass(DAY - 60 * S);
    assert!(lab.has(2));
}

#[test]
fn trap_34_who_was_taken_over_changes_nothing() {
    let lab = Lab::new(Config::new());
    let (zombie, winner) = (claim(), claim());
    lab.begin(1, &zombie).unwrap();
    lab.pass(30 * S);
    lab.begin(1, &winner).unwrap();
    assert_eq!(lab.finish(1, &zombie, b"zombie"), Ok(Finish::Lost { winner: None }));
    for how in [Release::Abandon, Release::Delete] {
        assert_eq!(lab.release(1, &zombie, how), Released::Lost);
    }
    assert_eq!(lab.finish(1, &winner, b"winner"), Ok(Finish::Ok));
    let theirs = Some(Bytes::from_static(b"winner"));
    assert_eq!(lab.finish(1, &zombie, b"zombie"), Ok(Finish::Lost { winner: theirs }));
}

#[test]
fn a_shard_never_gives_up_a_claim() {
    let (room, now) = (Room::new(Config::new().most()), Moment(0));
    let mut shard = Shard::default();
    let (key, claim) = (key(1), claim());
    let place = Place { hash: 1, key: &key };
    shard.begin(place, &claim, now, &room).unwrap();
    assert!(!shard.give_up_one(now, &room));
    shard.finish(place, &claim, &Bytes::new(), now, &room).unwrap();
    assert!(shard.give_up_one(now, &room));
}

#[test]
fn a_store_full_of_claims_is_full() {
    let lab = Lab::new(Config::new().max_entries(1000));
    let claims: Vec<_> = (0..1000).map(|_| claim()).collect();
    for (n, claim) in (0..).zip(&claims) {
        assert!(matches!(lab.begin(n, claim), Ok(Begin::Acquired(_))), "{n}");
    }
    assert_eq!(lab.begin(1000, &claim()), Err(StoreErrorKind::Full));
    // A lease that is over is a claim all the same: what it did is unknown.
    lab.pass(60 * S);
    assert_eq!(lab.begin(1000, &claim()), Err(StoreErrorKind::Full));
    assert_eq!(
        ready(lab.store.renew(&key(1000), &claim(), Held::new(1, 1))).unwrap_err().kind(),
        StoreErrorKind::Full
    );
    assert_eq!(lab.finish(1000, &claim(), b""), Err(StoreErrorKind::Full));
    // Who is in goes on, and makes room.
    assert_eq!(lab.finish(0, &claims[0], b""), Ok(Finish::Ok));
    assert!(matches!(lab.begin(1000, &claim()), Ok(Begin::Acquired(_))));
    assert_eq!(lab.counts().0, 1000);
}

#[test]
fn bytes_are_bounded_too() {
    let lab = Lab::new(Config::new().max_bytes(10 * (RECORD_BYTES + 1000)));
    for n in 0..30 {
        lab.pass(S);
        lab.done(n, 1000);
        assert!(lab.counts().2 <= 10 * (RECORD_BYTES + 1000));
    }
    assert_eq!(lab.counts().0, 10);
    assert!(lab.has(29) && lab.has(21));
    // One that takes the room of several.
    lab.pass(S);
    lab.done(30, 4 * 1000);
    assert!(lab.has(30) && lab.has(29) && !lab.has(23));
}

#[test]
fn a_response_that_never_fits_costs_nobody_anything() {
    let lab = Lab::new(Config::new().max_bytes(10_000));
    lab.done(1, 100);
    let two = claim();
    lab.begin(2, &two).unwrap();
    let most = usize::try_from(10_000 - RECORD_BYTES).unwrap();
    assert_eq!(lab.finish(2, &two, &vec![0; most + 1]), Err(StoreErrorKind::Full));
    assert!(lab.has(1));
    assert_eq!(lab.evicted(), (0, 0));
    assert_eq!(lab.finish(2, &two, &vec![0; most]), Ok(Finish::Ok));
    assert_eq!(lab.evicted(), (0, 1));
}

#[test]
fn what_has_expired_goes_before_anything_else() {
    let lab = Lab::new(Config::new().max_entries(3));
    lab.done(1, 0);
    let mut short = claim();
    short.retain = S;
    lab.begin(2, &short).unwrap();
    lab.done(3, 0);
    lab.pass(S);
    lab.done(4, 0);
    assert_eq!(lab.evicted(), (1, 0), "the pending one had been kept for its time");
    assert!(lab.has(1) && lab.has(3) && lab.has(4));
}

#[test]
fn what_has_expired_is_cleared_away_by_and_by() {
    let lab = Lab::new(Config::new());
    for n in 0..1000 {
        lab.done(n, 100);
    }
    lab.pass(DAY);
    let other = claim();
    for n in 1000..2000 {
        lab.begin(n, &other).unwrap();
    }
    assert_eq!(lab.counts().0, 1000);
    assert_eq!(lab.evicted(), (1000, 0));
}

#[test]
fn what_has_expired_is_gone_even_where_much_is_to_be_cleared_away() {
    let lab = Lab::new(Config::new());
    for n in 0..1000 {
        lab.done(n, 0);
    }
    lab.pass(DAY);
    for n in [999, 0] {
        assert!(matches!(lab.begin(n, &claim()), Ok(Begin::Acquired(held)) if held.attempt == 1), "{n}");
    }
    let (expired, _) = lab.evicted();
    assert_eq!(1002 - expired, lab.counts().0);
}

#[test]
fn the_shortest_times_count_as_a_millisecond() {
    let (lab, ms) = (Lab::new(Config::new()), Duration::from_millis(1));
    let mut short = claim();
    short.lease = Duration::ZERO;
    lab.begin(1, &short).unwrap();
    assert_eq!(lab.begin(1, &claim()), Ok(Begin::Busy { retry_in: ms, attempt: 1 }));
    lab.pass(ms);
    assert!(matches!(lab.begin(1, &claim()), Ok(Begin::Acquired(held)) if held.attempt == 2));

    (short.lease, short.retain) = (S, Duration::ZERO);
    lab.begin(2, &short).unwrap();
    assert!(matches!(lab.begin(2, &claim()), Ok(Begin::Busy { .. })));
    lab.pass(ms);
    assert!(matches!(lab.begin(2, &claim()), Ok(Begin::Acquired(held)) if held.attempt == 1));
}

#[test]
fn a_record_is_kept_until_its_time_and_no_longer() {
    let lab = Lab::new(Config::new());
    lab.done(1, 1);
    lab.pass(DAY - Duration::from_millis(1));
    assert!(lab.has(1));
    lab.pass(Duration::from_millis(1));
    assert!(!lab.has(1));
}

#[test]
fn a_clock_that_stands_still_or_goes_back_harms_nothing() {
    let lab = Lab::new(Config::new());
    lab.pass(S);
    let one = claim();
    assert!(matches!(lab.begin(1, &one), Ok(Begin::Acquired(_))));
    lab.millis.store(0, Ordering::Relaxed);
    assert!(matches!(lab.begin(1, &claim()), Ok(Begin::Busy { .. })));
    lab.done(2, 1);
    assert_eq!(ready(lab.store.renew(&key(1), &one, Held::new(1, 1))).unwrap(), Renew::Ok);
    assert_eq!(lab.finish(1, &one, b"1"), Ok(Finish::Ok));
    assert!(lab.has(1) && lab.has(2));
}

#[test]
fn records_that_never_expire_are_given_up_too() {
    let lab = Lab::new(Config::new().max_entries(1));
    let mut forever = claim();
    (forever.lease, forever.retain) = (Duration::MAX, Duration::MAX);
    lab.begin(1, &forever).unwrap();
    assert_eq!(lab.begin(2, &claim()), Err(StoreErrorKind::Full));
    lab.finish(1, &forever, b"").unwrap();
    assert!(matches!(lab.begin(2, &claim()), Ok(Begin::Acquired(_))));
}

#[test]
fn a_response_does_not_keep_the_buffer_it_is_a_part_of() {
    let lab = Lab::new(Config::new());
    let one = claim();
    lab.begin(1, &one).unwrap();
    let buffer = Bytes::from(vec![7; 1 << 20]);
    ready(lab.store.finish(&key(1), &one, Held::new(1, 1), buffer.slice(..3))).unwrap();
    assert!(buffer.is_unique());
}

#[test]
fn nothing_is_done_before_it_is_polled() {
    let lab = Lab::new(Config::new());
    drop(lab.store.begin(&key(1), &claim()));
    assert_eq!(lab.counts().0, 0);
}

#[test]
#[should_panic = "max_entries is 0, it must be from 1 to 4294967295"]
fn no_entries_are_refused() {
    let _ = Config::new().max_entries(0);
}

#[test]
#[should_panic = "max_bytes is 383, it must be at least 384"]
fn too_few_bytes_are_refused() {
    let _ = Config::new().max_bytes(383);
}

#[test]
fn threads_share_one_store() {
    let lab = Lab::new(Config::new().max_entries(64).max_bytes(64 * (RECORD_BYTES + 8)));
    let owners: Vec<u64> = std::thread::scope(|scope| {
        let run = |_| {
            scope.spawn(|| {
                (0..2000)
                    .map(|n| {
                        let claim = claim();
                        let Ok(Begin::Acquired(_)) = lab.begin(n % 100, &claim) else { return 0 };
                        let finished = lab.finish(n % 100, &claim, &[0; 8]);
                        u64::from(matches!(finished, Ok(Finish::Ok)))
                    })
                    .sum()
            })
        };
        let threads: Vec<_> = (0..4).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (entries, pending, bytes) = lab.counts();
    assert!(entries <= 64 && pending == 0, "{entries} {pending}");
    assert_eq!(bytes, entries * (RECORD_BYTES + 8));
    let (_, capacity) = lab.evicted();
    assert_eq!(owners.iter().sum::<u64>(), entries + capacity);
}
