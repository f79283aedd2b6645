//! Operations that were begun, and for a while their results. What they hold is bounded, in number and in bytes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use axum::body::Bytes;
use tokio::time::Instant;

/// All operations of the process.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// The oldest first.
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: OperationId,
    place: Place,
    state: State,
}

#[derive(Debug)]
enum State {
    Running,
    /// Since then; `None`: without a result.
    Ended(Instant, Option<Bytes>),
}

/// What somebody who polls is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Running,
    Ended(Bytes),
    Failed,
}

/// The subscription and location that an operation belongs to, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    subscription: String,
    location: String,
}

impl Place {
    pub(super) fn new(subscription: &str, location: &str) -> Self {
        Self { subscription: subscription.to_lowercase(), location: location.to_lowercase() }
    }
}

impl Operations {
    /// A new one that runs; `None` when all that can be remembered are running.
    pub(super) fn start(self: &Arc<Self>, place: Place) -> Option<Handle> {
        let id = OperationId::random()?;
        let mut entries = self.lock();
        forget_old(&mut entries);
        if entries.len() >= MOST {
            let ended = entries.iter().position(|entry| matches!(entry.state, State::Ended(..)))?;
            entries.remove(ended);
        }
        entries.push(Entry { id, place, state: State::Running });
        Some(Handle { operations: self.clone(), id })
    }

    pub(super) fn find(&self, id: OperationId, place: &Place) -> Option<Operation> {
        let mut entries = self.lock();
        forget_old(&mut entries);
        let entry = entries.iter().find(|entry| entry.id == id && entry.place == *place)?;
        Some(match &entry.state {
            State::Running => Operation::Running,
            State::Ended(_, Some(result)) => Operation::Ended(result.clone()),
            State::Ended(_, None) => Operation::Failed,
        })
    }

    fn end(&self, id: OperationId, result: Option<Bytes>) {
        let mut entries = self.lock();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.id == id)
            && matches!(entry.state, State::Running)
        {
            entry.state = State::Ended(Instant::now(), result);
        }
        forget_old(&mut entries);
        forget_the_heaviest_past(&mut entries);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever began them has had time enough to read them.
fn forget_old(entries: &mut Vec<Entry>) {
    entries.retain(|entry| !matches!(entry.state, State::Ended(at, _) if at.elapsed() >= KEPT));
}

/// The oldest results go first; the newest stays, however large it is.
fn forget_the_heaviest_past(entries: &mut Vec<Entry>) {
    let size = |entry: &Entry| match &entry.state {
        State::Ended(_, Some(result)) => result.len(),
        State::Running | State::Ended(_, None) => 0,
    };
    let latest = entries.iter().filter_map(|entry| match entry.state {
        State::Ended(at, _) => Some((at, entry.id)),
        State::Running => None,
    });
    let latest = latest.max_by_key(|(at, _)| *at).map(|(_, id)| id);
    let mut held: usize = entries.iter().map(size).sum();
    entries.retain(|entry| {
        let stays = held <= MOST_BYTES || size(entry) == 0 || Some(entry.id) == latest;
        if !stays {
            held -= size(entry);
        }
        stays
    });
}

/// An operation under way. Dropped without an end, it has failed.
#[derive(Debug)]
pub(super) struct Handle {
    operations: Arc<Operations>,
    id: OperationId,
}

impl Handle {
    pub(super) fn id(&self) -> OperationId {
        self.id
    }

    pub(super) fn end(self, result: Bytes) {
        self.operations.end(self.id, Some(result));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Does nothing to one that has ended.
        self.operations.end(self.id, None);
    }
}

/// Cannot be guessed: written as a GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OperationId(u128);

impl OperationId {
    fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).ok()?;
        // Version 4, variant 1 (RFC 9562, section 5.4).
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Some(Self(u128::from_be_bytes(bytes)))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let lengths = text.split('-').map(str::len);
        let holds = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        if !holds || !lengths.eq([8, 4, 4, 4, 12]) {
            return None;
        }
        u128::from_str_radix(&text.replace('-', ""), 16).ok().map(Self)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (first, second, third, fourth, fifth) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        write!(f, "{first}-{second}-{third}-{fourth}-{fifth}")
    }
}

/// How long a result can be read.
const KEPT: Duration = Duration::from_mins(10);

/// Operations, running or ended.
const MOST: usize = 1_000;

/// Of all results together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place::new("Sub", "local")
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_there_for_ten_minutes() {
        let operations = Arc::new(Operations::default());
        let handle = operations.start(place()).unwrap();
        let id = handle.id();
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(operations.find(id, &place()), Some(Operation::Running), "one that runs is not forgotten");
        handle.end(Bytes::from_static(b"{}"));
        let almost = KEPT.checked_sub(Duration::from_millis(1)).unwrap();
        tokio::time::advance(almost).await;
        assert_eq!(operations.find(id, &place()), Some(Operation::Ended(Bytes::from_static(b"{}"))));
        assert_eq!(operations.find(id, &Place::new("SUB", "LOCAL")), operations.find(id, &place()));
        assert_eq!(operations.find(id, &Place::new("other", "local")), None);
        assert_eq!(operations.find(id, &Place::new("sub", "elsewhere")), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(operations.find(id, &place()), None);
        assert!(operations.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_that_is_dropped_has_failed() {
        let operations = Arc::new(Operations::default());
        let handle = operations.start(place()).unwrap();
        let id = handle.id();
        drop(handle);
        assert_eq!(operations.find(id, &place()), Some(Operation::Failed));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let operations = Arc::new(Operations::default());
        let running: Vec<_> = (0..MOST - 1).map(|_| operations.start(place()).unwrap()).collect();
        let ended = operations.start(place()).unwrap();
        let id = ended.id();
        assert!(operations.start(place()).is_none(), "all of them run");
        ended.end(Bytes::new());
        let next = operations.start(place());
        assert!(next.is_some(), "one that has ended makes room");
        assert_eq!(operations.find(id, &place()), None);
        assert_eq!(operations.lock().len(), MOST);
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn large_results_push_out_older_ones_but_never_the_newest() {
        let operations = Arc::new(Operations::default());
        let end = |bytes: usize| {
            let handle = operations.start(place()).unwrap();
            let id = handle.id();
            handle.end(Bytes::from(vec![b' '; bytes]));
            id
        };
        let small = end(10);
        let mut ids = Vec::new();
        for _ in 0..5 {
            tokio::time::advance(Duration::from_secs(1)).await;
            ids.push(end(MOST_BYTES / 4));
        }
        let there = |id| operations.find(id, &place()).is_some();
        assert_eq!(ids.iter().map(|id| there(*id)).collect::<Vec<_>>(), [false, true, true, true, true]);
        assert!(!there(small), "the oldest goes first");
        tokio::time::advance(Duration::from_secs(1)).await;
        let huge = end(MOST_BYTES + 1);
        assert!(there(huge) && ids.iter().all(|id| !there(*id)));
    }

    #[test]
    fn an_id_is_a_guid() {
        let id = OperationId::random().unwrap();
        let text = id.to_string();
        assert_eq!(OperationId::parse(&text), Some(id));
        assert_eq!(OperationId::parse(&text.to_uppercase()), Some(id));
        assert_eq!(text.as_bytes()[14], b'4', "{text}");
        for wrong in ["", "x", &text[1..], &text.replace('-', ""), &format!("{text}0"), &text.replace('-', "+")] {
            assert_eq!(OperationId::parse(wrong), None, "{wrong}");
        }
    }
}
