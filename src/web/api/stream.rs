//! `/api/v1/stream`: changes of state as server-sent events, as they come.
//!
//! A stream holds one number, that of the last change it told, and one event that waits for the client. A client that
//! does not read costs nothing more, and loses its connection; one that comes again names the last change it knows.

use std::collections::VecDeque;
use std::convert::{Infallible, identity};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::health::Transition;
use crate::view::report::{Event, Filter, Links, ReportHead};
use crate::web::api::error::ApiError;
use crate::web::api::{Shared, check_keys};
use crate::web::{Connection, events};

pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    check_keys(&query, &[])?;
    let filter = Filter::parse(&query)?;
    let slot = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| ApiError::too_many_streams())?;
    if method == Method::HEAD {
        return Ok(events::response::<Bytes>(None, identity));
    }
    let (sender, told_events) = mpsc::channel(1);
    let told = known(&headers, *shared.table.watch_transitions().borrow());
    let teller = Teller { shared, filter, told, shown: None, sender, wrote: Instant::now(), cut: connection.cut };
    tokio::spawn(teller.run(slot));
    Ok(events::response(Some(told_events), identity))
}

/// The number of the last change that the client knows: the latest one when it does not say. Numbers begin anew with the
/// process, so one that is still to come is another process's, and all of ours are news.
fn known(headers: &HeaderMap, latest: u64) -> u64 {
    let sent = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    match sent.and_then(|number| number.trim().parse().ok()) {
        None => latest,
        Some(number) if number > latest => 0,
        Some(number) => number,
    }
}

const LAST_EVENT_ID: &str = "last-event-id";

/// Tells one client what happens.
struct Teller {
    shared: Arc<Shared>,
    /// For the changes; the report's head is that of all rows.
    filter: Filter,
    /// The number of the last change told, or looked at.
    told: u64,
    /// The revision of the last head told.
    shown: Option<u64>,
    sender: mpsc::Sender<Bytes>,
    wrote: Instant,
    cut: CancellationToken,
}

impl Teller {
    async fn run(mut self, slot: OwnedSemaphorePermit) {
        let _slot = slot;
        let (gone, shutdown) = (self.sender.clone(), self.shared.shutdown.clone());
        tokio::select! {
            () = gone.closed() => {}
            () = shutdown.cancelled() => {}
            Err(Gone) = self.tell() => {}
        }
    }

    async fn tell(&mut self) -> Result<Infallible, Gone> {
        let mut latest = self.shared.table.watch_transitions();
        let mut ticks = tokio::time::interval(BETWEEN_HEADS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.send(Bytes::from_static(b"retry: 2000\n\n")).await?;
        loop {
            latest.mark_unchanged();
            self.tell_changes().await?;
            tokio::select! {
                // Its sender lives in the table, which lives in `shared`.
                _ = latest.changed() => {}
                _ = ticks.tick() => self.tell_head().await?,
            }
        }
    }

    async fn tell_changes(&mut self) -> Result<(), Gone> {
        loop {
            let changes = self.shared.table.transitions_after(self.told, BATCH);
            if changes.is_empty() {
                return Ok(());
            }
            for change in changes {
                if self.filter.matches_transition(&change) {
                    let event = self.shared.written.event(&change, &self.shared.links);
                    self.send(event).await?;
                }
                self.told = change.number;
            }
        }
    }

    async fn tell_head(&mut self) -> Result<(), Gone> {
        let overview = self.shared.table.overview(SystemTime::now());
        if self.shown != Some(overview.revision) {
            self.shown = Some(overview.revision);
            // The number lets a client that saw no change yet ask for those that it will have missed.
            self.send(event("report", self.told, &ReportHead::of(&overview))).await?;
        } else if self.wrote.elapsed() >= self.shared.heartbeat {
            self.send(Bytes::from_static(b": still here\n\n")).await?;
        }
        Ok(())
    }

    async fn send(&mut self, event: Bytes) -> Result<(), Gone> {
        let Ok(sent) = tokio::time::timeout(self.shared.patience, self.sender.send(event)).await else {
            tracing::debug!("a stream of events is not read");
            self.cut.cancel();
            return Err(Gone);
        };
        sent.map_err(|_| Gone)?;
        self.wrote = Instant::now();
        Ok(())
    }
}

/// Nobody reads any more.
struct Gone;

/// The latest changes as events: every stream tells the same ones, which are written once.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// By number.
    events: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Written {
    fn event(&self, change: &Transition, links: &Links) -> Bytes {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = events.binary_search_by_key(&change.number, |(number, _)| *number) {
            return events[at].1.clone();
        }
        let text = event("transition", change.number, &Event::of(change, links));
        if events.back().is_none_or(|(last, _)| *last < change.number) {
            if events.len() == WRITTEN {
                events.pop_front();
            }
            events.push_back((change.number, text.clone()));
        }
        text
    }
}

/// One event. JSON has no line ends of its own.
fn event(kind: &str, number: u64, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("the report's types are JSON");
    events::event(kind, &format!("id: {number}\n"), &data)
}

/// Changes that are kept as they were written.
const WRITTEN: usize = 1_000;

/// The report's head is told no more often.
const BETWEEN_HEADS: Duration = Duration::from_secs(1);

/// Changes that a stream holds on to while its client takes its time.
const BATCH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_what_it_does_not_know_yet() {
        fn check(sent: Option<&str>, expected: u64) {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(LAST_EVENT_ID, sent.parse().unwrap());
            }
            assert_eq!(known(&headers, 7), expected, "{sent:?}");
        }
        check(None, 7);
        check(Some("7"), 7);
        check(Some("3"), 3);
        check(Some("0"), 0);
        check(Some("8"), 0);
        check(Some("x"), 7);
        check(Some(""), 7);
    }
}
