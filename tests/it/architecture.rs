//! The house: who may name whom, what is pure, and how files begin. Adding an arrow here is a decision, not a fix.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("resolver", &[]),
    ("discovery", &["resolver"]),
    ("probe", &["resolver"]),
    ("config", &["discovery", "probe"]),
    ("target", &["config", "discovery", "probe"]),
    ("scheduler", &["target"]),
    ("verdict", &["probe"]),
    ("health", &["target", "verdict"]),
    ("troubleshoot", &["resolver", "discovery", "probe", "target", "verdict"]),
    ("view", &["target", "verdict", "health", "troubleshoot"]),
    ("web", &["health", "view"]),
    ("lab", &[]),
    (
        "app",
        &[
            "config",
            "resolver",
            "discovery",
            "target",
            "scheduler",
            "probe",
            "verdict",
            "troubleshoot",
            "health",
            "view",
            "web",
            "lab",
        ],
    ),
    ("cli", &["app", "config", "view"]),
];

/// What a pure room must not touch, and the rooms that are pure.
const IMPURE: &[&str] =
    &["tokio", "std::fs", "std::env", "std::net::Tcp", "std::net::Udp", "::now()", "reqwest", "tracing"];
const PURE: &[&str] = &["target", "verdict", "view"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(directory: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    assert!(files.len() > 50, "the sources are where they are looked for");
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The room that a file belongs to: the first part of its path below `src`.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    below.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code without its tests, comments and documentation, each imported name with its whole path.
fn code(text: &str) -> String {
    let product = text.split("\n#[cfg(test)]\n").next().unwrap();
    let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    ungrouped(&lines.collect::<Vec<_>>().join("\n"))
}

/// `use a::{b, c};` as `use a::b, a::c;`: a name must not escape the search because it stands in braces.
fn ungrouped(code: &str) -> String {
    let mut plain = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("::{") {
        let (before, after) = (&rest[..at], &rest[at + 3..]);
        let (Some(end), true) = (after.find('}'), before.rsplit('\n').next().is_some_and(|line| line.contains("use ")))
        else {
            plain.push_str(&rest[..at + 3]);
            rest = after;
            continue;
        };
        let from = before.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
        let path = &before[from.map_or(0, |from| from + 1)..];
        plain.push_str(&before[..before.len() - path.len()]);
        let names = after[..end].split(',').map(str::trim).filter(|name| !name.is_empty());
        plain.push_str(&names.map(|name| format!("{path}::{name}")).collect::<Vec<_>>().join(", "));
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    plain
}

#[test]
fn a_grouped_import_is_seen_name_by_name() {
    let plain =
        ungrouped("use crate::{probe, web::Page};\nuse std::net::{\n    IpAddr,\n    TcpStream,\n};\nlet x = 1;");
    assert_eq!(plain, "use crate::probe, crate::web::Page;\nuse std::net::IpAddr, std::net::TcpStream;\nlet x = 1;");
}

#[test]
fn every_room_names_only_the_rooms_that_it_may() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_NAME.iter().map(|(room, names)| (*room, names.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let room = room(&path);
        if room == "lib" || room == "main" {
            continue;
        }
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} is no room of the house"));
        for after in code(&text).split("crate::").skip(1) {
            let named: String = after.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if !allowed.contains_key(named.as_str()) || named == room {
                continue;
            }
            seen.insert((room.clone(), named.clone()));
            if !may.contains(named.as_str()) {
                wrong.push(format!("{} names {named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.contains(&("health".to_owned(), "verdict".to_owned())), "the search finds what is there: {seen:?}");
}

#[test]
fn pure_rooms_touch_no_clock_no_network_and_no_files() {
    for (path, text) in sources() {
        if !PURE.contains(&room(&path).as_str()) {
            continue;
        }
        let code = code(&text);
        for word in IMPURE {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn every_file_opens_with_a_sentence_on_what_it_is_for() {
    let tests = fs::read_dir(root().join("tests/it")).unwrap().map(|entry| entry.unwrap().path());
    let tests = tests.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    for (path, text) in sources().into_iter().chain(tests) {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 10, "{} opens with {first:?}", path.display());
    }
}

#[test]
fn the_yaml_parser_is_named_in_one_file() {
    let speaks = |(path, text): (PathBuf, String)| text.contains("saphyr").then_some(path);
    let named: Vec<PathBuf> = sources().into_iter().filter_map(speaks).collect();
    assert_eq!(named, [root().join("src/config/yaml.rs")]);
}

#[test]
fn a_metric_is_named_in_one_file() {
    for (path, text) in sources() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        // The table of causes and the lab's notes may point people to a metric.
        if name != "src/view/metrics.rs" && room(&path) == "view" {
            assert!(!code(&text).contains("\"backend_health_"), "{name} names a metric");
        }
    }
}
