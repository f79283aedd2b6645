//! Results of checks that somebody asked for on a page, each under an address of its own until newer ones take its place.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// The latest results; copies are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Results(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first.
    pages: VecDeque<(String, Arc<str>)>,
    begun: u64,
    /// So that nobody guesses an address, and none is that of another run of the program.
    seed: RandomState,
}

impl Results {
    /// Results that are kept.
    pub const MOST: usize = 30;

    /// An id for a result that is being written.
    #[must_use]
    pub fn id(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.begun += 1;
        format!("{:016x}", kept.seed.hash_one(kept.begun))
    }

    /// Keeps the page of a result; the oldest one goes when there are too many.
    pub fn keep(&self, id: String, page: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.pages.len() == Self::MOST {
            kept.pages.pop_front();
        }
        kept.pages.push_back((id, Arc::from(page)));
    }

    /// The page of the result with this id, as long as it is kept.
    #[must_use]
    pub fn page(&self, id: &str) -> Option<Arc<str>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pages.iter().find(|(known, _)| known == id).map(|(_, page)| page.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_results_are_kept_under_addresses_of_their_own() {
        let results = Results::default();
        let ids: Vec<String> = (0..=Results::MOST)
            .map(|number| {
                let id = results.id();
                results.clone().keep(id.clone(), &format!("page {number}"));
                id
            })
            .collect();
        assert_eq!(results.page(&ids[0]), None, "newer ones took its place");
        assert_eq!(results.page(&ids[1]).as_deref(), Some("page 1"));
        assert_eq!(results.page(&ids[Results::MOST]).as_deref(), Some("page 30"));
        assert_eq!(results.page(""), None);
        assert_ne!(Results::default().id(), Results::default().id(), "those of another run are others");
    }
}
