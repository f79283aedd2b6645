//! Deep checks of rows that somebody asks for over HTTP, with the running exporter's own prober: what it remembers of names
//! shows. Only rows of the configuration in use are checked, and nothing of it is recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::pages;
use crate::config::parse_duration;
use crate::health::HealthTable;
use crate::probe::Prober;
use crate::target::Target;
use crate::troubleshoot::{Examination, Question, Stage, troubleshoot};
use crate::view::page::row::Asked;
use crate::view::page::{Place, check};
use crate::view::report::Links;
use crate::view::troubleshoot::json;
use crate::web::checks;
use crate::web::checks::{Begin, Checks, Form, Named, Refusal, Told, Wanted, Work};
use crate::web::demand::Busy;

/// What begins a check. `metrics_path` is below the route prefix.
pub(super) fn begin(table: Arc<HealthTable>, prober: Arc<Prober>, links: &Links, metrics_path: Arc<str>) -> Arc<Begin> {
    let docs: Arc<str> = format!("{}/docs/troubleshooting", links.base).into();
    Arc::new(move |wanted, form| {
        let question = question(&table, wanted)?;
        let (prober, docs, metrics_path) = (prober.clone(), docs.clone(), metrics_path.clone());
        Ok(Work {
            timeout: question.timeout,
            run: Box::new(move |tell| {
                Box::pin(async move {
                    let tell = |stage: Stage| {
                        if let Some(number) = stage.number() {
                            let (code, doing, of) = (stage.code(), stage.as_str(), Stage::PARTS.len());
                            tell(Told { stage: code, doing, number, of });
                        }
                    };
                    let examination = troubleshoot(&prober, &question, &tell).await;
                    write(&examination, form, &docs, &metrics_path)
                })
            }),
        })
    })
}

fn question(table: &HealthTable, wanted: &Wanted) -> Result<Question, Refusal> {
    let Wanted { row, tries, timeout } = wanted;
    let tries = match tries {
        None => DEFAULT_TRIES,
        Some(tries) => {
            let right = u32::try_from(*tries).ok().filter(|tries| (1..=MOST_TRIES).contains(tries));
            right.ok_or_else(|| Refusal::BadValue(format!("tries {tries} is not from 1 to {MOST_TRIES}")))?
        }
    };
    let timeout = match timeout {
        None => LONGEST,
        Some(text) => {
            let read = parse_duration(text);
            let timeout = read.map_err(|error| Refusal::BadValue(format!("timeout {text:?}: {error}")))?;
            if !(SHORTEST..=LONGEST).contains(&timeout) {
                return Err(Refusal::BadValue(format!("timeout {text:?}: it goes from 2s to 30s")));
            }
            timeout
        }
    };
    let target = find(table, row).ok_or_else(|| {
        let what = match row {
            Named::ById(id) => format!("no row has the id {id:?}"),
            Named::ByNames { pool, setting, server } => {
                format!("no row has the pool {pool:?}, the setting {setting:?} and the server {server:?}")
            }
        };
        Refusal::NoSuchRow(format!("{what}; /api/v1/backendhealth lists the rows, and only these can be checked"))
    })?;
    Ok(Question { target: Target::clone(&target), tls_if_spoken: None, tries, timeout })
}

fn find(table: &HealthTable, row: &Named) -> Option<Arc<Target>> {
    match row {
        Named::ById(id) => table.row(id).map(|(_, row)| row.target),
        Named::ByNames { pool, setting, server } => {
            let (pool, setting, server) = (pool.clone(), setting.clone(), server.clone());
            let snapshot = table.snapshot(SystemTime::now());
            Asked { pool, setting, server }.find(&snapshot).map(|row| row.target.clone())
        }
    }
}

fn write(examination: &Examination, form: Form, docs: &str, metrics_path: &str) -> String {
    match form {
        Form::Json => json::render(examination, Some(docs)),
        Form::Line => json::line(examination, Some(docs)),
        Form::Page => check::page(examination, Place { root: ROOT, metrics_path }),
        Form::Part => serde_json::Value::from(check::part(examination, ROOT)).to_string(),
    }
}

/// `/troubleshoot`, which the form of a row's page leads to: a POST checks the row that the query names, and a GET leads to
/// its page.
pub(super) fn routes(checks: Checks, table: Arc<HealthTable>, metrics_path: Arc<str>) -> Router {
    let shared = Arc::new(Shared { checks, table, metrics_path });
    Router::new().route("/troubleshoot", get(lead).post(run)).with_state(shared)
}

struct Shared {
    checks: Checks,
    table: Arc<HealthTable>,
    metrics_path: Arc<str>,
}

async fn lead(RawQuery(query): RawQuery) -> Response {
    // Relative, so that it holds behind a proxy that shows another path to the outside.
    let to = query.map_or_else(|| "./".to_owned(), |query| format!("row?{query}#troubleshoot"));
    match HeaderValue::try_from(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn run(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let asked = Asked::parse(query.as_deref().unwrap_or_default());
    let Asked { pool, setting, server } = asked.clone();
    let wanted = Wanted { row: Named::ByNames { pool, setting, server }, tries: None, timeout: None };
    if checks::takes_events(&headers) {
        return match shared.checks.start(wanted, Form::Part).await {
            Ok(running) => running.events(),
            Err(refusal) => plainly(refusal),
        };
    }
    let refused = |status: StatusCode, why: &str| {
        let Asked { pool, setting, server } = &asked;
        let place = Place { root: ROOT, metrics_path: &shared.metrics_path };
        let page = check::refused(check::Names { pool, setting, server }, why, SystemTime::now(), place);
        (status, [(header::RETRY_AFTER, Busy::RETRY_AFTER)], Html(page)).into_response()
    };
    match shared.checks.start(wanted, Form::Page).await {
        Ok(running) => match running.result().await {
            Some(page) => Html(page).into_response(),
            None => refused(StatusCode::SERVICE_UNAVAILABLE, NO_RESULT),
        },
        Err(Refusal::Busy) => refused(StatusCode::TOO_MANY_REQUESTS, Busy::MESSAGE),
        // The page of a row that is not there says which ones are.
        Err(Refusal::NoSuchRow(_) | Refusal::BadValue(_)) => {
            pages::row(shared.table.clone(), query, shared.metrics_path.clone()).await
        }
        Err(Refusal::Failed) => refused(StatusCode::INTERNAL_SERVER_ERROR, NO_RESULT),
    }
}

/// For the script, which shows the words as they are.
fn plainly(refusal: Refusal) -> Response {
    match refusal {
        Refusal::BadValue(message) => (StatusCode::BAD_REQUEST, format!("{message}\n")).into_response(),
        Refusal::NoSuchRow(message) => (StatusCode::NOT_FOUND, format!("{message}\n")).into_response(),
        Refusal::Busy => {
            let retry = [(header::RETRY_AFTER, Busy::RETRY_AFTER)];
            (StatusCode::TOO_MANY_REQUESTS, retry, format!("{}\n", Busy::MESSAGE)).into_response()
        }
        Refusal::Failed => (StatusCode::INTERNAL_SERVER_ERROR, format!("{NO_RESULT}\n")).into_response(),
    }
}

const NO_RESULT: &str = "the check ended without a result: the exporter ends, or its host does not let it run";

/// Pages stand right below the route prefix.
const ROOT: &str = ".";

const DEFAULT_TRIES: u32 = 10;
const MOST_TRIES: u32 = 20;

/// For the whole check.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);
