//! The REST API: the report and what becomes of it, as JSON.

mod error;
mod etag;
mod openapi;
mod operations;
mod stream;
mod surface;
pub mod troubleshoot;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::error::ApiError;
use self::etag::Tags;
pub use self::surface::{Answer, AnswerHeader, Content, Operation, Parameter, Place, SchemaOf, Surface, Verb};
use crate::health::{HealthTable, REMEMBERED_TRANSITIONS};
use crate::view::report::{Events, Filter, Links, Report, ReportRow, write_json};
use crate::web::delivery::{Page, PageWriter, Slots, Turn};
use crate::web::{Connection, Limits};
use crate::words::from_rfc3339;

/// What the API answers from.
pub struct Api {
    pub table: Arc<HealthTable>,
    /// For `docs_url`.
    pub links: Links,
    pub limits: Limits,
    /// Shared with the pages.
    pub slots: Slots,
    /// Ends the streams.
    pub shutdown: CancellationToken,
}

impl Api {
    /// The routes of the report.
    #[must_use]
    pub fn surface(self) -> Surface {
        let Self { table, links, limits, slots, shutdown } = self;
        let shared = Shared {
            table,
            links,
            tags: Tags::default(),
            slots,
            streams: Arc::new(Semaphore::new(limits.streams)),
            heartbeat: limits.heartbeat,
            patience: limits.write,
            written: stream::Written::default(),
            shutdown,
        };
        Surface::default()
            .on(operations::report(), report)
            .on(operations::row(), row)
            .on(operations::events(), events)
            .on(operations::stream(), stream::stream)
            .with_state(Arc::new(shared))
    }
}

struct Shared {
    table: Arc<HealthTable>,
    links: Links,
    tags: Tags,
    slots: Slots,
    /// Places for streams.
    streams: Arc<Semaphore>,
    heartbeat: Duration,
    /// How long a client may take for one event.
    patience: Duration,
    written: stream::Written,
    shutdown: CancellationToken,
}

/// What every handler needs of a request.
type Asked = (Extension<Connection>, Method, HeaderMap);

async fn report(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    asked: Asked,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    check_keys(&query, &[])?;
    let filter = Filter::parse(&query)?;
    if let Some(answer) = shared.tags.of(shared.table.revision()).not_modified(&asked.2) {
        return Ok(answer);
    }
    let turn = shared.slots.0.turn(&asked.0).await.ok_or_else(ApiError::busy)?;
    let table = Arc::clone(&shared.table);
    // A copy of thousands of rows takes milliseconds, which the probes' threads do not have.
    let snapshot = tokio::task::spawn_blocking(move || table.snapshot(SystemTime::now())).await;
    let snapshot = snapshot.map_err(|_| ApiError::failed())?;
    let tag = shared.tags.of(snapshot.revision);
    let write = move |out: &mut dyn fmt::Write| Report::write(&snapshot, &filter, &shared.links, out);
    Ok(tag.on(deliver(turn, asked, Box::new(write)).await?))
}

async fn row(State(shared): State<Arc<Shared>>, Path(id): Path<String>, asked: Asked) -> Result<Response, ApiError> {
    let Some((revision, row)) = shared.table.row(&id) else {
        return Err(ApiError::not_found(format!("no row has the id {id:?}; /api/v1/backendhealth lists them")));
    };
    let tag = shared.tags.of(revision);
    if let Some(answer) = tag.not_modified(&asked.2) {
        return Ok(answer);
    }
    let turn = shared.slots.0.turn(&asked.0).await.ok_or_else(ApiError::busy)?;
    let write = move |out: &mut dyn fmt::Write| write_json(&ReportRow::of(&row, &shared.links), out);
    Ok(tag.on(deliver(turn, asked, Box::new(write)).await?))
}

async fn events(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    asked: Asked,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    check_keys(&query, &["since", "limit"])?;
    let (filter, since, limit) = (Filter::parse(&query)?, since(&query)?, limit(&query)?);
    let tag = shared.tags.of(*shared.table.watch_transitions().borrow());
    if let Some(answer) = tag.not_modified(&asked.2) {
        return Ok(answer);
    }
    let turn = shared.slots.0.turn(&asked.0).await.ok_or_else(ApiError::busy)?;
    let write = move |out: &mut dyn fmt::Write| {
        let changes = shared.table.transitions().take_while(|change| since.is_none_or(|since| change.at >= since));
        Events::write(changes.filter(|change| filter.matches_transition(change)).take(limit), &shared.links, out)
    };
    Ok(tag.on(deliver(turn, asked, Box::new(write)).await?))
}

async fn deliver(turn: Turn, asked: Asked, write: PageWriter) -> Result<Response, ApiError> {
    let (_, method, headers) = asked;
    let page = Page { content_type: "application/json", write };
    turn.deliver(&method, &headers, page).await.ok_or_else(ApiError::failed)
}

/// A key that nobody reads is a filter that does not filter: better said than found out.
fn check_keys(query: &str, further: &[&str]) -> Result<(), ApiError> {
    let known: Vec<&str> = Filter::KEYS.iter().map(|key| key.name).chain(further.iter().copied()).collect();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&&*key) {
            let message = format!("{key:?} is no parameter here; there are {}", known.join(", "));
            return Err(ApiError::bad_parameter(message));
        }
        let values = Filter::KEYS.iter().find(|known| known.name == key).map(|known| (known.values)());
        if let Some(values) = values.filter(|values| !values.is_empty() && value.trim().is_empty()) {
            let message = format!("{key} has no value; leave it out, or give one of {}", values.join(", "));
            return Err(ApiError::bad_parameter(message));
        }
    }
    Ok(())
}

fn since(query: &str) -> Result<Option<SystemTime>, ApiError> {
    let given = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "since").last();
    let Some((_, text)) = given else { return Ok(None) };
    let wrong = || ApiError::bad_parameter(format!("since {text:?} is no time as 2026-11-22T03:12:05Z is one"));
    from_rfc3339(text.trim()).map(Some).ok_or_else(wrong)
}

fn limit(query: &str) -> Result<usize, ApiError> {
    let given = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "limit").last();
    let Some((_, text)) = given else { return Ok(USUAL_EVENTS) };
    let number = text.parse().ok().filter(|number| (1..=REMEMBERED_TRANSITIONS).contains(number));
    number.ok_or_else(|| {
        ApiError::bad_parameter(format!("limit {text:?} is no number from 1 to {REMEMBERED_TRANSITIONS}"))
    })
}

/// Changes that are told to whoever does not say how many.
const USUAL_EVENTS: usize = 1_000;
