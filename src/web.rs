//! The exporter's own web site: routes, listeners, TLS, logins and limits.
//!
//! | route (below the route prefix) | methods | answer |
//! |---|---|---|
//! | `/` | GET, HEAD | the landing page |
//! | `/favicon.ico` | GET, HEAD | an icon for what is no page |
//! | `/assets/NAME` | GET, HEAD | what the pages load: style, script, icons |
//! | the telemetry path, `/metrics` | GET, HEAD | the metrics, in the format and coding that the client takes |
//! | `/row`, `/pools`, `/changes`, `/certificates` | GET, HEAD | the page of one row, of all pools, of what changed, of what ends next, among the further routes |
//! | `/-/healthy` | GET, HEAD | 200 as long as the process answers |
//! | `/-/ready` | GET, HEAD | 503, and 200 once the first probes have ended |
//! | `/-/reload` | POST, PUT | 200 when the configuration was read again, 500 with what is wrong with it |
//! | `/subscriptions/…` | POST, GET | Azure's API, see [`azure`] |
//! | `/api/v1/backendhealth` | GET, HEAD | the report as JSON, filtered by `pool`, `setting`, `server`, `state`, `side`, `cause`, `warning` and `q` |
//! | `/api/v1/backendhealth/{id}` | GET, HEAD | one row of it |
//! | `/api/v1/events` | GET, HEAD | the latest changes of state, filtered likewise, from `since` on, at most `limit` |
//! | `/api/v1/stream` | GET, HEAD | changes of state as server-sent events, as they come |
//! | `/api/v1/troubleshoot` | POST | a deep check of one row, as JSON or, part by part, as server-sent events |
//! | `/troubleshoot` | POST, GET | the same as a page, among the further routes; GET with `result` shows one again, else it leads to the row's own page |
//! | `/docs/`, `/docs/NAME` | GET, HEAD | the shipped documentation |
//! | `/api/v1/openapi.json` | GET, HEAD | the description of all that begins with `/api` |
//!
//! Every other path is 404 (a page, for who takes HTML), every other method 405 with `Allow`, and OPTIONS 200 with it. With a prefix, `/` and the prefix without its last
//! slash redirect to the landing page. Users, rate limit and added headers of [`Access`] apply to all of them; a
//! request that changes something is 403 when another site's page sent it.
//!
//! The pages come from outside as functions; the API reads the health table and writes the report's own JSON. Nothing
//! here knows what a row is.

mod access;
pub mod api;
pub mod azure;
mod bucket;
mod certificates;
pub mod checks;
pub mod demand;
mod delivery;
pub mod docs;
mod encoding;
mod events;
mod guard;
mod limits;
mod hosts;
mod listen;
pub mod pages;
mod paths;
mod places;
mod proxies;
mod pulse;
pub mod results;
mod routes;
mod serve;
pub mod troubleshoot;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::http::uri::Authority;
use tokio_util::sync::CancellationToken;

pub use access::Access;
pub use bucket::Rate;
pub use delivery::{Page, PageWriter, Slots};
pub use hosts::{Hosts, HostsError};
pub use limits::Limits;
pub use listen::{BindError, bind};
pub use paths::{Paths, PathsError, RoutePrefix, Scheme};
pub use proxies::{Proxies, ProxiesError};
pub use serve::serve;

/// What there is to see.
pub struct Site {
    pub paths: Paths,
    pub entry: Entry,
    /// The metrics, for the value of the request's `Accept` headers.
    pub metrics: Answer<Page>,
    /// The landing page as HTML, for the request's query as sent; an error is the page that says what is wrong with it.
    pub landing: Answer<Result<String, String>>,
    /// Whether `/-/ready` says so.
    pub is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// Reads the configuration again; an error is told to the client as it is.
    pub reload: Box<dyn Fn() -> Reloading + Send + Sync>,
    /// Those of the pages.
    pub slots: Slots,
    /// More routes, relative to the route prefix, under the same guard; none of those above, and no fallback.
    pub further: Router,
}

/// Who is let in besides what [`Access`] says.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Whether the health endpoints ask for no login and have no rate limit.
    pub open_health: bool,
    pub hosts: Hosts,
    pub proxies: Proxies,
}

/// What to answer, for one optional text of the request.
pub type Answer<T> = Box<dyn Fn(Option<&str>) -> T + Send + Sync>;

/// A reload under way.
pub type Reloading = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The connection that a request came on; routes find it among the request's extensions.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Ends the connection at once, whatever is under way on it.
    pub cut: CancellationToken,
    /// How the client speaks to us, or to the trusted proxy that it came through.
    pub scheme: Scheme,
    /// The host that a trusted proxy was asked for, when it says so.
    pub asked_host: Option<Authority>,
    /// Who asks: the other end, or for whom it asks where it is a trusted proxy.
    pub client: IpAddr,
    /// The user whose password came with the request, where passwords are asked for.
    pub user: Option<Arc<str>>,
    /// Whether everybody who comes in has shown who it is.
    pub knows_clients: bool,
}

impl Connection {
    /// What is known of a request that came through no listener.
    fn unknown() -> Self {
        Self {
            cut: CancellationToken::new(),
            scheme: Scheme::Http,
            asked_host: None,
            client: IpAddr::from([0; 4]),
            user: None,
            knows_clients: false,
        }
    }
}
