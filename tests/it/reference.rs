//! The reference pages, made of what the program really does: every key of the configuration, every metric.
//! `BLESS=1 cargo test --test it reference` writes them anew.

use std::fs;
use std::path::Path;

mod configuration;
mod getting_started;
mod metrics;

/// The file is `text`; with `BLESS` set it is made so.
fn assert_or_bless(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).find(|(found, text)| found != text);
    assert!(found == text, "{file}: run BLESS=1 cargo test --test it reference; the first difference: {differs:?}");
}
