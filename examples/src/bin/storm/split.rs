//! Dividing the length of a run.

use std::{ops::Range, time::Duration};

/// What a stretch gets of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The shortest it may get, in seconds.
    pub(crate) least: u32,
    /// Its share of the seconds that are left when every stretch has its least.
    pub(crate) weight: u32,
}

/// The fewest seconds that all shares fit into.
pub(crate) fn least_seconds(shares: &[Share]) -> u32 {
    shares.iter().map(|share| share.least).sum()
}

/// Splits `seconds` into stretches that follow each other, as offsets from the start; `None` if they do not fit.
pub(crate) fn split(seconds: u32, shares: &[Share]) -> Option<Vec<Range<Duration>>> {
    let spare = Duration::from_secs(seconds.checked_sub(least_seconds(shares))?.into());
    let weights: u32 = shares.iter().map(|share| share.weight).sum();
    let mut start = Duration::ZERO;
    let stretches = shares.iter().map(|share| {
        let end = start + Duration::from_secs(share.least.into()) + spare * share.weight / weights;
        let stretch = start..end;
        start = end;
        stretch
    });
    Some(stretches.collect())
}
