//! `docs/getting-started.md`: what a newcomer copies from it is accepted by the programs that it is for.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The blocks of this language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/getting-started.md")).unwrap();
    let fence = format!("```{language}\n");
    let after = page.split(&fence).skip(1);
    after.map(|after| after.split_once("```").expect("a block ends").0.to_owned()).collect()
}

#[test]
fn prometheus_takes_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let [scrape, alerting] = &blocks("yaml")[..] else { panic!("two blocks of YAML") };
    fs::write(directory.path().join("prometheus.yml"), format!("{scrape}\n{alerting}")).unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus/backend_health.rules.yml");
    fs::copy(rules, directory.path().join("backend_health.rules.yml")).unwrap();
    let file = directory.path().join("prometheus.yml");
    let output = Command::new("promtool").args(["check", "config"]).arg(&file).output().expect("promtool is installed");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_of_ours_is_one() {
    let mut seen = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let Some(arguments) = line.strip_prefix("backend_health_exporter") else { continue };
        let command = arguments.split_whitespace().next().filter(|word| !word.starts_with('-'));
        let mut program = Command::new(env!("CARGO_BIN_EXE_backend_health_exporter"));
        let help = program.args(command).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in arguments.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{line}: {help}");
            seen += 1;
        }
    }
    assert!(seen >= 3);
}
