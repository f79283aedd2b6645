//! The Grafana dashboards of `dashboards/`: their source, and that they are sound. The files there are rendered from the
//! modules [`overview`], [`server`] and [`exporter`] by `BLESS=1 cargo test --test it dashboards`.

// The source.
mod overview;
mod server;
mod exporter;

// What it is written in.
mod model;
mod variables;
mod panel;
mod links;
mod query;

// That it is sound.
mod promql;
mod lint;
mod layout;
mod types;
mod live;

use std::fs;
use std::path::PathBuf;

use self::model::Dashboard;

/// Every dashboard, in the order in which they are read.
fn all() -> [Dashboard; 3] {
    [overview::dashboard(), server::dashboard(), exporter::dashboard()]
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

#[test]
fn the_committed_files_are_those_that_the_source_makes() {
    for dashboard in all() {
        let path = directory().join(dashboard.file_name());
        let rendered = format!("{:#}\n", dashboard.json());
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &rendered).expect("the file can be written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == rendered,
            "{} is not what its source makes: run BLESS=1 cargo test --test it dashboards, and look at the difference",
            path.display()
        );
    }
    let files = fs::read_dir(directory()).expect("the directory is there");
    let paths = files.map(|file| file.expect("it can be read").path());
    let json = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).count();
    assert_eq!(json, all().len(), "a dashboard that nothing makes");
}
