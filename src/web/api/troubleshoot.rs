//! `POST /api/v1/troubleshoot`: a deep check of one row, now. Only rows of the running configuration are checked: nobody
//! can point the exporter at anything else.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::{SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::view::check::Check;
use crate::web::api::error::ApiError;
use crate::web::api::operations;
use crate::web::api::surface::{Answer, Content, Operation, Surface, Verb};
use crate::web::checks::{Checks, Form, Named, Refusal, Wanted};
use crate::web::demand::Busy;
use crate::web::{Connection, checks};

/// The route.
#[must_use]
pub fn surface(checks: Checks) -> Surface {
    Surface::default().on(operation(), answer).with_state(checks)
}

async fn answer(
    State(checks): State<Checks>,
    RawQuery(query): RawQuery,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(ApiError::bad_parameter("this path takes no query; what is wanted stands in the body, as JSON"));
    }
    let wanted = parse(&read(body).await?)?;
    if checks::takes_events(&headers) {
        return Ok(checks.start(wanted, Form::Line, &connection).await?.events());
    }
    let result = checks.start(wanted, Form::Json, &connection).await?.result().await.ok_or_else(|| {
        let message = "the check ended without a result: the exporter ends, or its host does not let it run";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_result", message).retry_after(Busy::RETRY_AFTER)
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], result).into_response())
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_PATIENCE, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let message = format!("the body is cut short, or longer than {MAX_BODY} bytes");
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_body", message))
        }
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "bad_body", "the body did not come in time")),
    }
}

/// The body: either `id`, or the three names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: Option<String>,
    pool: Option<String>,
    setting: Option<String>,
    server: Option<String>,
    tries: Option<u64>,
    timeout: Option<String>,
}

fn parse(body: &[u8]) -> Result<Wanted, ApiError> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| bad_body(format!("{error}; {EXPECTED}")))?;
    let Asked { id, pool, setting, server, tries, timeout } = asked;
    let row = match (id, pool, setting, server) {
        (Some(id), None, None, None) => Named::ById(id),
        (None, Some(pool), Some(setting), Some(server)) => Named::ByNames { pool, setting, server },
        (_, _, _, _) => return Err(bad_body(format!("which row? {EXPECTED}"))),
    };
    Ok(Wanted { row, tries, timeout })
}

fn bad_body(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_body", message)
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadValue(message) => bad_body(message),
            Refusal::NoSuchRow(message) => Self::not_found(message),
            Refusal::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", Busy::MESSAGE).retry_after(Busy::RETRY_AFTER)
            }
            Refusal::TooMany => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", Busy::TOO_MANY).retry_after(Busy::RETRY_AFTER)
            }
            Refusal::Failed => Self::failed(),
        }
    }
}

fn operation() -> Operation {
    let asked = |_: &mut _| {
        let text = |meaning: &str| json_schema!({ "type": "string", "description": meaning });
        json_schema!({
            "type": "object",
            "properties": {
                "id": text("The row's `id`, instead of its names."),
                "pool": text("The row's pool."),
                "setting": text("The row's backend setting."),
                "server": text("The row's server."),
                "tries": { "type": "integer", "minimum": 1, "maximum": 20, "default": 10,
                    "description": "Connections to try to each address." },
                "timeout": { "type": "string", "default": "30s", "examples": ["10s"],
                    "description": "For the whole check: 2s to 30s." },
            },
            "additionalProperties": false,
            "oneOf": [
                { "required": ["id"] },
                { "required": ["pool", "setting", "server"] },
            ],
        })
    };
    Operation {
        method: Verb::Post,
        path: "/api/v1/troubleshoot",
        id: "troubleshoot",
        summary: "Connection troubleshoot of one row, now",
        description: "One deep check of a row of the running configuration, with the row's own settings, by the running \
                      exporter: the same as the command `troubleshoot --output json`. It leaves the report, its counters \
                      and its history alone. Nothing that is no row can be checked. With `Accept: text/event-stream` each \
                      part is told as it begins: `event: stage` with `{stage, doing, number, of}`, parts that there is no \
                      need for left out; at the end `event: result` with the result in one line. A stream that ends without \
                      it had no result. Closing the connection ends the check.",
        parameters: Vec::new(),
        body: Some(Content { media_type: "application/json", schema: Box::new(asked) }),
        answers: vec![
            Answer::json(200, "What was found.", SchemaGenerator::subschema_for::<Check<'_>>).or(Content {
                media_type: "text/event-stream",
                schema: Box::new(|_| json_schema!({ "type": "string" })),
            }),
            Answer::error(400, "The body is invalid; the message says what is expected."),
            Answer::error(404, "The running configuration has no such row."),
            Answer::error(408, "The body did not come in time."),
            Answer::error(413, "The body is too long."),
            Answer::error(429, "As many probes on demand and deep checks are under way as may be.")
                .with(&[operations::RETRY_AFTER]),
            Answer::error(503, "The exporter ends, or its host does not let it run.").with(&[operations::RETRY_AFTER]),
        ],
    }
}

const EXPECTED: &str = "meant is {\"pool\": ..., \"setting\": ..., \"server\": ...} or {\"id\": ...}, \
                        with \"tries\" (1 to 20) and \"timeout\" (\"2s\" to \"30s\") where they are wanted";

/// Names may be long; nothing else in it is.
const MAX_BODY: usize = 16 * 1024;

const BODY_PATIENCE: Duration = Duration::from_secs(10);
