//! Deep checks that somebody asks for over HTTP: at most as many at once as may be on demand, told part by part, and ended
//! when nobody waits any more. What is checked, and how it is written, comes from outside as a function.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::web::demand::{Asked, Busy, Demand, Kind};
use crate::web::{Connection, events};

/// What somebody asks for. Values are as they were written: whoever begins the check judges them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub row: Named,
    /// Connections that are tried to each address.
    pub tries: Option<u64>,
    /// For the whole check.
    pub timeout: Option<String>,
}

/// A row of the running configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    ById(String),
    ByNames { pool: String, setting: String, server: String },
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ById(id) => f.write_str(id),
            Self::ByNames { pool, setting, server } => write!(f, "{pool} {setting} {server}"),
        }
    }
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON with line ends.
    Json,
    /// JSON in one line.
    Line,
    /// A whole page of HTML.
    Page,
    /// The part of a page that shows the result, as a text of JSON in one line.
    Part,
}

/// A part of a check that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// For programs.
    pub stage: &'static str,
    /// For people: what is being done.
    pub doing: &'static str,
    /// From 1. Parts that there is no need for are left out.
    pub number: usize,
    pub of: usize,
}

/// What begins a check.
pub type Begin = dyn Fn(&Wanted, Form) -> Result<Work, Refusal> + Send + Sync;

/// Hears of each part that begins.
pub type Tell = Box<dyn Fn(Told) + Send + Sync>;

/// A check that has not begun.
pub struct Work {
    /// It ends within this time, but for this host's own lateness.
    pub timeout: Duration,
    /// Ends with the result in the form that was asked for.
    pub run: Box<dyn FnOnce(Tell) -> Checking + Send>,
}

/// A check under way.
pub type Checking = Pin<Box<dyn Future<Output = String> + Send>>;

/// Why there is no check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A value cannot be: what would be right.
    BadValue(String),
    /// The running configuration has no such row.
    NoSuchRow(String),
    /// As many are under way as may be.
    Busy,
    /// This client asks for more than it may.
    TooMany,
    /// Our own fault.
    Failed,
}

/// Begins checks; copies are the same one.
#[derive(Clone)]
pub struct Checks {
    demand: Demand,
    begin: Arc<Begin>,
}

impl Checks {
    #[must_use]
    pub fn new(demand: Demand, begin: Arc<Begin>) -> Self {
        Self { demand, begin }
    }

    /// Begins one, which ends when the value that this gives is dropped.
    ///
    /// # Errors
    /// When it cannot be, or not now.
    pub async fn start(&self, wanted: Wanted, form: Form, connection: &Connection) -> Result<Running, Refusal> {
        let row = wanted.row.to_string();
        let begun = self.begin(wanted, form, connection).await;
        let asked = match &begun {
            Ok(_) => Asked::Begun,
            Err(Refusal::Busy | Refusal::TooMany) => Asked::Busy,
            Err(Refusal::BadValue(_) | Refusal::NoSuchRow(_) | Refusal::Failed) => Asked::Refused,
        };
        self.demand.tell(Kind::Troubleshoot, asked, connection, &row);
        begun
    }

    async fn begin(&self, wanted: Wanted, form: Form, connection: &Connection) -> Result<Running, Refusal> {
        let begin = Arc::clone(&self.begin);
        // To look through thousands of rows takes milliseconds, which the probes' threads do not have.
        let work = tokio::task::spawn_blocking(move || begin(&wanted, form)).await;
        let Work { timeout, run } = work.map_err(|_| Refusal::Failed)??;
        self.demand.allow(connection, 1).map_err(|_| Refusal::TooMany)?;
        let turn = self.demand.turn().map_err(|Busy| Refusal::Busy)?;
        let (sender, heard) = mpsc::channel(ROOM);
        let stages = sender.clone();
        let tell = Box::new(move |told| {
            // There is room for all of them; whoever is gone misses nothing.
            let _ = stages.try_send(Heard::Stage(told));
        });
        self.demand.spawn(async move {
            let result = tokio::select! {
                () = sender.closed() => return,
                result = tokio::time::timeout(timeout * LATENESS, run(tell)) => result,
            };
            // Whoever reads the result may ask for the next one at once.
            drop(turn);
            if let Ok(result) = result {
                // Whoever is gone misses nothing.
                let _ = sender.try_send(Heard::Result(result));
            }
        });
        Ok(Running(heard))
    }
}

/// A check that somebody waits for.
#[must_use]
pub struct Running(mpsc::Receiver<Heard>);

enum Heard {
    Stage(Told),
    Result(String),
}

impl Running {
    /// Waits for the result; `None` when the check ended without one: the exporter ends, or does not get to run.
    pub async fn result(mut self) -> Option<String> {
        while let Some(heard) = self.0.recv().await {
            if let Heard::Result(result) = heard {
                return Some(result);
            }
        }
        None
    }

    /// Each part as an event, and the result as the last one. A stream that ends without it had none.
    #[must_use]
    pub fn events(self) -> Response {
        events::response(Some(self.0), |heard| match heard {
            Heard::Stage(told) => of_stage(&told),
            Heard::Result(result) => events::event("result", "", &result),
        })
    }
}

fn of_stage(told: &Told) -> Bytes {
    events::event("stage", "", &serde_json::to_string(told).expect("texts and numbers are JSON"))
}

/// Whether the client takes events, and so is told of each part as it begins.
#[must_use]
pub fn takes_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = accepted.flat_map(|value| value.split(',')).filter_map(|item| item.split(';').next());
    kinds.into_iter().any(|kind| kind.trim().eq_ignore_ascii_case(events::MEDIA_TYPE))
}

/// For all that one check tells.
const ROOM: usize = 16;

/// How many times as long as it should a check may take, before it is ended without a result.
const LATENESS: u32 = 2;
