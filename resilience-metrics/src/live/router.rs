//! What is at which path.

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response, Sse},
    routing::get,
};

use super::{Live, events::Events, page};

pub(super) fn router(live: Live) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/snapshot", get(snapshot))
        .route("/events", get(events))
        .with_state(live)
}

async fn page() -> Response {
    const TYPE: (HeaderName, &str) = (CONTENT_TYPE, "text/html; charset=utf-8");
    ([TYPE], guarded(page::PAGE)).into_response()
}

async fn snapshot(State(live): State<Live>) -> Response {
    const TYPE: (HeaderName, &str) = (CONTENT_TYPE, "application/json");
    match serde_json::to_string(&live.snapshot()) {
        Ok(json) => ([TYPE], guarded(json)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn events(State(live): State<Live>) -> impl IntoResponse {
    guarded(Sse::new(Events::new(live)))
}

/// Nothing is kept, nothing is taken for what it is not, and a page may do no more than the one we have.
fn guarded(response: impl IntoResponse) -> impl IntoResponse {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, response)
}
