//! The permits in one word: how many are taken, how many there are, and whether anybody waits.

/// 32 bits of permits taken, 31 bits of the limit, and one bit that says that there is a queue.
///
/// More may be taken than the limit allows, once the limit has been lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

/// The largest limit there can be.
pub(crate) const MOST: u32 = u32::MAX >> 1;

/// Somebody waits: whoever comes now stands behind, and whoever gives back has to look after the queue.
pub(crate) const WAITED: u64 = 1 << 63;

const LIMIT: u64 = (MOST as u64) << 32;

impl Word {
    pub(crate) const fn new(limit: u32) -> Self {
        Self((limit as u64) << 32)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(crate) const fn in_flight(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn limit(self) -> u32 {
        ((self.0 & LIMIT) >> 32) as u32
    }

    pub(crate) const fn is_waited(self) -> bool {
        self.0 & WAITED != 0
    }

    /// With `weight` more taken; `None` if there is no room for that.
    #[inline]
    pub(crate) fn take(self, weight: u32) -> Option<Self> {
        let taken = self.in_flight().checked_add(weight)?;
        (taken <= self.limit()).then(|| Self(self.0 + u64::from(weight)))
    }

    /// With another limit. What is taken stays taken.
    pub(crate) const fn resize(self, limit: u32) -> Self {
        Self(self.0 & !LIMIT | (limit as u64) << 32)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_last_permit_is_given_and_no_more() {
        let word = Word::new(3).take(2).unwrap();
        assert_eq!((word.in_flight(), word.limit()), (2, 3));
        assert_eq!(word.take(2), None);
        let full = word.take(1).unwrap();
        assert_eq!((full.in_flight(), full.take(1)), (3, None));
        assert_eq!(Word::new(MOST).take(u32::MAX), None);
        assert_eq!(Word::new(MOST).take(MOST).map(Word::in_flight), Some(MOST));
    }

    #[test]
    fn a_lower_limit_revokes_nothing() {
        let word = Word::new(5).take(4).unwrap().resize(2);
        assert_eq!((word.in_flight(), word.limit(), word.take(1)), (4, 2, None));
        let waited = Word(word.0 | WAITED).resize(MOST);
        assert_eq!((waited.in_flight(), waited.limit(), waited.is_waited()), (4, MOST, true));
    }
}
