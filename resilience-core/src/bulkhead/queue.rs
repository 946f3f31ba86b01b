//! Who waits, in which order, and who has been served: pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::Waker,
};

use super::Order;

/// The number of a waiter; a later one has a higher number.
pub(super) type Number = u64;

#[derive(Debug, Default)]
pub(super) struct Queue {
    next: Number,
    waiting: BTreeMap<Number, Waiting>,
    /// Those who have a permit and have not fetched it yet.
    served: BTreeSet<Number>,
}

#[derive(Debug)]
struct Waiting {
    weight: u32,
    waker: Option<Waker>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn join(&mut self, weight: u32) -> Number {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, Waiting { weight, waker: None });
        number
    }

    /// What the next one to be served needs. It is not passed over for a lighter one behind it.
    pub(super) fn head(&self, order: Order) -> Option<u32> {
        self.waiting.get(&self.head_number(order)?).map(|waiting| waiting.weight)
    }

    /// The head has been given what it needs: its waker.
    pub(super) fn serve(&mut self, order: Order) -> Option<Waker> {
        let number = self.head_number(order)?;
        let waiting = self.waiting.remove(&number)?;
        self.served.insert(number);
        waiting.waker
    }

    /// Whether this one has been served, which it learns once. If not, `waker` is noted, and what was noted before comes back.
    pub(super) fn fetch(&mut self, number: Number, waker: &mut Option<Waker>) -> bool {
        match self.waiting.get_mut(&number) {
            Some(waiting) => {
                std::mem::swap(&mut waiting.waker, waker);
                false
            }
            None => self.served.remove(&number),
        }
    }

    /// This one does not wait any more.
    pub(super) fn leave(&mut self, number: Number) -> Left {
        match self.waiting.remove(&number) {
            Some(waiting) => Left::Waiting(waiting.waker),
            None if self.served.remove(&number) => Left::Served,
            None => Left::Gone,
        }
    }

    fn head_number(&self, order: Order) -> Option<Number> {
        let head = match order {
            Order::Fifo => self.waiting.first_key_value(),
            Order::Lifo => self.waiting.last_key_value(),
        };
        head.map(|(&number, _)| number)
    }
}

/// What a waiter was that leaves.
#[derive(Debug)]
pub(super) enum Left {
    /// In the queue; its waker, to be dropped outside of the lock.
    Waiting(Option<Waker>),
    /// Served: it holds a permit that has to go back.
    Served,
    /// Not here.
    Gone,
}
