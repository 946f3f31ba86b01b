//! The stream of snapshots.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use metrics::{counter, with_local_recorder};
use resilience_metrics::live::Live;
use serde_json::Value;
use tests::time::now;
use tower::ServiceExt as _;

async fn open(live: &Live) -> Body {
    let request = Request::get("/events").body(Body::empty()).unwrap();
    live.router().oneshot(request).await.unwrap().into_body()
}

/// The lines of the next event.
async fn next(body: &mut Body) -> Vec<String> {
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    text.strip_suffix("\n\n").unwrap().split('\n').map(str::to_owned).collect()
}

/// What the next event says.
async fn snapshot(body: &mut Body) -> Value {
    let lines = next(body).await;
    let data: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!((data.len(), lines.len()), (1, 2), "{lines:?}");
    assert!(lines.iter().any(|line| line == "retry: 1000"), "{lines:?}");
    serde_json::from_str(data[0]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn there_is_one_at_once_and_one_each_second() {
    let live = Live::new();
    let mut body = open(&live).await;
    let start = now();
    for second in 0..4_u32 {
        let said = snapshot(&mut body).await;
        assert_eq!(now() - start, Duration::from_secs(second.into()));
        assert_eq!(said["seconds"], f64::from(second));
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_fewer_and_what_is_true_then() {
    let live = Live::new();
    let mut body = open(&live).await;
    snapshot(&mut body).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(snapshot(&mut body).await["seconds"], 60.0);
    assert_eq!(snapshot(&mut body).await["seconds"], 61.0);
}

#[tokio::test(start_paused = true)]
async fn names_cannot_break_out_of_an_event() {
    let live = Live::new();
    let name = "a\n\ndata: {}\r\nretry: 1\r\u{2028}\"\\";
    with_local_recorder(&live.recorder(), || counter!("resilience_x_total", "pipeline" => name).increment(1));
    let mut body = open(&live).await;
    assert_eq!(snapshot(&mut body).await["pipelines"][0]["name"], name);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_viewer_that_has_gone() {
    let live = Live::new();
    let recorder = live.recorder();
    let (mut one, mut other) = (open(&live).await, open(&live).await);
    drop(live);
    snapshot(&mut one).await;
    drop(one);
    snapshot(&mut other).await;
    assert_eq!(Arc::strong_count(&recorder), 2, "the other one still looks");
    drop(other);
    assert_eq!(Arc::strong_count(&recorder), 1);
}
