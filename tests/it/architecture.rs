//! The house: who may name whom, what is pure, and how files begin. Adding an arrow here is a decision, not a fix.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may name; beside those everybody may name the small words.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("resolver", &[]),
    ("discovery", &["resolver"]),
    ("probe", &["resolver"]),
    ("config", &["discovery", "probe"]),
    ("target", &["config", "discovery", "probe"]),
    ("scheduler", &["target"]),
    ("verdict", &["resolver", "probe"]),
    ("health", &["probe", "target", "verdict"]),
    ("troubleshoot", &["resolver", "discovery", "probe", "target", "verdict"]),
    ("view", &["resolver", "probe", "target", "verdict", "health", "troubleshoot"]),
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
    ("cli", &["app", "config", "resolver", "verdict", "health", "troubleshoot", "view"]),
];

/// What a pure room must not touch, and the rooms that are pure.
const IMPURE: &[&str] =
    &["tokio", "std::fs", "std::env", "std::net::Tcp", "std::net::Udp", "::now()", "reqwest", "tracing"];
const PURE: &[&str] = &["words", "target", "verdict", "view"];

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

/// Every file of the house by its module (`view`, `report`), with the names that it passes on for others.
struct House {
    files: BTreeMap<Vec<String>, File>,
}

struct File {
    /// Paths that its code names, without those that it only passes on.
    named: Vec<Vec<String>>,
    /// A name that is passed on (`pub use`), and where it is from.
    doors: BTreeMap<String, Vec<String>>,
}

impl House {
    fn of(sources: Vec<(PathBuf, String)>) -> Self {
        let module = |path: &Path| -> Vec<String> {
            let below = path.strip_prefix(root().join("src")).unwrap().with_extension("");
            below.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
        };
        let modules: BTreeSet<Vec<String>> = sources.iter().map(|(path, _)| module(path)).collect();
        let files = sources.into_iter().map(|(path, text)| {
            let module = module(&path);
            let file = File::of(&code(&text), &module, &modules);
            (module, file)
        });
        Self { files: files.collect() }
    }

    /// The files that a path leads through: the doors first, and at last the one that has the thing itself.
    fn way(&self, path: &[String]) -> Vec<&Vec<String>> {
        let (mut path, mut way) = (path.to_vec(), Vec::new());
        // No thing is passed on more often.
        for _ in 0..8 {
            let found = (1..=path.len()).rev().find_map(|length| self.files.get_key_value(&path[..length]));
            let Some((module, file)) = found else { break };
            way.push(module);
            let Some(from) = path.get(module.len()).and_then(|name| file.doors.get(name)) else { break };
            path = from.iter().chain(&path[module.len() + 1..]).cloned().collect();
        }
        way
    }
}

impl File {
    fn of(code: &str, module: &[String], modules: &BTreeSet<Vec<String>>) -> Self {
        let mut file = Self { named: Vec::new(), doors: BTreeMap::new() };
        for statement in code.split(';') {
            let door = ["pub use ", "pub(crate) use ", "pub(super) use "].iter().find_map(|start| {
                let (_, names) = statement.split_once(start)?;
                Some(names)
            });
            for (path, alias) in paths(door.unwrap_or(statement)) {
                let Some(path) = absolute(&path, module, modules) else { continue };
                match door {
                    Some(_) => {
                        file.doors.insert(alias.unwrap_or_else(|| path[path.len() - 1].clone()), path);
                    }
                    None => file.named.push(path),
                }
            }
        }
        file
    }
}

/// The paths in some code, each with the name that it gets by `as`.
fn paths(code: &str) -> Vec<(Vec<&str>, Option<String>)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words: Vec<&str> = code.split(|letter| !is_part(letter)).filter(|word| !word.is_empty()).collect();
    let alias =
        |at: usize| (words.get(at + 1) == Some(&"as")).then(|| words.get(at + 2).map(|name| (*name).to_owned()));
    let paths = words.iter().enumerate().filter(|(_, word)| word.contains("::"));
    paths.map(|(at, word)| (word.split("::").filter(|part| !part.is_empty()).collect(), alias(at).flatten())).collect()
}

/// A path from the crate's root; `None` when it leads out of it.
fn absolute(path: &[&str], module: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|part| **part == "super").count();
    let below = |from: &[String], rest: &[&str]| -> Vec<String> {
        from.iter().cloned().chain(rest.iter().map(|&part| part.to_owned())).collect()
    };
    Some(match *path.first()? {
        "crate" => below(&[], &path[1..]),
        "self" => below(module, &path[1..]),
        "super" => below(&module[..module.len().checked_sub(supers)?], &path[supers..]),
        child if modules.contains(&below(module, &[child])) => below(module, path),
        _ => return None,
    })
}

/// A name that another room passes on is a name of the room that has it.
#[test]
fn every_room_names_only_the_rooms_that_it_may() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_NAME.iter().map(|(room, names)| (*room, names.iter().copied().collect())).collect();
    let house = House::of(sources());
    let (mut wrong, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (module, file) in house.files.iter().filter(|(module, _)| !["lib", "main"].contains(&&*module[0])) {
        let room = &*module[0];
        let may = allowed.get(room).unwrap_or_else(|| panic!("{room} is no room of the house"));
        for path in file.named.iter().chain(file.doors.values()) {
            for named in house
                .way(path)
                .into_iter()
                .map(|module| &*module[0])
                .filter(|named| *named != room && *named != "words")
            {
                seen.insert((room, named));
                if !may.contains(named) {
                    wrong.insert(format!("{} names {named}: {}", module.join("/"), path.join("::")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unused = allowed.iter().flat_map(|(room, names)| names.iter().map(|name| (*room, *name)));
    let unused: Vec<_> = unused.filter(|arrow| !seen.contains(arrow)).collect();
    assert!(unused.is_empty(), "nobody needs {unused:?}");
}

/// Files of one folder, each with what is below it, depend one way. What a parent defines is for all below it, so a child
/// that uses its parent makes no circle.
#[test]
fn files_beside_each_other_depend_one_way() {
    let house = House::of(sources());
    // The folder, and who uses whom in it.
    let mut folders: BTreeMap<&[String], BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (module, file) in &house.files {
        for home in file.named.iter().filter_map(|path| house.way(path).pop()) {
            let common = module.iter().zip(home).take_while(|(one, other)| one == other).count();
            if let (1.., Some(user), Some(used)) = (common, module.get(common), home.get(common)) {
                folders.entry(&module[..common]).or_default().entry(user).or_default().insert(used);
            }
        }
    }
    assert!(folders.len() > 10, "the search finds what is there");
    for (folder, uses) in folders {
        let circle: Vec<&str> = uses.keys().copied().filter(|file| reached(file, &uses).contains(file)).collect();
        assert!(circle.is_empty(), "{folder:?}: {circle:?} in {uses:#?}");
    }
}

fn reached<'h>(from: &str, uses: &BTreeMap<&str, BTreeSet<&'h str>>) -> BTreeSet<&'h str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = uses.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(uses.get(file).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn a_name_is_followed_through_the_doors_that_pass_it_on() {
    let sources = [
        ("a.rs", "pub mod b;\npub use self::b::{One, Two as Other};\n"),
        ("a/b.rs", "pub struct One;"),
        ("c.rs", "pub use crate::a::Other;\nfn f() {}\n"),
        ("d.rs", "use super::c::Other;\nfn f() { crate::a::One }"),
    ];
    let sources = sources.map(|(name, text)| (root().join("src").join(name), text.to_owned()));
    let house = House::of(sources.into());
    let ways = house.files[&["d".to_owned()][..]]
        .named
        .iter()
        .map(|path| house.way(path).iter().map(|module| module.join("::")).collect::<Vec<_>>());
    assert_eq!(ways.collect::<Vec<_>>(), [vec!["c", "a", "a::b"], vec!["a", "a::b"]]);
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

/// What a row is like is changed by `health` alone. What the others hold is a memory that saves work, or is about the
/// exporter's own running.
#[test]
fn only_these_rooms_hold_what_changes() {
    const CELLS: [&str; 5] = ["Mutex", "RwLock", "Atomic", "ArcSwap", "RefCell"];
    const MAY_CHANGE: [&str; 8] = ["resolver", "probe", "verdict", "scheduler", "health", "web", "app", "cli"];
    let holders = sources().into_iter().filter(|(_, text)| CELLS.iter().any(|cell| code(text).contains(cell)));
    let rooms: BTreeSet<String> = holders.map(|(path, _)| room(&path)).filter(|room| room != "lab").collect();
    assert_eq!(rooms, MAY_CHANGE.map(str::to_owned).into());
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
