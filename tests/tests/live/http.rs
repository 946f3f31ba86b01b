//! What is where, and under which headers.

use axum::{Router, body::Body};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use resilience_metrics::live::Live;
use tower::ServiceExt as _;

async fn ask(router: &Router, method: Method, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

fn header(response: &Response<Body>, name: header::HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let router = Live::new().router();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/snapshot", "application/json"),
        ("/events", "text/event-stream"),
    ] {
        let response = ask(&router, Method::GET, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, header::CONTENT_TYPE), kind);
        assert_eq!(header(&response, header::CACHE_CONTROL), "no-store");
        assert_eq!(header(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(&response, header::REFERRER_POLICY), "no-referrer");
        let policy = header(&response, header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.ends_with("base-uri 'none'; form-action 'none'; frame-ancestors 'none'"), "{policy}");
    }
}

#[tokio::test]
async fn there_is_nothing_but_reading() {
    let router = Live::new().router();
    for path in ["/", "/snapshot", "/events"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            assert_eq!(ask(&router, method, path).await.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    assert_eq!(ask(&router, Method::GET, "/other").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_can_be_mounted_anywhere() {
    let live = Live::new();
    let app = Router::new().nest("/internal/live", live.router());
    let response = ask(&app, Method::GET, "/internal/live/snapshot").await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let snapshot: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(snapshot["instance"], live.snapshot().instance);
    assert_eq!(ask(&app, Method::GET, "/internal/live").await.status(), StatusCode::OK);
}
