//! The very lines that `docs/azure.md` shows: Azure's own SDK for Python reads both calls, and so does curl.

use std::path::{Path, PathBuf};
use std::process::Command;

use backend_health_exporter::lab::script::Script;
use backend_health_exporter::lab::{Backend, http};

use super::{GATEWAY, config_of, with_tls};
use crate::exporter::process::Process;
use crate::exporter::{DEADLINE, Exporter, text};

/// The Python of the environment that `./tests/run` makes.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv/bin/python");
    assert!(
        python.exists(),
        "Azure's SDK is missing; ./tests/run installs it, or by hand:\n  \
         python3 -m venv target/venv && target/venv/bin/pip install -r tests/requirements.txt"
    );
    python
}

/// The blocks of code in the documentation.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/azure.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(str::to_owned).collect()
}

/// The blocks of Python, with what a user would fill in.
fn documented(exporter: &str, ca_file: &str) -> [String; 2] {
    let blocks: Vec<String> = blocks("python")
        .iter()
        .map(|block| {
            block
                .replace("https://probes.example.com:19115", exporter)
                .replace("/etc/ssl/certs/ca-certificates.crt", ca_file)
        })
        .collect();
    blocks.try_into().expect("there are two examples")
}

/// What it prints, as fields of lines.
async fn run(directory: &Path, program: &str) -> Vec<Vec<String>> {
    let file = directory.join("example.py");
    std::fs::write(&file, program).unwrap();
    let mut command = Command::new(python());
    // Nothing of the machine's own ways out may come between.
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(variable);
    }
    let ended = Process::spawn(command.arg(&file)).ended(DEADLINE).await;
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
    ended.stdout.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn backend(script: Script) -> Backend {
    Backend::start([127, 0, 0, 1].into(), script).expect("a backend starts")
}

#[tokio::test]
async fn the_documented_lines_read_the_report_and_probe_on_demand() {
    let backend = backend(http::status(404, "nothing here"));
    let config = config_of(&backend, "");
    let (_root, web) = with_tls(&config);
    let exporter = Exporter::start(&[
        "--config.file",
        text(&config.path),
        "--web.config.file",
        text(&web),
        "--web.on-demand",
        "full",
    ])
    .await;
    let [example, _] = documented(&format!("https://localhost:{}", exporter.port()), text(&config.beside("root.pem")));
    // The report may be asked for before the first probe has ended.
    let lines = run(config.path.parent().unwrap(), &example).await;
    let [report, now] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&*report[0], &*report[1]), ("report", "127.0.0.1"));
    assert!(["Unknown", "Unhealthy"].contains(&&*report[2]) && !report[3].is_empty(), "{report:?}");
    assert_eq!((&*now[0], &*now[1], &*now[2]), ("now", "127.0.0.1", "Unhealthy"));
    assert!(now[3].contains("expected status 200, received 404"), "{now:?}");
    let heard = backend.requests().iter().any(|request| request.starts_with(b"GET /healthz "));
    assert!(heard, "the path of the example was asked for");
}

#[tokio::test]
async fn the_documented_login_works_without_tls() {
    let backend = backend(http::ok());
    let config = config_of(&backend, "");
    let hash = bcrypt::hash("change-me", 4).unwrap();
    let web = config.write_beside("web.yml", format!("basic_auth_users: {{admin: '{hash}'}}\n"));
    let exporter = Exporter::start(&[
        "--config.file",
        text(&config.path),
        "--web.config.file",
        text(&web),
        "--web.on-demand",
        "full",
    ])
    .await;
    let [example, login] = documented(&format!("http://127.0.0.1:{}", exporter.port()), "");
    let (before, after) = example.split_once("client = ").expect("the example makes a client");
    let (_, after) = after.split_once('\n').unwrap();
    let lines = run(config.path.parent().unwrap(), &format!("{before}\n{login}\n{after}")).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1][..3], ["now", "127.0.0.1", "Healthy"]);
}

#[tokio::test]
async fn the_documented_curl_probes_on_demand() {
    let backend = backend(http::ok());
    let config = config_of(&backend, "");
    let exporter = Exporter::start(&["--config.file", text(&config.path)]).await;
    let shell = blocks("sh");
    let [_, curl] = shell.as_slice() else { panic!("there are two examples: {shell:?}") };
    let program = format!("set -eu\nexporter=http://127.0.0.1:{}\ngateway={GATEWAY}\n{curl}", exporter.port());
    let mut command = Command::new("sh");
    command.args(["-c", &program]).current_dir(config.path.parent().unwrap()).env("NO_PROXY", "*");
    let ended = Process::spawn(&mut command).ended(DEADLINE).await;
    assert!(ended.status.success(), "{ended:?}");
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(answer["backendHealthHttpSettings"]["servers"][0]["health"], "Healthy", "{answer}");
}
