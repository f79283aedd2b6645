//! What stands in `config/prometheus`: that Prometheus' and Alertmanager's own tools take it, that every rule is tested and
//! would be missed, that it speaks of nothing that the exporter does not have, and that the documentation keeps up.

mod names;
mod promql;
mod notifications;
mod routes;
mod rules;
mod units;
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) use self::rules::alert_names;

/// What a tool said, and whether it was content.
struct Said {
    content: bool,
    text: String,
}

/// Runs one of the tools in `directory`.
fn run(program: &str, arguments: &[&str], directory: &Path) -> Said {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap_or_else(|error| {
        panic!("{program}: {error}; ./tests/run installs Debian's packages `prometheus` and `prometheus-alertmanager`")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Said { content: output.status.success(), text }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus")
}

fn text_of(name: &str) -> String {
    let path = directory().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml_of(name: &str) -> Value {
    parse(&text_of(name))
}

fn parse(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
}
