//! The store against a naive one: a list of records, and no thought of speed.

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
use proptest::prelude::*;

use super::{Config, MemoryStore, shard::RECORD_BYTES};
use crate::idempotency::{
    Begin, Claim, Fingerprint, Finish, Held, OnLostOwner, Owner, RecordKey, Release, Released, Renew, Store,
    StoreError, StoreErrorKind,
};

const MS: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct Record {
    key: u8,
    fingerprint: Fingerprint,
    owner: Owner,
    held: Held,
    lease_until: u64,
    expires: u64,
    response: Option<Bytes>,
}

impl Record {
    fn bytes(&self) -> u64 {
        RECORD_BYTES + self.response.as_ref().map_or(0, Bytes::len) as u64
    }
}

/// What the store must be, in nanoseconds.
#[derive(Debug)]
struct Model {
    now: u64,
    max_entries: usize,
    max_bytes: u64,
    records: Vec<Record>,
    /// All fences that were ever seen.
    fences: Vec<(u8, u64)>,
    given_up: u64,
}

impl Model {
    fn find(&mut self, key: u8) -> Option<&mut Record> {
        let now = self.now;
        self.records.retain(|record| now < record.expires);
        self.records.iter_mut().find(|record| record.key == key)
    }

    /// Makes room for a record of so many bytes, of which some are there already.
    fn room(&mut self, bytes: u64, there: u64) -> Result<(), StoreErrorKind> {
        let entries = usize::from(there == 0);
        loop {
            let taken: u64 = self.records.iter().map(Record::bytes).sum();
            if taken + bytes - there <= self.max_bytes && self.records.len() + entries <= self.max_entries {
                return Ok(());
            }
            let done = self.records.iter().filter(|record| record.response.is_some());
            let oldest = done.map(|record| record.expires).min();
            if bytes > self.max_bytes || oldest.is_none() {
                return Err(StoreErrorKind::Full);
            }
            self.records.retain(|record| Some(record.expires) != oldest);
            self.given_up += 1;
        }
    }

    fn insert(&mut self, key: u8, claim: &Claim, held: Held, response: Option<Bytes>) {
        let plus = |after: Duration| self.now + u64::try_from(after.as_nanos()).unwrap();
        let record = Record {
            key,
            fingerprint: claim.fingerprint,
            owner: claim.owner,
            held,
            lease_until: plus(claim.lease),
            expires: plus(claim.retain),
            response,
        };
        self.records.push(record);
    }

    /// `fence` is what the store gave, if it gave one.
    fn begin(&mut self, key: u8, claim: &Claim, fence: Option<u64>) -> Result<Begin, StoreErrorKind> {
        let (now, lease) = (self.now, u64::try_from(claim.lease.as_nanos()).unwrap());
        let Some(record) = self.find(key) else {
            self.room(RECORD_BYTES, 0)?;
            let held = Held::new(1, self.new_fence(key, fence));
            self.insert(key, claim, held, None);
            return Ok(Begin::Acquired(held));
        };
        if record.fingerprint != claim.fingerprint {
            return Ok(Begin::Mismatch);
        }
        if let Some(response) = &record.response {
            return Ok(Begin::Done(response.clone()));
        }
        let attempt = record.held.attempt;
        if record.owner == claim.owner {
            record.lease_until = now + lease;
            return Ok(Begin::Acquired(record.held));
        }
        if now < record.lease_until {
            return Ok(Begin::Busy { retry_in: Duration::from_nanos(record.lease_until - now), attempt });
        }
        if claim.on_lost_owner == OnLostOwner::Refuse {
            return Ok(Begin::Abandoned { attempt });
        }
        let held = Held::new(attempt + 1, self.new_fence(key, fence));
        let record = self.find(key).unwrap();
        (record.owner, record.held, record.lease_until) = (claim.owner, held, now + lease);
        Ok(Begin::Acquired(held))
    }

    fn new_fence(&mut self, key: u8, fence: Option<u64>) -> u64 {
        let fence = fence.expect("an owner has a fence");
        assert!(self.fences.iter().all(|&(of, other)| of != key || other < fence), "a greater fence");
        self.fences.push((key, fence));
        fence
    }

    fn renew(&mut self, key: u8, claim: &Claim, held: Held) -> Result<Renew, StoreErrorKind> {
        let until = self.now + u64::try_from(claim.lease.as_nanos()).unwrap();
        match self.find(key) {
            None => {
                self.room(RECORD_BYTES, 0)?;
                self.fences.push((key, held.fence));
                self.insert(key, claim, held, None);
                Ok(Renew::Healed)
            }
            Some(record) if record.owner == claim.owner && record.response.is_none() => {
                record.lease_until = until;
                Ok(Renew::Ok)
            }
            Some(_) => Ok(Renew::Lost),
        }
    }

    fn finish(
        &mut self,
        key: u8,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreErrorKind> {
        let bytes = RECORD_BYTES + response.len() as u64;
        let Some(record) = self.find(key) else {
            self.room(bytes, 0)?;
            self.insert(key, claim, held, Some(response));
            return Ok(Finish::Healed);
        };
        if record.owner != claim.owner {
            let same = record.fingerprint == claim.fingerprint;
            return Ok(Finish::Lost { winner: record.response.clone().filter(|_| same) });
        }
        if record.response.is_none() {
            self.room(bytes, RECORD_BYTES)?;
            self.find(key).unwrap().response = Some(response);
        }
        Ok(Finish::Ok)
    }

    fn release(&mut self, key: u8, owner: Owner, how: Release) -> Released {
        let now = self.now;
        match self.find(key) {
            None => Released::Gone,
            Some(record) if record.owner == owner && record.response.is_none() => {
                record.lease_until = record.lease_until.min(now);
                if how == Release::Delete {
                    self.records.retain(|record| record.key != key);
                }
                Released::Ok
            }
            Some(_) => Released::Lost,
        }
    }

    /// What an owner would say that it holds.
    fn held(&self, key: u8) -> Held {
        self.records.iter().find(|record| record.key == key).map_or(Held::new(3, 5), |record| record.held)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    Renew,
    Finish(usize),
    Release(Release),
    Purge,
    Pass(u64),
}

/// Who does what to which record: key, owner, fingerprint, whether it refuses, lease and retention in milliseconds.
type Move = (u8, u8, u8, bool, u64, u64, Step);

fn moves() -> impl Strategy<Value = (u32, u64, Vec<Move>)> {
    let step = prop_oneof![
        6 => Just(Step::Begin),
        2 => Just(Step::Renew),
        4 => prop_oneof![0..20_usize, 0..1000_usize].prop_map(Step::Finish),
        2 => prop_oneof![Just(Release::Delete), Just(Release::Abandon)].prop_map(Step::Release),
        1 => Just(Step::Purge),
        3 => prop_oneof![0..4_u64, 0..40_u64].prop_map(Step::Pass),
    ];
    let fingerprint = prop_oneof![9 => Just(0_u8), 1 => Just(1)];
    let one = (0..6_u8, 0..3_u8, fingerprint, prop::bool::weighted(0.3), 1..5_u64, 1..60_u64, step);
    (1..6_u32, 400..4000_u64, prop::collection::vec(one, 1..150))
}

fn ready<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreErrorKind> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.map_err(|error| error.kind()),
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

/// Does the same to both. Each step takes a nanosecond, so that no two records expire together.
fn step(
    model: &mut Model,
    store: &MemoryStore,
    clock: &AtomicU64,
    (key, owner, fp, refuses, lease, retain, step): &Move,
) {
    let mut claim = Claim::new(Fingerprint::from_bytes([*fp; 32]), Owner::from_bytes([*owner; 16]));
    (claim.lease, claim.retain) = (Duration::from_millis(*lease), Duration::from_millis(*retain));
    if *refuses {
        claim.on_lost_owner = OnLostOwner::Refuse;
    }
    let (key, name) = (*key, RecordKey::from_bytes([*key; 32]));
    model.now += 1;
    clock.store(model.now, Ordering::Relaxed);
    let held = model.held(key);
    match step {
        Step::Begin => {
            let answer = ready(store.begin(&name, &claim));
            let fence = if let Ok(Begin::Acquired(held)) = &answer { Some(held.fence) } else { None };
            assert_eq!(answer, model.begin(key, &claim, fence));
        }
        Step::Renew => {
            assert_eq!(ready(store.renew(&name, &claim, held)), model.renew(key, &claim, held));
        }
        Step::Finish(length) => {
            let response = Bytes::from(vec![*owner; *length]);
            let answer = ready(store.finish(&name, &claim, held, response.clone()));
            assert_eq!(answer, model.finish(key, &claim, held, response));
        }
        Step::Release(how) => {
            assert_eq!(
                ready(store.release(&name, claim.owner, *how)),
                Ok(model.release(key, claim.owner, *how))
            );
        }
        Step::Purge => {
            assert_eq!(store.purge(&name), model.find(key).is_some());
            model.records.retain(|record| record.key != key);
        }
        Step::Pass(millis) => model.now += millis * MS,
    }
}

proptest! {
    #[test]
    fn does_what_a_list_of_records_does((max_entries, max_bytes, moves) in moves()) {
        #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
        let (t0, nanos) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let clock = Arc::clone(&nanos);
        let now = move || t0 + Duration::from_nanos(clock.load(Ordering::Relaxed));
        let store = MemoryStore::new(Config::new().max_entries(max_entries).max_bytes(max_bytes), now);
        let mut model = Model {
            now: 0,
            max_entries: max_entries as usize,
            max_bytes,
            records: Vec::new(),
            fences: Vec::new(),
            given_up: 0,
        };
        for one in &moves {
            step(&mut model, &store, &nanos, one);
            let seen = store.snapshot();
            assert!(seen.entries <= max_entries.into() && seen.bytes <= max_bytes && seen.pending <= seen.entries);
            assert_eq!(seen.evictions.capacity, model.given_up, "before their time");
            let gone = |record: &&Record| record.expires <= model.now;
            let gone = model.records.iter().filter(gone).count() as u64;
            assert!(seen.entries >= model.records.len() as u64 - gone);
        }
    }
}
