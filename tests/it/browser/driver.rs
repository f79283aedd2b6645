//! One Chromium behind one chromedriver, asked in the words of the W3C's web driver: JSON over HTTP, as far as the tests need it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reqwest::{Client, Method};
use rustls::RootCertStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::exporter::http_client;

/// A browser with a profile of its own, empty at first. Dropping it ends both processes.
pub(super) struct Driver {
    process: Child,
    port: u16,
    session: String,
    client: Client,
    // Dropped last: the browser writes into it as long as it runs.
    profile: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Driver {
    pub(super) async fn start() -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let profile = tempfile::tempdir().unwrap();
        let client = http_client(RootCertStore::empty()).build().unwrap();
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            // A group of its own, so that nothing of it outlives the test.
            .process_group(0)
            .env("TMPDIR", profile.path())
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver runs (Debian: chromium-driver)");
        let said = process.stdout.take().unwrap();
        // From here on whatever ends this early ends the process, too.
        let mut driver = Self { process, port: 0, session: String::new(), client, profile, _turn: turn };
        driver.port = tokio::task::spawn_blocking(|| port(BufReader::new(said))).await.unwrap();
        let answer = driver.ask(Method::POST, "session", capabilities(driver.profile())).await;
        answer["sessionId"].as_str().expect("a session has an id").clone_into(&mut driver.session);
        driver
    }

    pub(super) fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// A command of the session; what it answers.
    pub(super) async fn post(&self, command: &str, body: Value) -> Value {
        self.ask(Method::POST, &format!("session/{}/{command}", self.session), body).await
    }

    pub(super) async fn get(&self, command: &str) -> Value {
        self.ask(Method::GET, &format!("session/{}/{command}", self.session), Value::Null).await
    }

    /// A command of Chromium's own protocol.
    pub(super) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, format!("http://127.0.0.1:{}/{path}", self.port));
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let status = response.status();
        let mut answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {}: {}", answer["value"]["error"], answer["value"]["message"]);
        answer["value"].take()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Ends the browser; a browser that hangs is ended with its group below.
        let _ = self.farewell();
        // It may have ended by itself, which is as well.
        let _ = killpg(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

impl Driver {
    /// Without the runtime, which cannot be waited for here.
    fn farewell(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(FAREWELL))?;
        let (session, port) = (&self.session, self.port);
        write!(stream, "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 1];
        stream.read_exact(&mut answer)
    }
}

/// The port that chromedriver says it listens on.
fn port(mut said: impl BufRead + Send + 'static) -> u16 {
    let mut lines = String::new();
    let mut line = String::new();
    while said.read_line(&mut line).is_ok_and(|length| length > 0) {
        if let Some((_, after)) = line.split_once("started successfully on port ") {
            let port = after.trim().trim_end_matches('.').parse().expect("a port is a number");
            // Whatever else it says is read, so that it never waits for us.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return port;
        }
        lines.push_str(&std::mem::take(&mut line));
    }
    panic!("chromedriver ended: {lines}");
}

fn capabilities(profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.join("profile").display());
    let arguments: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "pageLoadStrategy": "normal",
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "script": DEADLINE.as_millis(), "pageLoad": DEADLINE.as_millis() },
    }}})
}

/// Nothing that asks the network by itself, and nothing that needs a screen.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--lang=en-US",
];

/// Browsers at once: each takes a core while a page loads.
static TURNS: Semaphore = Semaphore::const_new(2);

/// What has not come true by then never will, however busy the machine is.
pub(super) const DEADLINE: Duration = Duration::from_mins(1);

/// For the browser to end in order.
const FAREWELL: Duration = Duration::from_secs(5);
