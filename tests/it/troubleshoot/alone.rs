//! `troubleshoot` of a target that stands in no configuration: what the flags ask for, and how it looks on a terminal.

use std::process::{Command, Stdio};

use backend_health_exporter::lab::tls::{Chain, ClientAuthentication, Credential, Pki, Profile, ServerTls, Terms};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::command::{BINARY, outcome, stderr, stdout};
use crate::faults::LOCALHOST;
use crate::terminal::{Terminal, plain};

/// Files that flags name.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new(pki: &Pki) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Self { directory };
        let client = pki.root.issue(&Profile::client("somebody")).unwrap();
        let other = Credential::self_signed(&Profile::client("other")).unwrap();
        files.write("root.pem", &pki.root.pem());
        files.write("strange.pem", &pki.strange_root.pem());
        files.write("client.pem", &client.pem());
        files.write("client.key", &client.key_pem());
        files.write("other.key", &other.key_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn flags_say_whose_certificate_is_trusted_which_name_is_asked_for_and_what_is_shown() {
    let pki = Pki::new().unwrap();
    let files = Files::new(&pki);
    let identity = pki.identity(Chain::Good, "app.lab.test").unwrap();
    let usual = ServerTls::new(&identity).unwrap();
    let usual = Backend::start(LOCALHOST, Service::tls(&usual, http::ok())).unwrap();
    let client = ClientAuthentication::Required(pki.root.der());
    let mutual = ServerTls::with(&identity, Terms { client, ..Terms::default() }).unwrap();
    let mutual = Backend::start(LOCALHOST, Service::tls(&mutual, http::ok())).unwrap();
    let (usual_url, mutual_url) = (format!("https://{}", usual.address()), format!("https://{}", mutual.address()));
    let [root, strange, pem, key] =
        ["root.pem", "strange.pem", "client.pem", "client.key"].map(|name| files.path(name));
    let (root, strange, pem, key) = (root.as_str(), strange.as_str(), pem.as_str(), key.as_str());
    let pair = ["--client-certificate", pem, "--client-key", key];
    // (target, flags, exit code, what is said)
    let cases: [(&str, &[&str], i32, &str); 9] = [
        (&usual_url, &["--ca", root, "--host", "app.lab.test"], 0, "| Host: app.lab.test"),
        (&usual_url, &["--ca", root, "--sni", "app.lab.test"], 0, "certificate for app.lab.test"),
        (&usual_url, &["--ca", root], 1, "(cert_name_mismatch)"),
        (&usual_url, &["--ca", strange, "--sni", "app.lab.test"], 1, "(cert_issuer_mismatch)"),
        (&usual_url, &["--sni", "app.lab.test"], 1, "the flag --ca"),
        (&usual_url, &["--insecure"], 0, "warning: "),
        (&usual.address().to_string(), &["--ca", root, "--host", "app.lab.test"], 0, "✓ Healthy"),
        (&mutual_url, &["--ca", root, "--host", "app.lab.test"], 1, "(tls_client_certificate_required)"),
        (&mutual_url, &[&["--ca", root, "--host", "app.lab.test"] as &[_], &pair].concat(), 0, "✓ Healthy"),
    ];
    for (target, flags, code, words) in cases {
        let ended = outcome(&[&[target] as &[_], flags].concat()).await;
        let out = stdout(&ended).replace('`', "");
        assert_eq!((ended.status.code(), stderr(&ended)), (Some(code), ""), "{flags:?}\n{out}");
        assert!(out.contains(words), "{flags:?} without {words:?}\n{out}");
        let steps = out.split("To do").nth(1).and_then(|rest| rest.split("More ").next()).unwrap_or_default();
        assert!(!steps.contains("backend setting") && !steps.contains("pool"), "there is no configuration:\n{steps}");
    }
    assert!(usual.requests().iter().any(|request| request.windows(18).any(|part| part == b"Host: app.lab.test")));
}

#[tokio::test]
async fn a_flag_that_does_not_fit_is_said_with_what_would_be_right() {
    let pki = Pki::new().unwrap();
    let files = Files::new(&pki);
    let [root, pem, other] = ["root.pem", "client.pem", "other.key"].map(|name| files.path(name));
    let (root, pem, other) = (root.as_str(), pem.as_str(), other.as_str());
    let missing = files.path("missing.pem");
    let cases: [(&[&str], &str); 9] = [
        (&["https://127.0.0.1:1", "--ca", &missing], "there is no such file"),
        (&["https://127.0.0.1:1", "--ca", other], "--ca: "),
        (&["https://127.0.0.1:1", "--client-certificate", pem], "--client-key"),
        (&["https://127.0.0.1:1", "--client-key", other], "--client-certificate"),
        (&["https://127.0.0.1:1", "--client-certificate", pem, "--client-key", other], "--client-key: "),
        (&["http://127.0.0.1:1", "--ca", root], "--ca is for TLS, and a http target has none"),
        (&["tcp://127.0.0.1:1", "--host", "a.test"], "--host is for HTTP and TLS"),
        (&["https://127.0.0.1:1", "--sni", "a b"], "--sni: "),
        (&["127.0.0.1", "--config.file", root, "--insecure"], "cannot be used with"),
    ];
    for (arguments, words) in cases {
        let ended = outcome(arguments).await;
        assert_eq!((ended.status.code(), stdout(&ended)), (Some(2), ""), "{arguments:?}");
        assert!(stderr(&ended).contains(words), "{arguments:?} without {words:?}:\n{}", stderr(&ended));
    }
}

/// What it writes to a terminal of this width.
async fn on_a_terminal(target: &str, columns: u16) -> String {
    let terminal = Terminal::new(columns, 24);
    let mut command = Command::new(BINARY);
    command.args(["troubleshoot", target]).env("TERM", "xterm").env_remove("NO_COLOR");
    command.stdin(Stdio::null()).stdout(terminal.end()).stderr(Stdio::null());
    spawn_blocking(move || command.status().expect("it runs")).await.unwrap();
    terminal.shows("More").await;
    plain(&terminal.written())
}

#[tokio::test]
async fn lines_are_broken_between_words_where_the_terminal_ends() {
    let identity = Pki::new().unwrap().identity(Chain::IntermediateMissing, "app.lab.test").unwrap();
    let tls = ServerTls::new(&identity).unwrap();
    let secure = Backend::start(LOCALHOST, Service::tls(&tls, http::ok())).unwrap();
    let refused = Backend::start(LOCALHOST, Behaviour::Refused).unwrap();
    for target in [format!("https://{}", secure.address()), refused.address().to_string()] {
        for columns in [80, 120] {
            let text = on_a_terminal(&target, columns).await;
            for line in text.lines() {
                let is_command = line.trim_start().starts_with("See it");
                let is_one_word = line.trim_start_matches([' ', '✗', '!', '✓', '|']).split_whitespace().count() <= 2;
                let fits = line.chars().count() <= columns.into();
                assert!(fits || is_command || is_one_word, "{columns} columns: {line:?}\n{text}");
            }
            assert!(text.contains("Verdict\n") && text.contains("Who acts"), "{text}");
        }
    }
}
