//! The dashboards are what Grafana's own types say: `tests/dashboards/grafana.ts` puts these together, TypeScript checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// What Grafana would not understand, each in its own way.
fn spoiled() -> Vec<(&'static str, Value)> {
    vec![
        ("/schemaVersion", json!("36")),
        ("/graphTooltip", json!(7)),
        ("/links/0/type", json!("dashboard")),
        ("/templating/list/0/type", json!("data source")),
        ("/templating/list/1/refresh", json!(9)),
        ("/templating/list/1/hidden", json!(true)),
        ("/panels/0/type", json!("singlestat")),
        ("/panels/0/gridPos/w", json!("4")),
        ("/panels/0/options/colorMode", json!("loud")),
        ("/panels/0/options/showHeader", json!(true)),
        ("/panels/0/targets/0/format", json!("matrix")),
        ("/panels/0/fieldConfig/defaults/thresholds/mode", json!("relative")),
        ("/panels/0/fieldConfig/defaults/colour", json!("red")),
        ("/panels/6/options/cellHeight", json!("tiny")),
        ("/panels/6/options/footer", json!({"show": false, "reducer": ["sum"]})),
        ("/panels/6/transformations/0/id", json!("organise")),
        ("/panels/6/fieldConfig/defaults/custom/cellOptions/type", json!("loud")),
        ("/panels/6/fieldConfig/overrides/0/properties/2/id", json!("custom.colour")),
        ("/panels/6/fieldConfig/overrides/0/properties/2/value", json!("wide")),
    ]
}

#[test]
fn the_dashboards_are_of_grafanas_types() {
    let directory = workplace();
    for file in fs::read_dir(&directory).expect("the directory is there").map(|file| file.expect("a file").path()) {
        if file.extension().is_some_and(|extension| extension == "ts") {
            fs::remove_file(file).expect("an old file can go");
        }
    }
    copy("grafana.ts", &directory);
    for dashboard in super::all() {
        write(&directory, dashboard.uid, &dashboard.json());
    }
    for (number, (place, value)) in spoiled().into_iter().enumerate() {
        let mut dashboard = super::overview::dashboard().json();
        let (parent, key) = place.rsplit_once('/').expect("a place in it");
        let parent = dashboard.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
        match parent {
            Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
            other => other[key] = value,
        }
        write(&directory, &format!("spoiled-{number:02}"), &dashboard);
    }

    let output = Command::new("node")
        .args(["node_modules/typescript/bin/tsc", "--pretty", "false"])
        .current_dir(&directory)
        .output()
        .expect("node is there: ./tests/run installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    // `FILE.ts(LINE,COLUMN): error TS…`; further lines of one error are indented.
    let errors = said.lines().filter(|line| !line.starts_with(' '));
    let wrong: BTreeSet<&str> = errors.map(|line| line.split(".ts(").next().expect("a file")).collect();
    let expected: Vec<String> = (0..spoiled().len()).map(|number| format!("spoiled-{number:02}")).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let missed: Vec<_> = expected.difference(&wrong).collect();
    let good = said.lines().filter(|line| !line.starts_with("spoiled-")).take(40).collect::<Vec<_>>().join("\n");
    assert!(wrong == expected, "not noticed: {missed:?}\n{}\n{good}", String::from_utf8_lossy(&output.stderr));
}

/// A directory with Grafana's types and TypeScript, as the lock file has them. They are fetched once.
fn workplace() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboards");
    fs::create_dir_all(&directory).expect("the directory can be made");
    let lock = fs::read(source().join("package-lock.json")).expect("the lock file is there");
    let fetched = directory.join("fetched.json");
    if fs::read(&fetched).is_ok_and(|fetched| fetched == lock) {
        copy("tsconfig.json", &directory);
        return directory;
    }
    for file in ["package.json", "package-lock.json", "tsconfig.json"] {
        copy(file, &directory);
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&directory);
    let output = npm.output().expect("npm is there: ./tests/run installs it");
    assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(fetched, lock).expect("the mark can be written");
    directory
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboards")
}

fn copy(file: &str, to: &Path) {
    fs::copy(source().join(file), to.join(file)).expect("the file can be copied");
}

fn write(directory: &Path, name: &str, dashboard: &Value) {
    let text =
        format!("import type {{ Dashboard }} from './grafana';\n({dashboard:#}) satisfies Dashboard;\nexport {{}};\n");
    fs::write(directory.join(format!("{name}.ts")), text).expect("the file can be written");
}
