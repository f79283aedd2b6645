//! Files that are no files: who is told to read them says so at once, goes on, and ends when it is told to.

use std::fs;
use std::path::Path;
use std::process::Command;

use backend_health_exporter::lab::tls::Pki;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::process::Process;
use super::scrape::Scrape;
use super::{BINARY, ConfigFile, DEADLINE, Exporter, text};

fn yaml(setting: &str) -> String {
    format!(
        "backend_settings: [{{name: secure, protocol: https, port: 1, {setting}}}]\n\
         backend_pools: [{{name: web, settings: [secure], servers: [127.0.0.1]}}]\n"
    )
}

/// Nobody ever writes to it, so that an open that waits for that never ends.
fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    mkfifo(path, Mode::S_IRWXU).expect("a FIFO can be made");
}

async fn refused(arguments: &[&str]) -> String {
    let ended = Process::spawn(Command::new(BINARY).args(arguments)).ended(DEADLINE).await;
    assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
    ended.stderr
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_at_once_by_key_and_kind() {
    let config = ConfigFile::new("");
    fifo(&config.beside("fifo"));
    fs::create_dir(config.beside("directory")).unwrap();
    let path = text(&config.path);
    for (file, kind) in [("fifo", "a FIFO"), ("directory", "a directory"), ("/dev/zero", "a device")] {
        config.write(&yaml(&format!(
            "trusted_root_certificates: [{file}], certificate_revocation_lists: [{file}], \
             client_certificate: {{certificate: {file}, private_key: {file}}}"
        )));
        let said = refused(&["check", "--config.file", path]).await;
        for key in ["trusted_root_certificates", "certificate_revocation_lists", "certificate", "private_key"] {
            let told = said.lines().any(|line| line.contains(key) && line.contains(kind));
            assert!(told, "{key}, {kind}: {said}");
        }
        assert!(said.contains(file), "{said}");
    }
    let listen = ["--web.listen-address", "127.0.0.1:0"];
    let fifo = config.beside("fifo");
    let said = refused(&["run", "--config.file", text(&fifo), listen[0], listen[1]]).await;
    assert!(said.contains("fifo: cannot read the configuration: it is not a regular file but a FIFO"), "{said}");
    config.write(&yaml("validate_sni: true"));
    let said = refused(&["run", "--config.file", path, "--web.config.file", text(&fifo), listen[0], listen[1]]).await;
    assert!(said.contains("it is not a regular file but a FIFO"), "{said}");
}

#[tokio::test]
async fn a_file_that_becomes_a_fifo_stops_neither_reloads_nor_answers_nor_the_end() {
    let config = ConfigFile::new("");
    config.write_beside("root.pem", Pki::new().unwrap().root.pem());
    config.write(&yaml("trusted_root_certificates: [root.pem]"));
    let mut exporter = Exporter::run(&config.path).await;
    fifo(&config.beside("root.pem"));
    let is_told =
        |scrape: &Scrape| scrape.value("backend_health_exporter_config_last_reload_successful", &[]).to_string() == "0";
    exporter.scrape_until("the watcher sees the FIFO", is_told).await;
    for changed in ["root.pem", "backend_health.yml"] {
        fifo(&config.beside(changed));
        let reply = exporter.reload().await;
        assert!(reply.status == 500 && reply.body.contains(changed) && reply.body.contains("a FIFO"), "{reply:?}");
        assert_eq!(exporter.get("/-/healthy").await.status, 200);
    }
    exporter.process.signal(Signal::SIGTERM);
    assert!(exporter.process.ended(DEADLINE).await.status.success());
}
