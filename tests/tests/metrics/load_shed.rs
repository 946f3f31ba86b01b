//! The counter of load shedding.

use resilience_core::{Error, Rejected};
use resilience_metrics::Telemetry;
use resilience_tower::LoadShedLayer;
use tests::recorded::Recorded;
use tower::ServiceBuilder;

use super::{Do, MS, call, classify, inner};

const REJECTED: &str = "resilience_load_shed_rejected_total";
const LABELS: &str = "pipeline=pay,policy=load_shed";

#[tokio::test(start_paused = true)]
async fn every_refusal_is_counted() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(classify))
        .layer(LoadShedLayer::new().with_observer(telemetry.load_shed("load_shed")))
        .concurrency_limit(1)
        .service(inner());
    assert!(recorded.take().labelled(REJECTED).into_iter().eq([(LABELS, 0)]), "there from the start");

    let crowd = (0..3).map(|_| async { call(&service, Do::AnswerAfter(MS)).await });
    let [one, two, three]: [_; 3] = crowd.collect::<Vec<_>>().try_into().ok().unwrap();
    let (one, two, three) = tokio::join!(one, two, three);
    assert_eq!(one, Ok(()));
    for refused in [two, three] {
        assert!(matches!(refused, Err(Error::Rejected { rejected: Rejected::NotReady { .. }, .. })));
    }
    let readings = recorded.take();
    assert!(readings.counted(REJECTED).into_iter().eq([(LABELS, 2)]));
    let operations = readings.counted("resilience_operations_total");
    assert_eq!(operations.get("outcome=overloaded,pipeline=pay"), Some(&2));
}
