//! `/api/v1/openapi.json`: the description of a [`Surface`] as an `OpenAPI` 3.1 document, made of the
//! routes' own descriptions and the schemas of the types that are sent.

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use flate2::Compression;
use flate2::write::GzEncoder;
use schemars::generate::SchemaSettings;
use schemars::{SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::web::api::error::ApiError;
use crate::web::api::etag::{ETag, Tags};
use crate::web::api::operations;
use crate::web::api::surface::{Answer, Content, Operation, Parameter, Place, Surface, Verb};
use crate::web::encoding::Encoding;

pub(super) const PATH: &str = "/api/v1/openapi.json";

pub(super) fn operation() -> Operation {
    Operation {
        method: Verb::Get,
        path: PATH,
        id: "getOpenapi",
        summary: "This document",
        description: "Describes the API, for people and for programs that make clients.",
        parameters: operations::cached_parameters(),
        body: None,
        answers: vec![
            Answer::json(200, "An OpenAPI 3.1 document.", |_| json_schema!({ "type": "object" }))
                .with(&operations::CACHED),
            operations::not_modified(),
        ],
    }
}

impl Surface {
    /// The routes and their description at `/api/v1/openapi.json`, with an answer in JSON for every other path below
    /// `/api`, and for every wrong method. `base` is what stands before the paths: a URL, a path, or nothing.
    pub fn into_router(self, base: &str) -> Router {
        let Self { mut operations, router } = self;
        operations.push(operation());
        let document = Arc::new(Document::of(&operations, base));
        let nothing_here = any(async |uri: Uri| {
            ApiError::not_found(format!("{:?} is not here; /api/v1/openapi.json lists what is", uri.path()))
        });
        let wrong_method = async || {
            let message = "this path takes other methods; the Allow header names them";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        };
        let router = router
            .route(PATH, get(async move |headers: HeaderMap| document.answer(&headers)))
            .method_not_allowed_fallback(wrong_method);
        let others = ["/api", "/api/", "/api/{*rest}"];
        others.into_iter().fold(router, |router, path| router.route(path, nothing_here.clone()))
    }
}

/// The document as it is sent.
pub(super) struct Document {
    plain: Bytes,
    gzip: Bytes,
    tag: ETag,
}

impl Document {
    pub(super) fn of(operations: &[Operation], base: &str) -> Self {
        let plain = describe(operations, base).to_string();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let gzip = gzip.write_all(plain.as_bytes()).and_then(|()| gzip.finish()).expect("memory takes all");
        Self { plain: plain.into(), gzip: gzip.into(), tag: Tags::default().of(0) }
    }

    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        if let Some(answer) = self.tag.not_modified(request) {
            return answer;
        }
        let encodings = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.tag.on(match Encoding::negotiate(encodings) {
            Encoding::Identity => ([kind], self.plain.clone()).into_response(),
            Encoding::Gzip => {
                let coding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                ([kind, coding], self.gzip.clone()).into_response()
            }
        })
    }
}

/// The document of these operations.
fn describe(operations: &[Operation], base: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let method = match operation.method {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        path[method] = describe_operation(operation, &mut schemas);
    }
    json!({
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "backend_health_exporter",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
        },
        "servers": [{ "url": if base.is_empty() { "/" } else { base } }],
        "security": [{}, { "basic": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "basic": { "type": "http", "scheme": "basic", "description": LOGINS } },
        },
    })
}

fn describe_operation(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let Operation { method: _, path: _, id, summary, description, parameters, body, answers } = operation;
    let parameters: Vec<_> = parameters.iter().map(|parameter| describe_parameter(parameter, schemas)).collect();
    let answers: Map<_, _> =
        answers.iter().map(|answer| (answer.status.to_string(), describe_answer(answer, schemas))).collect();
    let mut described = json!({
        "operationId": id,
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": answers,
    });
    if let Some(body) = body {
        let contents = describe_contents(std::slice::from_ref(body), schemas);
        described["requestBody"] = json!({ "required": true, "content": contents });
    }
    described
}

fn describe_parameter(parameter: &Parameter, schemas: &mut SchemaGenerator) -> Value {
    let Parameter { name, place, description, schema } = parameter;
    let (place, required) = match place {
        Place::Path => ("path", true),
        Place::Query => ("query", false),
        Place::Header => ("header", false),
    };
    let schema = schema(schemas);
    json!({ "name": name, "in": place, "required": required, "description": description, "schema": schema })
}

fn describe_answer(answer: &Answer, schemas: &mut SchemaGenerator) -> Value {
    let Answer { status: _, description, headers, contents } = answer;
    let mut described = json!({ "description": description });
    if !headers.is_empty() {
        let text = |header: &super::surface::AnswerHeader| {
            let schema = json!({ "type": "string" });
            (header.name.to_owned(), json!({ "description": header.description, "schema": schema }))
        };
        described["headers"] = headers.iter().map(text).collect::<Map<_, _>>().into();
    }
    if !contents.is_empty() {
        described["content"] = describe_contents(contents, schemas);
    }
    described
}

fn describe_contents(contents: &[Content], schemas: &mut SchemaGenerator) -> Value {
    let described = |Content { media_type, schema }: &Content| {
        let schema = schema(schemas);
        ((*media_type).to_owned(), json!({ "schema": schema }))
    };
    contents.iter().map(described).collect::<Map<_, _>>().into()
}

const ABOUT: &str = "Which backends are Healthy, Unhealthy or Unknown, why, whose side has to act, and what to do.\n\n\
    Times are RFC 3339 in UTC, durations seconds. Fields may be added; those that are here keep their meaning. HEAD is \
    answered wherever GET is. With `Accept-Encoding: gzip` answers are compressed. A POST that another site's page sends \
    is refused with 403. Where logins are set up, a request without one gets 401, and one too many in a short time 429; \
    these three answers are plain text.";

const LOGINS: &str = "Only where the web configuration file names users.";
