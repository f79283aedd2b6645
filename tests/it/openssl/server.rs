//! `openssl s_server` as a child process, and what `openssl s_client` sees of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use backend_health_exporter::probe::VerifiedName;
use backend_health_exporter::verdict::PresentedCertificate;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A server that answers HTTP requests with a page about the connection. Dropping it ends it.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it on a free port and waits until it listens. It serves one connection after the other.
    pub(super) async fn start(arguments: &[String]) -> Self {
        let mut command = openssl();
        command.args(["s_server", "-accept", "127.41.0.1:0", "-www"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("openssl is installed");
        let stdout = child.stdout.take().expect("it has been asked for");
        let mut stderr = child.stderr.take().expect("it has been asked for");
        let (said, listening) = oneshot::channel();
        std::thread::spawn(move || listen_for_address(stdout, said));
        // What it complains of, alerts received for example, must not fill the pipe.
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        match timeout(PATIENCE, listening).await {
            Ok(Ok(address)) => Self { child, address },
            outcome => {
                let _ = child.kill();
                let _ = child.wait();
                let complaints = complaints.join().unwrap_or_default();
                panic!("{command:?} does not listen: {outcome:?}\n{complaints}");
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificates in the order in which `s_client -showcerts` prints them.
    pub(super) async fn chain_shown_to_client(&self, name: Option<VerifiedName>, further: Vec<String>) -> Vec<Shown> {
        let address = self.address.to_string();
        let shown = spawn_blocking(move || {
            let mut command = openssl();
            // Nothing that a server may want is refused.
            command.args(["s_client", "-showcerts", "-connect", &address, "-cipher", "ALL:eNULL:@SECLEVEL=0"]);
            command.args(["-groups", "X25519:P-256:P-384:P-521:X448:secp256k1:brainpoolP256r1:ffdhe2048"]);
            match name {
                Some(VerifiedName::Dns(name)) => command.args(["-servername", &*name]),
                Some(VerifiedName::Ip(_)) | None => command.arg("-noservername"),
            };
            let output = command.args(further).output().expect("openssl is installed");
            certificates(&String::from_utf8_lossy(&output.stdout)).iter().map(|pem| Shown::of_pem(pem)).collect()
        });
        shown.await.expect("it does not panic")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the address when it comes, and reads on so that the server never waits for a reader.
fn listen_for_address(stdout: ChildStdout, said: oneshot::Sender<SocketAddr>) {
    let mut said = Some(said);
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix("ACCEPT ").and_then(|address| address.trim().parse().ok())
            && let Some(said) = said.take()
        {
            let _ = said.send(address);
        }
    }
}

/// A certificate as independent eyes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) serial: String,
    pub(super) fingerprint_sha256: String,
}

impl Shown {
    /// As it stands in a verdict.
    pub(super) fn of(certificate: &PresentedCertificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            serial: certificate.serial.clone(),
            fingerprint_sha256: certificate.fingerprint_sha256.clone(),
        }
    }

    fn of_pem(pem: &str) -> Self {
        let mut command = openssl();
        command.args(["x509", "-noout", "-subject", "-issuer", "-nameopt", "RFC2253"]);
        let printed = run(command.args(["-serial", "-fingerprint", "-sha256"]), pem.as_bytes());
        let value = |key: &str| {
            let line = printed.lines().find(|line| line.to_ascii_lowercase().starts_with(key));
            let line = line.unwrap_or_else(|| panic!("no {key} in {printed}"));
            line.split_once('=').expect("a key and its value").1.to_owned()
        };
        let fingerprint = value("sha256 fingerprint").replace(':', "").to_ascii_lowercase();
        let serial = value("serial").to_ascii_lowercase();
        Self { subject: value("subject"), issuer: value("issuer"), serial, fingerprint_sha256: fingerprint }
    }
}

/// The PEM blocks in a text.
fn certificates(text: &str) -> Vec<String> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some((_, from)) = rest.split_once(BEGIN)
        && let Some((body, after)) = from.split_once(END)
    {
        found.push(format!("{BEGIN}{body}{END}\n"));
        rest = after;
    }
    found
}

/// openssl, as it was made and not as this machine's administrator configured it.
pub(super) fn openssl() -> Command {
    let mut command = Command::new("openssl");
    command.env("OPENSSL_CONF", "/dev/null").stdin(Stdio::null());
    command
}

/// Runs it with this on standard input; what it prints.
pub(super) fn run(command: &mut Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl is installed");
    child.stdin.take().expect("it has been asked for").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it can be waited for");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stderr}");
    stdout.into_owned()
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A server that does not listen by then never will, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);
