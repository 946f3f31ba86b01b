//! Levels, and who takes what.

use resilience_metrics::{SpanLevel, Telemetry};
use tests::traced::Traced;
use tracing::{Level, level_filters::LevelFilter};

use super::{Do, call, classify, service, spans};

const LEVELS: [(SpanLevel, Option<Level>); 6] = [
    (SpanLevel::Off, None),
    (SpanLevel::Error, Some(Level::ERROR)),
    (SpanLevel::Warn, Some(Level::WARN)),
    (SpanLevel::Info, Some(Level::INFO)),
    (SpanLevel::Debug, Some(Level::DEBUG)),
    (SpanLevel::Trace, Some(Level::TRACE)),
];

#[tokio::test]
async fn operations_are_at_info_and_attempts_at_debug() {
    let traced = Traced::start(LevelFilter::TRACE);
    assert!(call(&service(&spans()), Do::Answer).await.is_ok());
    let levels: Vec<_> = traced.spans().iter().map(|span| span.level).collect();
    assert_eq!(levels, [Level::INFO, Level::DEBUG]);
}

#[tokio::test]
async fn each_level_can_be_set_for_either() {
    for (level, expected) in LEVELS {
        let traced = Traced::start(LevelFilter::TRACE);
        let spans = Telemetry::new("pay").spans(classify());
        let operations = spans.clone().operation_level(level).attempt_level(SpanLevel::Off);
        assert!(call(&service(&operations), Do::Answer).await.is_ok());
        let attempts = spans.operation_level(SpanLevel::Off).attempt_level(level);
        assert!(call(&service(&attempts), Do::Answer).await.is_ok());
        let levels: Vec<_> = traced.spans().iter().map(|span| (span.name, span.level)).collect();
        let expected = expected.map(|at| [("resilience.operation", at), ("resilience.attempt", at)]);
        assert_eq!(levels, expected.into_iter().flatten().collect::<Vec<_>>(), "{level:?}");
    }
}

/// The quick look at the level of all subscribers must not hide a span that one of them takes, nor the other way round.
#[tokio::test]
async fn a_span_is_there_if_its_level_is_taken() {
    for (level, at) in LEVELS {
        for (_, filter) in LEVELS {
            let traced = Traced::start(filter.map_or(LevelFilter::OFF, Into::into));
            let spans = Telemetry::new("pay").spans(classify()).operation_level(level);
            assert!(call(&service(&spans), Do::Answer).await.is_ok());
            let expected = at.is_some_and(|at| filter.is_some_and(|filter| at <= filter));
            assert_eq!(
                traced.named("resilience.operation").len(),
                usize::from(expected),
                "{level:?} {filter:?}"
            );
        }
    }
}
