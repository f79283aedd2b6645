//! `CONTRIBUTING.md` leads newcomers: what it names is there.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_file_that_contributing_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let quoted = text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let named: BTreeSet<&str> = quoted
        .filter(|word| ["src/", "tests/", "docs/", "config/"].iter().any(|place| word.starts_with(place)))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names what is not there: {missing:?}");
}

#[test]
fn the_slow_tests_that_the_quick_run_leaves_out_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(root.join("tests/run")).unwrap();
    let slow =
        script.split_once("\nslow=(").and_then(|(_, rest)| rest.split_once(')')).expect("the list of slow tests").0;
    let mut seen = 0;
    for name in slow.split_whitespace() {
        let mut parts = name.split("::").filter(|part| !part.is_empty());
        let module = parts.next().expect("a module");
        let mut file = root.join("tests/it").join(module).with_extension("rs");
        let last = parts.next().unwrap_or_default();
        let below = root.join("tests/it").join(module).join(last).with_extension("rs");
        if !last.is_empty() && below.is_file() {
            file = below;
        } else if !last.is_empty() {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(text.contains(&format!("fn {last}")), "no test of {module} begins with {last}");
        }
        assert!(file.is_file(), "{name} is slow, and not there");
        seen += 1;
    }
    assert!(seen > 10, "{slow}");
}
