//! Errors in Resource Manager's shape.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::JSON;

/// An answer without a result: `{"error": {"code", "message", "target"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArmError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// The field that is wrong, as the request calls it.
    target: Option<&'static str>,
    /// Name in lower case, and value.
    header: Option<(&'static str, &'static str)>,
}

impl ArmError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), target: None, header: None }
    }

    pub(super) fn at(self, target: &'static str) -> Self {
        Self { target: Some(target), ..self }
    }

    pub(super) fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        let Self { status, code, message, target, header } = self;
        let mut error = json!({ "code": code, "message": message });
        if let Some(target) = target {
            error["target"] = target.into();
        }
        let body = json!({ "error": error }).to_string();
        let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
