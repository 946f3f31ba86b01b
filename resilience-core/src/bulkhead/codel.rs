//! Controlled delay: sheds what has waited long while the queue does not drain.

use std::time::Duration;

use crate::nanos::nanos;

/// The service variant of CoDel, as in folly (`folly/executors/Codel.cpp`) and wangle: when the shortest wait of a whole
/// interval is above the target, the queue does not drain, and from then on whatever has waited for more than twice the target is
/// shed, but never the first of an interval.
///
/// The target is 5 ms and the interval 100 ms: the values of the algorithm's authors (Nichols and Jacobson, "Controlling
/// Queue Delay", ACM Queue, 2012), which folly has kept.
#[derive(Debug, Default)]
pub(super) struct Codel {
    /// The end of the interval, in nanoseconds since the origin.
    end: u64,
    /// The shortest wait of the interval; none before its first.
    shortest: Option<u64>,
    is_overloaded: bool,
}

const TARGET: Duration = Duration::from_millis(5);
const INTERVAL: Duration = Duration::from_millis(100);

const TARGET_NANOS: u64 = nanos(TARGET);
const INTERVAL_NANOS: u64 = nanos(INTERVAL);

impl Codel {
    /// Whether a call that has waited so long is shed at `now`, both in nanoseconds.
    pub(super) fn sheds(&mut self, waited: u64, now: u64) -> bool {
        if now >= self.end {
            self.is_overloaded = self.shortest.is_some_and(|shortest| shortest > TARGET_NANOS);
            self.end = now.saturating_add(INTERVAL_NANOS);
            self.shortest = None;
        }
        match &mut self.shortest {
            None => {
                self.shortest = Some(waited);
                false
            }
            Some(shortest) => {
                *shortest = waited.min(*shortest);
                self.is_overloaded && waited > 2 * TARGET_NANOS
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// The waits of calls served 10 ms apart, in milliseconds, and which of them are shed.
    fn shed(waits: &[u64]) -> Vec<bool> {
        let mut codel = Codel::default();
        let calls = waits.iter().zip(1..);
        calls.map(|(wait, n)| codel.sheds(wait * MS, n * 10 * MS)).collect()
    }

    #[test]
    fn a_short_burst_is_not_shed() {
        let mut waits = vec![50; 9];
        waits.push(1);
        waits.extend([50; 9]);
        assert!(shed(&waits).iter().all(|&shed| !shed), "once in each interval the queue was nearly empty");
    }

    #[test]
    fn a_standing_queue_is_shed_from_the_second_interval_on_but_for_the_first_of_each() {
        let shed = shed(&[11; 40]);
        assert_eq!(shed.iter().position(|&shed| shed), Some(11), "{shed:?}");
        let spared: Vec<usize> = (12..40).filter(|&call| !shed[call]).collect();
        assert_eq!(spared, [20, 30], "the first of each further interval");
    }

    #[test]
    fn twice_the_target_is_borne() {
        assert!(shed(&[10; 40]).iter().all(|&shed| !shed));
        let mut at_target = vec![5; 11];
        at_target.extend([11; 9]);
        assert!(shed(&at_target).iter().all(|&shed| !shed), "a wait of the target is not above it");
    }

    #[test]
    fn it_ends_with_the_overload() {
        let mut waits = vec![11; 30];
        waits.extend([1; 12]);
        waits.extend([11; 9]);
        assert!(shed(&waits)[42..].iter().all(|&shed| !shed), "{:?}", shed(&waits));
    }
}
