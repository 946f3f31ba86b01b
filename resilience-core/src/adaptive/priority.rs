/// Who is refused first when the limit is reached.
///
/// A class is admitted while less than its part of the limit is in flight, rounded up: so the highest classes find room even while
/// the lower ones alone would fill the limit.
///
/// ```
/// use resilience_core::adaptive::Priority;
///
/// assert_eq!(Priority::ALL.map(|priority| priority.part_of(100)), [100, 90, 60]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// May use the whole limit: what keeps the service itself going, payments, health checks.
    Critical,
    /// May use nine tenths of it.
    #[default]
    Default,
    /// May use six tenths of it: prefetching, batches, whatever will be tried again later.
    Sheddable,
}

impl Priority {
    /// All priorities, the highest first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Default, Self::Sheddable];

    /// The value of the `priority` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Default => "default",
            Self::Sheddable => "sheddable",
        }
    }

    /// How many calls may be in flight for one of this class to be the last.
    #[must_use]
    #[inline]
    pub const fn part_of(self, limit: u32) -> u32 {
        let tenths = match self {
            Self::Critical => return limit,
            Self::Default => 9,
            Self::Sheddable => 6,
        };
        // In two parts, so that nothing overflows.
        limit / 10 * tenths + (limit % 10 * tenths).div_ceil(10)
    }
}
