//! Placeholder sentence for the moment.
