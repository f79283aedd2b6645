//! The page of one row: takes one snapshot, and renders it away from the probes.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::health::HealthTable;
use crate::view::page::{Place, row};

/// `/row`. `metrics_path` is below the route prefix, as the route itself.
pub fn router(table: Arc<HealthTable>, metrics_path: Arc<str>) -> Router {
    let row = async move |RawQuery(query): RawQuery| row(table.clone(), query, metrics_path.clone()).await;
    Router::new().route("/row", get(row))
}

pub(super) async fn row(table: Arc<HealthTable>, query: Option<String>, metrics_path: Arc<str>) -> Response {
    let rendered = move || {
        let place = Place { root: ".", metrics_path: &metrics_path };
        row::answer(&table.snapshot(SystemTime::now()), query.as_deref(), place)
    };
    // A page takes milliseconds, which the probes' threads do not have.
    match tokio::task::spawn_blocking(rendered).await {
        Ok(row::Answer { status, page }) => match StatusCode::from_u16(status) {
            Ok(status) => (status, Html(page)).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered\n").into_response(),
    }
}
