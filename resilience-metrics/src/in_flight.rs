//! How many operations run: as many as there are leases out, so that counting them costs a call nothing.

use std::sync::Arc;

use parking_lot::Mutex;
use resilience_core::striped::{Leases, StripedArc};

use crate::{catalogue, sink::Sink};

/// # Clone
///
/// A clone watches the same layers.
#[derive(Clone, Default)]
pub(crate) struct InFlight {
    layers: Arc<Mutex<Option<Layers>>>,
}

/// `None` until there is one.
type Layers = Vec<Arc<dyn Watched>>;

/// What leases a layer has given out.
trait Watched: Send + Sync {
    fn count(&self) -> usize;

    /// Whether it has gone, and all its calls.
    fn is_over(&self) -> bool;
}

impl<T: Send + Sync> Watched for Leases<T> {
    fn count(&self) -> usize {
        Self::count(self)
    }

    fn is_over(&self) -> bool {
        Self::is_over(self)
    }
}

impl InFlight {
    pub(crate) fn watch<T: Send + Sync + 'static>(&self, layer: &StripedArc<T>) {
        let mut layers = self.layers.lock();
        let layers = layers.get_or_insert_default();
        layers.retain(|layer| !layer.is_over());
        layers.push(Arc::new(layer.leases()));
    }

    /// Without a layer that counts operations there is nothing to say.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 operations")]
    pub(crate) fn publish(&self, sink: &Sink) {
        let layers = self.layers.lock().clone();
        if let Some(layers) = layers {
            let running: usize = layers.iter().map(|layer| layer.count()).sum();
            sink.gauge(&catalogue::OPERATIONS_IN_FLIGHT, &[]).set(running as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_have_gone_are_forgotten() {
        let in_flight = InFlight::default();
        let stays = StripedArc::new(());
        in_flight.watch(&stays);
        for _ in 0..10 {
            in_flight.watch(&StripedArc::new(()));
        }
        assert_eq!(in_flight.layers.lock().as_ref().map(Vec::len), Some(2), "and the last one");
    }
}
