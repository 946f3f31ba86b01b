//! Two who want the last of the room, in every order that loom can find.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p resilience-core --features idempotency --release --lib loom_`

#![cfg(loom)]

use loom::{sync::Arc, thread};

use super::room::{Room, Size};

fn race(most: Size, one: Size, other: Size, check: fn(&Room, bool, bool)) {
    loom::model(move || {
        let room = Arc::new(Room::new(most));
        let there = Arc::clone(&room);
        let thread = thread::spawn(move || there.take(one));
        let here = room.take(other);
        check(&room, thread.join().unwrap(), here);
    });
}

#[test]
fn loom_of_two_records_one_gets_the_last_place() {
    let size = Size { entries: 1, bytes: 10 };
    race(Size { entries: 1, bytes: 100 }, size, size, |room, one, other| {
        assert!(one != other);
        assert_eq!(room.taken(), Size { entries: 1, bytes: 10 });
    });
}

#[test]
fn loom_who_gets_only_one_of_both_gives_it_back() {
    let (one, other) = (Size { entries: 1, bytes: 60 }, Size { entries: 0, bytes: 60 });
    race(Size { entries: 1, bytes: 100 }, one, other, |room, one, other| {
        assert!(one != other);
        assert_eq!(room.taken(), Size { entries: u64::from(one), bytes: 60 });
    });
}

#[test]
fn loom_what_is_given_back_can_be_taken() {
    loom::model(|| {
        let size = Size { entries: 1, bytes: 10 };
        let room = Arc::new(Room::new(size));
        assert!(room.take(size));
        let there = Arc::clone(&room);
        let thread = thread::spawn(move || there.give_back(size));
        let mut taken = room.take(size);
        thread.join().unwrap();
        taken = taken || room.take(size);
        assert!(taken);
        assert_eq!(room.taken(), size);
    });
}
