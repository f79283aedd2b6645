//! Azure's REST API for backend health, on the paths of Azure Resource Manager: a POST is answered with 202 and the
//! `Location` of an operation, which is polled until it has the result.
//!
//! | path | methods | answer |
//! |---|---|---|
//! | `…/applicationGateways/{name}/backendhealth` | POST | the report |
//! | `…/applicationGateways/{name}/getBackendHealthOnDemand` | POST | one probe of each server of a pool, now |
//! | `…/locations/{location}/operationResults/{id}` | GET, HEAD | 202 while it runs, then 200, after 10 minutes 404 |
//!
//! Errors have Resource Manager's shape. What is reported and probed comes from outside as functions.

mod body;
mod error;
mod operations;
mod path;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::Semaphore;

use self::body::Problem;
use self::error::ArmError;
use self::operations::{Operation, OperationId, Operations, Place};
use self::path::{Action, AskedGateway, Resource};
use crate::view::azure::Gateway;
use crate::web::demand::{Asked, Busy, Demand, Kind, Scope};
use crate::web::{Connection, Paths, hosts};

pub use self::body::OnDemandProbe;
pub(super) use self::path::with_first_segment_in_lower_case;

/// What there is to report and to probe.
pub struct Source {
    /// The names that the configuration gives; without any, every name in a path is right.
    pub names: Box<dyn Fn() -> Option<Names> + Send + Sync>,
    /// The report as Azure's JSON, with ids of this gateway. May take long: it is called where it may block.
    pub backend_health: Box<dyn Fn(&Gateway) -> String + Send + Sync>,
    /// Checks a probe on demand and begins nothing; its result is Azure's JSON.
    pub on_demand: Box<BeginProbes>,
}

/// The configured names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub gateway: Gateway,
    pub location: String,
}

/// What checks a probe on demand.
pub type BeginProbes = dyn Fn(Gateway, OnDemandProbe) -> Result<(Rows, Probing), Refusal> + Send + Sync;

/// How many servers a probe on demand asks.
pub type Rows = usize;

/// A probe on demand that has not begun.
pub type Probing = Pin<Box<dyn Future<Output = String> + Send>>;

/// A request that cannot be followed, in Resource Manager's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    /// The field that is wrong, as it is called in the request.
    pub target: &'static str,
    pub message: String,
}

impl Refusal {
    /// A field has a value that cannot be.
    #[must_use]
    pub fn bad_value(target: &'static str, message: impl Into<String>) -> Self {
        Self { code: "InvalidParameter", target, message: message.into() }
    }

    /// A field names something that does not exist.
    #[must_use]
    pub fn no_such(target: &'static str, message: impl Into<String>) -> Self {
        Self { code: "InvalidResourceReference", target, message: message.into() }
    }
}

/// The routes, relative to the route prefix.
pub fn router(paths: Paths, source: Source, demand: Demand) -> Router {
    let shared = Shared {
        paths,
        source: Arc::new(source),
        demand,
        operations: Arc::new(Operations::default()),
        rendering: Arc::new(Semaphore::new(1)),
    };
    Router::new().route("/subscriptions/{*rest}", any(answer)).with_state(Arc::new(shared))
}

struct Shared {
    paths: Paths,
    source: Arc<Source>,
    demand: Demand,
    operations: Arc<Operations>,
    /// One report at a time: the processors are for probing.
    rendering: Arc<Semaphore>,
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Response, ArmError> {
    let (head, body) = request.into_parts();
    match Resource::parse(head.uri.path())? {
        Resource::Gateway { gateway, action } => match head.method {
            Method::POST => start(&shared, &gateway, action, &head, body).await,
            _ => Err(not_allowed("POST")),
        },
        Resource::Operation { subscription, location, id } => match head.method {
            Method::GET | Method::HEAD => {
                let place = Place::new(subscription.name(), location.name());
                let found = id.and_then(|id| Some((id, shared.operations.find(id, &place)?)));
                let (id, operation) = found.ok_or_else(missing_operation)?;
                match operation {
                    Operation::Running => {
                        accepted(&shared, &path::operation(subscription.raw, location.raw, id), &head)
                    }
                    Operation::Ended(body) => Ok(([(header::CONTENT_TYPE, JSON)], body).into_response()),
                    Operation::Failed => Err(ArmError::new(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "InternalServerError",
                        "the operation ended without a result; the exporter's log may say why",
                    )),
                }
            }
            _ => Err(not_allowed("GET, HEAD")),
        },
    }
}

/// Begins what a POST asks for, and says where its result will be.
async fn start(
    shared: &Shared,
    asked: &AskedGateway<'_>,
    action: Action,
    head: &Parts,
    body: Body,
) -> Result<Response, ArmError> {
    let (gateway, location) = match (shared.source.names)() {
        None => (asked.gateway(), DEFAULT_LOCATION.to_owned()),
        Some(Names { gateway, location }) if asked.is(&gateway) => (gateway, location),
        Some(Names { gateway, .. }) => return Err(another_gateway(&gateway)),
    };
    let place = Place::new(asked.subscription.name(), &location);
    let id = match action {
        Action::BackendHealth => report(shared, gateway, place)?,
        Action::OnDemand => on_demand(shared, gateway, place, head, body).await?,
    };
    accepted(shared, &path::operation(asked.subscription.raw, &path::encoded(&location), id), head)
}

fn report(shared: &Shared, gateway: Gateway, place: Place) -> Result<OperationId, ArmError> {
    let operation = shared.operations.start(place).ok_or_else(|| busy("too many operations run; try again"))?;
    let id = operation.id();
    let (source, rendering) = (shared.source.clone(), shared.rendering.clone());
    shared.demand.spawn(async move {
        // Never closed.
        let Ok(turn) = rendering.acquire_owned().await else { return };
        let rendered = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            (source.backend_health)(&gateway)
        });
        // Without a result the operation says so itself, when it is dropped.
        if let Ok(json) = rendered.await {
            operation.end(json.into());
        }
    });
    Ok(id)
}

async fn on_demand(
    shared: &Shared,
    gateway: Gateway,
    place: Place,
    head: &Parts,
    body: Body,
) -> Result<OperationId, ArmError> {
    let bad = |code, message| ArmError::new(StatusCode::BAD_REQUEST, code, message);
    let refused = |Refusal { code, target, message }| bad(code, message).at(target);
    let body = read(body).await?;
    let probe = OnDemandProbe::parse(&body, &gateway).map_err(|problem| match problem {
        Problem::NotJson(message) => bad("InvalidRequestContent", message),
        Problem::Field(refusal) => refused(refusal),
    })?;
    let connection = &head.extensions.get().cloned().unwrap_or_else(Connection::unknown);
    let row = format!("{} {}", probe.pool, probe.setting);
    let tell = |asked| shared.demand.tell(Kind::Probe, asked, connection, &row);
    if let (Scope::Configured, Some(field)) = (shared.demand.scope(connection.knows_clients), probe.changed()) {
        tell(Asked::Refused);
        let message = if shared.demand.is_told() { ONLY_CONFIGURED } else { ONLY_CONFIGURED_WITHOUT_LOGIN };
        return Err(ArmError::new(StatusCode::FORBIDDEN, "Forbidden", message).at(field));
    }
    let (rows, probing) = (shared.source.on_demand)(gateway, probe).map_err(|refusal| {
        tell(Asked::Refused);
        refused(refusal)
    })?;
    let not_now = |message| {
        tell(Asked::Busy);
        busy(message)
    };
    shared.demand.allow(connection, rows).map_err(|_| not_now(Busy::TOO_MANY))?;
    let turn = shared.demand.turn().map_err(|Busy| not_now(Busy::MESSAGE))?;
    let operation = shared.operations.start(place).ok_or_else(|| not_now(Busy::MESSAGE))?;
    tell(Asked::Begun);
    let id = operation.id();
    shared.demand.spawn(async move {
        let json = probing.await;
        // Whoever reads the result may ask for the next one at once.
        drop(turn);
        operation.end(json.into());
    });
    Ok(id)
}

async fn read(body: Body) -> Result<Bytes, ArmError> {
    match tokio::time::timeout(BODY_PATIENCE, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let message = format!("the request's body is cut short, or longer than {MAX_BODY} bytes");
            Err(ArmError::new(StatusCode::PAYLOAD_TOO_LARGE, "InvalidRequestContent", message))
        }
        Err(_) => {
            let message = "the request's body did not come in time";
            Err(ArmError::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message))
        }
    }
}

/// 202, and where to ask next.
fn accepted(shared: &Shared, path: &str, head: &Parts) -> Result<Response, ArmError> {
    let version = head.uri.query().and_then(path::api_version);
    let query = version.map(|version| format!("?api-version={version}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{}{path}{query}", base(&shared.paths, head)));
    let location = location.map_err(|_| {
        ArmError::new(StatusCode::BAD_REQUEST, "InvalidRequest", "the host that was asked is no host name")
    })?;
    let headers = [(header::LOCATION, location), (header::RETRY_AFTER, HeaderValue::from_static("1"))];
    Ok((StatusCode::ACCEPTED, headers).into_response())
}

/// What absolute links begin with: the external URL, else what the client itself connected to, which a trusted proxy
/// hands on. For a client that does not say whom it asks, the path alone means the same.
fn base(paths: &Paths, head: &Parts) -> String {
    if let Some(url) = paths.external_url() {
        return url.to_owned();
    }
    let prefix = paths.prefix().as_str();
    let connection = head.extensions.get::<Connection>();
    let scheme = connection.map(|connection| connection.scheme.as_str());
    let asked = connection.and_then(|connection| connection.asked_host.clone());
    match (scheme, asked.or_else(|| hosts::authority(&head.uri, &head.headers))) {
        (Some(scheme), Some(authority)) if !authority.as_str().contains('@') => {
            format!("{scheme}://{authority}{prefix}")
        }
        (_, _) => prefix.to_owned(),
    }
}

fn another_gateway(gateway: &Gateway) -> ArmError {
    let Gateway { subscription, resource_group, name } = gateway;
    let message = format!(
        "there is no such application gateway here; this exporter stands for {name} in resource group \
         {resource_group} of subscription {subscription}"
    );
    ArmError::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
}

fn missing_operation() -> ArmError {
    let message = "there is no such operation; results are kept for 10 minutes, and not when the exporter restarts";
    ArmError::new(StatusCode::NOT_FOUND, "OperationNotFound", message)
}

fn not_allowed(allowed: &'static str) -> ArmError {
    let message = format!("this resource answers to {allowed}");
    ArmError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).with("allow", allowed)
}

fn busy(message: &'static str) -> ArmError {
    ArmError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message).with("retry-after", Busy::RETRY_AFTER)
}

const ONLY_CONFIGURED: &str = "on demand, servers are probed as the setting's own probe has it: leave this field out; \
    the exporter runs with --web.on-demand configured, and only --web.on-demand full allows other probes";

const ONLY_CONFIGURED_WITHOUT_LOGIN: &str = "on demand, servers are probed as the setting's own probe has it: leave \
    this field out; --web.on-demand full, or a login in --web.config.file, allows other probes";

const JSON: &str = "application/json; charset=utf-8";

/// Where operations are when the configuration names no location.
const DEFAULT_LOCATION: &str = "local";

/// A probe on demand takes a few hundred bytes, its longest body to match 16 KiB.
const MAX_BODY: usize = 64 * 1024;

const BODY_PATIENCE: Duration = Duration::from_secs(10);
