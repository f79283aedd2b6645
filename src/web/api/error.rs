//! What a request to the API is told when it is not answered.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::view::report::FilterError;

/// A refusal: a status and a JSON body.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<&'static str>,
}

impl ApiError {
    /// `code` is for programs; `message` says to people what is wrong, and what would be right.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    #[must_use]
    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", message)
    }

    /// Says after how many seconds it may be tried again.
    #[must_use]
    pub fn retry_after(self, seconds: &'static str) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Our own fault.
    pub(super) fn failed() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the answer cannot be written")
    }

    pub(super) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many responses are being sent; try again in a second")
            .retry_after("1")
    }

    pub(super) fn too_many_streams() -> Self {
        let message = "the limit of streaming clients is reached; try again later or poll /api/v1/events";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message).retry_after("10")
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        Self::bad_parameter(error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, message, retry_after } = self;
        let body = ErrorBody { error: ErrorDetail { code: code.to_owned(), message } };
        let json = serde_json::to_string(&body).expect("strings are JSON");
        let retry = retry_after.map(|seconds| [(header::RETRY_AFTER, seconds)]);
        let kind: [(HeaderName, _); 1] = [(header::CONTENT_TYPE, "application/json")];
        match retry {
            Some(retry) => (status, kind, retry, json).into_response(),
            None => (status, kind, json).into_response(),
        }
    }
}

/// The JSON of every error.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(in crate::web) struct ErrorBody {
    pub(super) error: ErrorDetail,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::web) struct ErrorDetail {
    /// For programs.
    pub(super) code: String,
    /// For people: what is wrong, and what would be right.
    pub(super) message: String,
}
