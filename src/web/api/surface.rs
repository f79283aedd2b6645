//! What routes of an API are made of: each is described where it is added, so that the router and the document that
//! describes it (`openapi`) are one.

use axum::Router;

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use schemars::{Schema, SchemaGenerator};

use crate::web::api::error::ErrorBody;

/// One method of one path.
pub struct Operation {
    pub method: Verb,
    /// Relative to the route prefix, variable parts in braces: `/api/v1/backendhealth/{id}`.
    pub path: &'static str,
    /// Unique; what generated clients call it.
    pub id: &'static str,
    /// A few words.
    pub summary: &'static str,
    /// Sentences, in Markdown.
    pub description: &'static str,
    pub parameters: Vec<Parameter>,
    /// What is sent along.
    pub body: Option<Content>,
    /// All but those that every request may get.
    pub answers: Vec<Answer>,
}

/// A method. GET answers HEAD, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
}

/// A part of a request that a client may choose.
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub description: &'static str,
    pub schema: SchemaOf,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Always there.
    Path,
    /// May be missing.
    Query,
    /// May be missing.
    Header,
}

/// One status and what comes with it.
pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub headers: Vec<AnswerHeader>,
    /// As which the client may have it; none: without a body.
    pub contents: Vec<Content>,
}

/// A header of an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHeader {
    pub name: &'static str,
    pub description: &'static str,
}

/// A body.
pub struct Content {
    /// For example `application/json`.
    pub media_type: &'static str,
    pub schema: SchemaOf,
}

impl Answer {
    /// An answer in JSON.
    #[must_use]
    pub fn json(
        status: u16,
        description: &'static str,
        schema: impl Fn(&mut SchemaGenerator) -> Schema + Send + Sync + 'static,
    ) -> Self {
        let content = Content { media_type: "application/json", schema: Box::new(schema) };
        Self { status, description, headers: Vec::new(), contents: vec![content] }
    }

    /// A refusal.
    #[must_use]
    pub fn error(status: u16, description: &'static str) -> Self {
        Self::json(status, description, SchemaGenerator::subschema_for::<ErrorBody>)
    }

    /// The same in another form.
    #[must_use]
    pub fn or(mut self, content: Content) -> Self {
        self.contents.push(content);
        self
    }

    #[must_use]
    pub fn with(mut self, headers: &[AnswerHeader]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }
}

/// A schema; what it names becomes a component of the document.
pub type SchemaOf = Box<dyn Fn(&mut SchemaGenerator) -> Schema + Send + Sync>;

/// Routes, and their description.
pub struct Surface<S = ()> {
    pub(super) operations: Vec<Operation>,
    pub(super) router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Default for Surface<S> {
    fn default() -> Self {
        Self { operations: Vec::new(), router: Router::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Surface<S> {
    /// Adds a route.
    #[must_use]
    pub fn on<H: Handler<T, S>, T: 'static>(mut self, operation: Operation, handler: H) -> Self {
        let method = match operation.method {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
        };
        self.router = self.router.route(operation.path, on(method, handler));
        self.operations.push(operation);
        self
    }

    /// Gives all handlers so far what they answer from.
    #[must_use]
    pub fn with_state(self, state: S) -> Surface {
        Surface { operations: self.operations, router: self.router.with_state(state) }
    }
}

impl Surface {
    /// Adds another part's routes.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        self.router = self.router.merge(other.router);
        self
    }
}
