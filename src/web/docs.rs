//! `/docs/`: the shipped documentation.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use crate::view::page::{Place, docs};

/// The routes, relative to the route prefix; `metrics_path` is the metrics' below it.
pub fn router(metrics_path: &str) -> Router {
    let metrics_path: Arc<str> = metrics_path.into();
    let index = {
        let metrics_path = metrics_path.clone();
        async move || Html(docs::index(Place { root: "..", metrics_path: &metrics_path }))
    };
    let page = async move |Path(name): Path<String>| {
        let page = docs::page(&name, Place { root: "..", metrics_path: &metrics_path });
        page.map(Html).ok_or((StatusCode::NOT_FOUND, "not found; the documentation's pages are listed at /docs/\n"))
    };
    Router::new()
        // Relative, so that it holds behind a proxy that shows another path to the outside.
        .route("/docs", get(async || (StatusCode::FOUND, [(header::LOCATION, HeaderValue::from_static("docs/"))])))
        .route("/docs/", get(index))
        .route("/docs/{name}", get(page))
        .route("/docs/screenshots/{name}", get(picture))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"))
}

async fn picture(Path(name): Path<String>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "private, max-age=3600")];
    docs::picture(&name).map(|png| (kind, png)).ok_or((StatusCode::NOT_FOUND, "not found\n"))
}
