//! The routes of a site, below its prefix.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::map_request;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use crate::view::page::assets::Asset;
use crate::view::page::{Place, missing};
use crate::web::bucket::Rarely;
use crate::web::delivery::Deliveries;
use crate::web::encoding::Encoding;
use crate::web::{Connection, Limits, Site, azure};

pub(super) fn router(site: Site, limits: &Limits) -> Router {
    let prefix = site.paths.prefix().clone();
    let telemetry = site.paths.telemetry();
    let (further, site_slots) = (site.further.clone(), site.slots.clone());
    let state = Arc::new(Shared {
        scrapes: Deliveries::new(limits.scrapes, limits.scrape_wait, limits.scrape),
        where_to_look: format!("not found; the report is at {}, the metrics are at {telemetry}\n", prefix.join("/")),
        reloads: Rarely::new(),
        site,
    });
    let landing = site_slots.around(Router::new().route(&prefix.join("/"), get(landing)));
    let mut router = landing
        .route(&prefix.join("/assets/{name}"), get(asset))
        .route(&telemetry, get(metrics))
        .route(&prefix.join("/-/healthy"), get(async || "healthy\n"))
        .route(&prefix.join("/-/ready"), get(ready))
        .route(&prefix.join("/-/reload"), post(reload).put(reload))
        .route(&prefix.join("/favicon.ico"), get(favicon))
        .fallback(not_found)
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"));
    if let Some((_, last)) = prefix.as_str().rsplit_once('/') {
        // Relative targets hold behind a proxy that shows another path to the outside.
        let from_root = format!("{}/", prefix.as_str().trim_start_matches('/'));
        router = router.route("/", redirect(from_root)).route(prefix.as_str(), redirect(format!("{last}/")));
    }
    let router = router.with_state(state);
    let router = match prefix.as_str() {
        "" => router.merge(further),
        prefix => router.nest(prefix, further),
    };
    // Around a router, because what is around routes comes after the choice of one.
    let spelled = move |request| std::future::ready(azure::with_first_segment_in_lower_case(&prefix, request));
    Router::new().fallback_service(router).layer(map_request(spelled))
}

struct Shared {
    site: Site,
    scrapes: Deliveries,
    /// What the log says of reloads.
    reloads: Rarely,
    where_to_look: String,
}

async fn landing(State(shared): State<Arc<Shared>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let encoding = Encoding::of(&headers);
    // A page of many rows takes milliseconds, which the probes' threads do not have.
    let page = tokio::task::spawn_blocking(move || {
        let (status, page) = match (shared.site.landing)(query.as_deref()) {
            Ok(page) => (StatusCode::OK, page),
            Err(page) => (StatusCode::BAD_REQUEST, page),
        };
        (status, encoding.encode(page.into_bytes()))
    });
    let Ok((status, body)) = page.await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered\n").into_response();
    };
    let mut response = (status, [(header::VARY, "Accept-Encoding")], Html(body)).into_response();
    encoding.name(response.headers_mut());
    response
}

/// A file of the pages. Its address has the version of its content, so a client that has it never asks again.
async fn asset(State(shared): State<Arc<Shared>>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(asset) = Asset::named(&name) else {
        return (StatusCode::NOT_FOUND, shared.where_to_look.clone()).into_response();
    };
    let current = query.is_some_and(|query| query == format!("v={}", asset.version()));
    let kept = if current { "private, max-age=31536000, immutable" } else { "no-cache" };
    ([(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, kept)], asset.content).into_response()
}

async fn metrics(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Some(turn) = shared.scrapes.turn(&connection).await else {
        let retry = (header::RETRY_AFTER, "1");
        return (StatusCode::SERVICE_UNAVAILABLE, [retry], "too many scrapes at once\n").into_response();
    };
    let page = (shared.site.metrics)(joined(&headers, header::ACCEPT).as_deref());
    let Some(mut response) = turn.deliver(&method, &headers, page).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n").into_response();
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

/// A list-valued header as one string (RFC 9110, section 5.3).
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if (shared.site.is_ready)() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready: the first probes have not all ended\n").into_response()
}

async fn reload(State(shared): State<Arc<Shared>>, Extension(connection): Extension<Connection>) -> Response {
    if let Some(left_out) = shared.reloads.now(Instant::now()) {
        let (client, user) = (connection.client, connection.user.as_deref());
        tracing::info!(%client, user, left_out, "a client asks for the configuration to be read again");
    }
    // A task of its own, so that a client that hangs up does not leave a reload half done.
    match tokio::spawn((shared.site.reload)()).await {
        Ok(Ok(())) => "reloaded\n".into_response(),
        Ok(Err(problem)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("reload failed: {}\n", problem.trim_end())).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "reload failed: it ended early\n").into_response(),
    }
}

/// For what is no page and names no icon: the metrics, a document of JSON.
async fn favicon() -> Response {
    let Some(icon) = Asset::named("none.svg") else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_TYPE, icon.content_type), (header::CACHE_CONTROL, "max-age=86400")], icon.content)
        .into_response()
}

/// A page for people, a line for programs.
async fn not_found(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let Shared { site, where_to_look, .. } = &*shared;
    let takes_html = joined(&headers, header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
    let prefix = site.paths.prefix().as_str();
    let telemetry = site.paths.telemetry();
    let below = |path: &str| path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).map(str::to_owned);
    match (below(uri.path()), below(&telemetry)) {
        (Some(path), Some(metrics_path)) if takes_html && matches!(method, Method::GET | Method::HEAD) => {
            // As many levels up as the path has below the prefix: links hold behind a proxy, too.
            let levels = path.trim_start_matches('/').matches('/').count();
            let root = if levels == 0 { ".".to_owned() } else { vec![".."; levels].join("/") };
            let page = missing::page(&path, Place { root: &root, metrics_path: &metrics_path });
            (StatusCode::NOT_FOUND, Html(page)).into_response()
        }
        (_, _) => (StatusCode::NOT_FOUND, where_to_look.clone()).into_response(),
    }
}

fn redirect(target: String) -> MethodRouter<Arc<Shared>> {
    get(async move |RawQuery(query): RawQuery| {
        let target = query.map_or_else(|| target.clone(), |query| format!("{target}?{query}"));
        let location = HeaderValue::try_from(target).map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok::<_, StatusCode>((StatusCode::FOUND, [(header::LOCATION, location)]))
    })
}
