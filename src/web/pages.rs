//! The pages beside the report: each takes one snapshot, and is rendered away from the probes.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::health::HealthTable;
use crate::view::page::{Answer, Place, certificates, changes, pools, row};
use crate::web::encoding::Encoding;

/// `/row`, `/pools`, `/changes`, `/certificates`. `metrics_path` is below the route prefix, as the routes themselves.
pub fn router(table: &Arc<HealthTable>, metrics_path: &Arc<str>) -> Router {
    let page = |render: Render| {
        let (table, metrics_path) = (table.clone(), metrics_path.clone());
        get(async move |headers: HeaderMap, RawQuery(query): RawQuery| {
            answer(render, table.clone(), &headers, query, metrics_path.clone()).await
        })
    };
    Router::new()
        .route("/row", page(of_row))
        .route("/pools", page(|table, now, query, place| pools::answer(&table.snapshot(now), query, place)))
        .route(
            "/certificates",
            page(|table, now, query, place| certificates::answer(&table.snapshot(now), query, place)),
        )
        .route(
            "/changes",
            page(|table, now, query, place| {
                changes::answer(&table.snapshot(now), &mut table.transitions(), query, place)
            }),
        )
}

/// What makes a page of the table as it is now, and a query.
type Render = fn(&HealthTable, SystemTime, Option<&str>, Place<'_>) -> Answer;

fn of_row(table: &HealthTable, now: SystemTime, query: Option<&str>, place: Place<'_>) -> Answer {
    row::answer(&table.snapshot(now), query, place)
}

pub(super) async fn row(
    table: Arc<HealthTable>,
    headers: &HeaderMap,
    query: Option<String>,
    metrics_path: Arc<str>,
) -> Response {
    answer(of_row, table, headers, query, metrics_path).await
}

async fn answer(
    render: Render,
    table: Arc<HealthTable>,
    headers: &HeaderMap,
    query: Option<String>,
    metrics_path: Arc<str>,
) -> Response {
    let encoding = Encoding::of(headers);
    let rendered = move || {
        let place = Place { root: ".", metrics_path: &metrics_path };
        let Answer { status, page } = render(&table, SystemTime::now(), query.as_deref(), place);
        (status, encoding.encode(page.into_bytes()))
    };
    // A page takes milliseconds, which the probes' threads do not have.
    let Ok((status, body)) = tokio::task::spawn_blocking(rendered).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered\n").into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::VARY, "Accept-Encoding")], Html(body)).into_response();
    encoding.name(response.headers_mut());
    response
}
