//! The records of one shard: found by key, and in the order in which they expire.

use std::collections::BTreeSet;

use bytes::Bytes;
use hashbrown::HashTable;

use super::{
    Evictions,
    room::{Room, Size},
    state::{Moment, Record},
};
use crate::idempotency::{Begin, Claim, Finish, Held, Owner, RecordKey, Release, Released, Renew};

/// What a record takes besides its response: its place in the table and in the order, with what both keep spare.
pub(super) const RECORD_BYTES: u64 = 384;

/// How many expired records each operation clears away.
const CLEARED_AT_ONCE: usize = 8;

/// There is no room for so much more.
#[derive(Debug)]
pub(super) struct NoRoom(pub(super) Size);

/// A record's hash and key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) hash: u64,
    pub(super) key: &'a RecordKey,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    /// Boxed, because under eviction a table keeps up to four times as many places as it has records.
    table: HashTable<Box<Slot>>,
    /// In the order in which they expire, which is that of their first `begin` if all are kept equally long.
    pending: BTreeSet<Due>,
    done: BTreeSet<Due>,
    /// The greatest that was given out or brought back here.
    fence: u64,
    pub(super) evictions: Evictions,
}

#[derive(Debug)]
struct Slot {
    key: RecordKey,
    hash: u64,
    record: Record,
}

/// When a record expires, its hash and its key.
type Due = (Moment, u64, [u8; 32]);

impl Shard {
    pub(super) fn begin(
        &mut self,
        place: Place<'_>,
        claim: &Claim,
        now: Moment,
        room: &Room,
    ) -> Result<Begin, NoRoom> {
        self.clear(place, now, room);
        if let Some(record) = find(&mut self.table, place) {
            return Ok(record.begin(claim, now, || next_fence(&mut self.fence)));
        }
        let held = Held::new(1, next_fence(&mut self.fence));
        self.insert(place, Record::pending(claim, held, now), room)?;
        Ok(Begin::Acquired(held))
    }

    pub(super) fn renew(
        &mut self,
        place: Place<'_>,
        claim: &Claim,
        held: Held,
        now: Moment,
        room: &Room,
    ) -> Result<Renew, NoRoom> {
        self.clear(place, now, room);
        if let Some(record) = find(&mut self.table, place) {
            return Ok(record.renew(claim, now));
        }
        self.insert(place, Record::pending(claim, held, now), room)?;
        self.fence = self.fence.max(held.fence);
        Ok(Renew::Healed)
    }

    pub(super) fn finish(
        &mut self,
        place: Place<'_>,
        claim: &Claim,
        response: &Bytes,
        now: Moment,
        room: &Room,
    ) -> Result<Finish, NoRoom> {
        self.clear(place, now, room);
        let Some(record) = find(&mut self.table, place) else {
            self.insert(place, Record::done(claim, response.clone(), now), room)?;
            return Ok(Finish::Healed);
        };
        if let Some(answer) = record.finished(claim) {
            return Ok(answer);
        }
        let more = Size { entries: 0, bytes: response.len() as u64 };
        if !room.take(more) {
            return Err(NoRoom(size(response.len())));
        }
        record.store(response.clone());
        let due = place.due(record.expires);
        self.pending.remove(&due);
        self.done.insert(due);
        Ok(Finish::Ok)
    }

    pub(super) fn release(
        &mut self,
        place: Place<'_>,
        owner: Owner,
        how: Release,
        now: Moment,
        room: &Room,
    ) -> Released {
        self.clear(place, now, room);
        let Some(record) = find(&mut self.table, place) else { return Released::Gone };
        let (answer, goes) = record.release(owner, how, now);
        if goes {
            let due = place.due(record.expires);
            self.remove(due, room);
        }
        answer
    }

    /// Removes the record, whatever it is. Whether there was one that had not expired.
    pub(super) fn purge(&mut self, place: Place<'_>, now: Moment, room: &Room) -> bool {
        self.clear(place, now, room);
        let due = find(&mut self.table, place).map(|record| place.due(record.expires));
        due.into_iter().for_each(|due| self.remove(due, room));
        due.is_some()
    }

    /// Gives up one record for the sake of another: one that has expired, or else the done one that expires first. Whether there was
    /// one. Never one that is pending: somebody may be at work, and nobody else must begin.
    pub(super) fn give_up_one(&mut self, now: Moment, room: &Room) -> bool {
        if self.clear_one(now, room) {
            return true;
        }
        let oldest = self.done.first().copied();
        oldest.into_iter().for_each(|due| self.remove(due, room));
        self.evictions.capacity += u64::from(oldest.is_some());
        oldest.is_some()
    }

    /// When the first pending and the first done record expire.
    pub(super) fn first(&self) -> (Option<Moment>, Option<Moment>) {
        (self.pending.first().map(|due| due.0), self.done.first().map(|due| due.0))
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Clears away this record, if it has expired, and some others that have.
    fn clear(&mut self, place: Place<'_>, now: Moment, room: &Room) {
        let mut some = 0..CLEARED_AT_ONCE;
        while some.next().is_some() && self.clear_one(now, room) {}
        if some.is_empty() {
            let expired = find(&mut self.table, place).map(|record| record.expires).filter(|&at| at <= now);
            if let Some(at) = expired {
                self.remove(place.due(at), room);
                self.evictions.expired += 1;
            }
        }
    }

    /// Clears away the record that has expired first. Whether there was one.
    fn clear_one(&mut self, now: Moment, room: &Room) -> bool {
        let first = self.pending.first().into_iter().chain(self.done.first()).min().copied();
        let expired = first.filter(|due| due.0 <= now);
        expired.into_iter().for_each(|due| self.remove(due, room));
        self.evictions.expired += u64::from(expired.is_some());
        expired.is_some()
    }

    fn insert(&mut self, place: Place<'_>, record: Record, room: &Room) -> Result<(), NoRoom> {
        let size = size(record.len());
        if !room.take(size) {
            return Err(NoRoom(size));
        }
        self.order(record.is_pending()).insert(place.due(record.expires));
        let slot = Box::new(Slot { key: *place.key, hash: place.hash, record });
        self.table.insert_unique(place.hash, slot, |slot| slot.hash);
        Ok(())
    }

    fn remove(&mut self, due: Due, room: &Room) {
        let (_, hash, key) = due;
        if let Ok(entry) = self.table.find_entry(hash, |slot| slot.key.as_bytes() == &key) {
            let (slot, _) = entry.remove();
            self.order(slot.record.is_pending()).remove(&due);
            room.give_back(size(slot.record.len()));
        }
    }

    fn order(&mut self, pending: bool) -> &mut BTreeSet<Due> {
        if pending { &mut self.pending } else { &mut self.done }
    }
}

impl Place<'_> {
    fn due(self, expires: Moment) -> Due {
        (expires, self.hash, *self.key.as_bytes())
    }
}

/// What a record takes with a response of so many bytes.
fn size(response: usize) -> Size {
    Size { entries: 1, bytes: RECORD_BYTES + response as u64 }
}

fn find<'a>(table: &'a mut HashTable<Box<Slot>>, place: Place<'_>) -> Option<&'a mut Record> {
    table.find_mut(place.hash, |slot| slot.key == *place.key).map(|slot| &mut slot.record)
}

/// One counter for all keys of a shard, so that a key has a greater one even when its record was gone.
fn next_fence(last: &mut u64) -> u64 {
    *last = last.saturating_add(1);
    *last
}
