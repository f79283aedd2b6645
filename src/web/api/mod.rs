//! The REST API: the report and what becomes of it, as JSON.

mod error;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::health::HealthTable;
use crate::view::report::Links;
use crate::web::Limits;

/// What the API answers from.
pub struct Api {
    pub table: Arc<HealthTable>,
    /// For `docs_url`.
    pub links: Links,
    pub limits: Limits,
    /// Ends the streams.
    pub shutdown: CancellationToken,
}

impl Api {
    /// The routes, relative to the route prefix.
    pub fn router(self) -> Router {
        let Self { table, links, limits, shutdown } = self;
        let shared = Shared {
            table,
            links,
            streams: Arc::new(Semaphore::new(limits.streams)),
            heartbeat: limits.heartbeat,
            patience: limits.write,
            written: stream::Written::default(),
            shutdown,
        };
        Router::new().route("/api/v1/stream", get(stream::stream)).with_state(Arc::new(shared))
    }
}

struct Shared {
    table: Arc<HealthTable>,
    links: Links,
    /// Places for streams.
    streams: Arc<Semaphore>,
    heartbeat: Duration,
    /// How long a client may take for one event.
    patience: Duration,
    written: stream::Written,
    shutdown: CancellationToken,
}
