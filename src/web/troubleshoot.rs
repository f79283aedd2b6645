//! `/troubleshoot`: the deep check of one row as a page, or part by part for the script of the row's own page.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::health::HealthTable;
use crate::view::page::row::Asked;
use crate::view::page::{Place, check};
use crate::web::checks::{Checks, Form, Named, Refusal, Wanted};
use crate::web::demand::Busy;
use crate::web::results::Results;
use crate::web::{Connection, checks, pages};

/// `/troubleshoot`, which the form of a row's page leads to: a POST checks the row that the query names, and a GET leads to
/// its page, or to the result that it names.
pub fn router(checks: Checks, results: Results, table: Arc<HealthTable>, metrics_path: Arc<str>) -> Router {
    let shared = Arc::new(Shared { checks, results, table, metrics_path });
    Router::new().route("/troubleshoot", get(lead).post(run)).with_state(shared)
}

struct Shared {
    checks: Checks,
    results: Results,
    table: Arc<HealthTable>,
    metrics_path: Arc<str>,
}

async fn lead(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let asked = query.as_deref().unwrap_or_default();
    if let Some((_, id)) = form_urlencoded::parse(asked.as_bytes()).find(|(key, _)| key == "result") {
        let place = Place { root: ROOT, metrics_path: &shared.metrics_path };
        return match shared.results.page(&id) {
            Some(page) => Html(page.to_string()).into_response(),
            None => (StatusCode::NOT_FOUND, Html(check::gone(place, Results::MOST))).into_response(),
        };
    }
    // Relative, so that it holds behind a proxy that shows another path to the outside.
    let to = query.map_or_else(|| "./".to_owned(), |query| format!("row?{query}#troubleshoot"));
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn run(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::parse(query.as_deref().unwrap_or_default());
    let Asked { pool, setting, server } = asked.clone();
    let wanted = Wanted { row: Named::ByNames { pool, setting, server }, tries: None, timeout: None };
    if checks::takes_events(&headers) {
        return match shared.checks.start(wanted, Form::Part, &connection).await {
            Ok(running) => running.events(),
            Err(refusal) => plainly(&refusal),
        };
    }
    let refused = |status: StatusCode, why: &str| {
        let Asked { pool, setting, server } = &asked;
        let place = Place { root: ROOT, metrics_path: &shared.metrics_path };
        let page = check::refused(check::Names { pool, setting, server }, why, SystemTime::now(), place);
        (status, [(header::RETRY_AFTER, Busy::RETRY_AFTER)], Html(page)).into_response()
    };
    match shared.checks.start(wanted, Form::Page, &connection).await {
        Ok(running) => match running.result().await {
            Some(page) => Html(page).into_response(),
            None => refused(StatusCode::SERVICE_UNAVAILABLE, NO_RESULT),
        },
        Err(Refusal::Busy) => refused(StatusCode::TOO_MANY_REQUESTS, Busy::MESSAGE),
        Err(Refusal::TooMany) => refused(StatusCode::TOO_MANY_REQUESTS, Busy::TOO_MANY),
        // The page of a row that is not there says which ones are.
        Err(Refusal::NoSuchRow(_) | Refusal::BadValue(_)) => {
            pages::row(shared.table.clone(), &headers, query, shared.metrics_path.clone()).await
        }
        Err(Refusal::Failed) => refused(StatusCode::INTERNAL_SERVER_ERROR, NO_RESULT),
    }
}

/// For the script, which shows the words as they are.
fn plainly(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::BadValue(message) => (StatusCode::BAD_REQUEST, format!("{message}\n")).into_response(),
        Refusal::NoSuchRow(message) => (StatusCode::NOT_FOUND, format!("{message}\n")).into_response(),
        Refusal::Busy | Refusal::TooMany => {
            let retry = [(header::RETRY_AFTER, Busy::RETRY_AFTER)];
            let message = if *refusal == Refusal::Busy { Busy::MESSAGE } else { Busy::TOO_MANY };
            (StatusCode::TOO_MANY_REQUESTS, retry, format!("{message}\n")).into_response()
        }
        Refusal::Failed => (StatusCode::INTERNAL_SERVER_ERROR, format!("{NO_RESULT}\n")).into_response(),
    }
}

const NO_RESULT: &str = "the check ended without a result: the exporter ends, or its host does not let it run";

/// Pages stand right below the route prefix.
const ROOT: &str = ".";
