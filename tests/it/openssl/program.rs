//! The program in front of OpenSSL's servers: what monitoring reads of them, and how rarely they are asked anything more.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use backend_health_exporter::lab::tls::{Credential, Profile, Validity};
use backend_health_exporter::probe::VerifiedName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::files::{Files, and};
use super::server::{Server, Shown};
use crate::exporter::scrape::{Scrape, is};
use crate::exporter::{ConfigFile, Exporter};
use crate::faults::HOST;

/// A row of the configuration, and what its metrics must say.
struct Row {
    name: &'static str,
    server: Server,
    /// Cause and side.
    cause: Option<(&'static str, &'static str)>,
    session: Option<(&'static str, &'static str)>,
    /// Roles of the certificates, with the dates of the leaf.
    chain: (&'static [&'static str], Validity),
    /// What the page says.
    words: &'static str,
}

async fn rows(files: &Files) -> Vec<Row> {
    let pki = &files.secure.pki;
    let (now, past) = (Validity::days(-1, 90), Validity::days(-100, -10));
    let root = files.path("root.pem");
    let of = |name: &str, profile: Profile| files.serving_issued(name, &profile);
    let usual = || Profile { validity: now, ..Profile::server(HOST) };
    let by_itself = Credential::self_signed(&usual()).unwrap();
    let stranger = pki.strange_intermediate.issue(&usual()).unwrap();
    let tls12 = Some(("TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    let tls13 = Some(("TLS 1.3", "TLS_AES_256_GCM_SHA384"));
    let two: &[&str] = &["leaf", "intermediate"];
    let table = [
        ("good", and(&of("good", usual()), SUITES), None, tls13, (two, now), ""),
        (
            "expired",
            and(&of("expired", Profile { validity: past, ..usual() }), SUITES),
            Some(("cert_expired", "server")),
            tls13,
            (two, past),
            "ended 10 days ago",
        ),
        (
            "other",
            and(&of("other", Profile { validity: now, ..Profile::server("other.test") }), SUITES_OF_1_2),
            Some(("cert_name_mismatch", "gateway")),
            tls12,
            (two, now),
            "other.test",
        ),
        (
            "itself",
            and(&files.serving("itself", &by_itself, &[]), SUITES_OF_1_2),
            Some(("cert_self_signed", "server")),
            tls12,
            (&["leaf"], now),
            "is self-signed",
        ),
        (
            "stranger",
            and(&files.serving("stranger", &stranger, &[&pki.strange_intermediate, &pki.strange_root]), SUITES),
            Some(("cert_root_mismatch", "gateway")),
            tls13,
            (&["leaf", "intermediate", "root"], now),
            "CN=Strange Root CA",
        ),
        (
            "client",
            and(&of("client", usual()), &format!("{SUITES} -Verify 2 -CAfile {root}")),
            Some(("tls_client_certificate_required", "gateway")),
            tls13,
            (two, now),
            "certificate_required (116)",
        ),
        // Only the extra ClientHello draws the certificates of these.
        (
            "old",
            and(&of("old", usual()), "-tls1 -cipher ALL:@SECLEVEL=0"),
            Some(("tls_version_mismatch", "server")),
            None,
            (two, now),
            "it chose TLS 1.0 with TLS_ECDHE_ECDSA_WITH_AES_",
        ),
        (
            "cbc",
            and(&of("cbc", usual()), "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256"),
            Some(("tls_cipher_mismatch", "server")),
            None,
            (two, now),
            "it chose TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 (TLS 1.2)",
        ),
    ];
    let mut rows = Vec::new();
    for (name, arguments, cause, session, chain, words) in table {
        rows.push(Row { name, server: Server::start(&arguments).await, cause, session, chain, words });
    }
    rows
}

/// Each server under a setting of its own, since a setting has one port.
fn configuration(rows: &[Row], protocol: &str) -> ConfigFile {
    let (mut settings, mut pools) = (String::new(), String::new());
    for Row { name, server, .. } in rows {
        let (address, port) = (server.address().ip(), server.address().port());
        let _ = writeln!(
            settings,
            "  - {{name: {name}, protocol: {protocol}, port: {port}, probe: quick, sni_name: {HOST}, \
             trusted_root_certificates: [root.pem]}}"
        );
        let _ = writeln!(pools, "  - {{name: {name}, settings: [{name}], servers: [{address}]}}");
    }
    ConfigFile::new(&format!(
        "probes: [{{name: quick, protocol: {protocol}, interval: 1s, timeout: 20s, unhealthy_threshold: 1}}]\n\
         backend_settings:\n{settings}backend_pools:\n{pools}"
    ))
}

#[tokio::test]
async fn metrics_name_cause_side_dates_and_session_of_servers_that_fail_to_verify() {
    let files = Files::new();
    let rows = rows(&files).await;
    for protocol in ["https", "tls"] {
        let config = configuration(&rows, protocol);
        config.write_beside("root.pem", std::fs::read(files.path("root.pem")).unwrap());
        let exporter = Exporter::run(&config.path).await;
        let settled = |scrape: &Scrape| {
            rows.iter().all(|row| {
                let state = scrape.state(&[("pool", row.name)]);
                state.as_deref() == Some(if row.cause.is_some() { "unhealthy" } else { "healthy" })
            })
        };
        let scrape = exporter.scrape_until("every row has its state", settled).await;
        let page = exporter.get("/").await.body;
        for row in &rows {
            let context = format!("{} over {protocol}\n{}", row.name, scrape.rows());
            compare(row, &scrape, &context);
            let shown = row.server.chain_shown_to_client(Some(VerifiedName::Dns(HOST.into())), Vec::new()).await;
            leaf_is_described(row, &scrape, &shown[0]);
            assert!(page.contains(&escaped(row.words)), "{context}\nthe page does not say {:?}", row.words);
        }
    }
}

fn compare(row: &Row, scrape: &Scrape, context: &str) {
    let of_row = [("pool", row.name)];
    let causes = scrape.samples("backend_health_cause_info", &of_row);
    let found = causes.first().map(|sample| (sample.label("cause").unwrap(), sample.label("side").unwrap()));
    assert_eq!(found, row.cause, "{context}");
    assert!(causes.iter().all(|sample| sample.label("stage") == Some("tls")), "{context}");

    let errors = scrape.samples("backend_health_tls_errors_total", &of_row);
    let by_cause: Vec<_> =
        errors.iter().filter(|sample| sample.value > 0.0).map(|sample| sample.label("cause")).collect();
    assert_eq!(by_cause, row.cause.iter().map(|(cause, _)| Some(*cause)).collect::<Vec<_>>(), "{context}");

    let sessions = scrape.samples("backend_health_tls_info", &of_row);
    let found: Vec<_> =
        sessions.iter().map(|sample| (sample.label("version").unwrap(), sample.label("cipher").unwrap())).collect();
    assert_eq!(found, row.session.iter().copied().collect::<Vec<_>>(), "{context}");

    let (roles, validity) = row.chain;
    for (metric, moment) in [
        ("backend_health_certificate_not_after_timestamp_seconds", validity.until),
        ("backend_health_certificate_not_before_timestamp_seconds", validity.from),
    ] {
        let samples = scrape.samples(metric, &of_row);
        let found: Vec<_> = samples.iter().map(|sample| (sample.label("position"), sample.label("role"))).collect();
        let positions = ["0", "1", "2"].into_iter().map(Some);
        let wanted: Vec<_> = positions.zip(roles.iter().copied().map(Some)).collect();
        assert_eq!(found, wanted, "{metric} {context}");
        let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(samples[0].value.to_string(), seconds.to_string(), "{metric} {context}");
    }
}

/// `backend_health_certificate_info` is about the leaf that `s_client` shows.
fn leaf_is_described(row: &Row, scrape: &Scrape, shown: &Shown) {
    let samples = scrape.samples("backend_health_certificate_info", &[("pool", row.name)]);
    let [sample] = samples.as_slice() else { panic!("{}: {samples:?}", row.name) };
    let label = |key| sample.label(key).unwrap_or_else(|| panic!("no {key} in {sample:?}")).to_owned();
    let found = Shown {
        subject: label("subject"),
        issuer: label("issuer"),
        serial: label("serial"),
        fingerprint_sha256: label("fingerprint_sha256"),
    };
    assert_eq!((&found, sample.value.to_string().as_str()), (shown, "1"), "{}", row.name);
}

/// As text stands in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A server of old that cannot say so: to whom offers TLS 1.2 and above it answers with an alert that explains nothing,
/// to whom offers TLS 1.0, too, with a ServerHello of that version.
struct Speechless {
    port: u16,
    /// How many offered no less than TLS 1.2, and how many less.
    asked: Arc<[AtomicU64; 2]>,
}

impl Speechless {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let counts = asked.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let counts = counts.clone();
                // Who goes away early is not counted.
                tokio::spawn(async move { answer(connection, &counts).await.ok() });
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> [u64; 2] {
        [0, 1].map(|which| self.asked[which].load(Ordering::SeqCst))
    }
}

async fn answer(mut connection: TcpStream, counts: &[AtomicU64; 2]) -> std::io::Result<()> {
    let mut head = [0; 5];
    connection.read_exact(&mut head).await?;
    let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    connection.read_exact(&mut hello).await?;
    // The extension supported_versions, with TLS 1.3 down to 1.0.
    let offers_tls10 = hello.windows(13).any(|bytes| bytes == [0, 43, 0, 9, 8, 3, 4, 3, 3, 3, 2, 3, 1]);
    counts[usize::from(offers_tls10)].fetch_add(1, Ordering::SeqCst);
    if offers_tls10 {
        // ServerHello: TLS 1.0, a random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression; ServerHelloDone.
        let mut flight = vec![22, 3, 1, 0, 46, 2, 0, 0, 38, 3, 1];
        flight.extend([7; 32]);
        flight.extend([0, 0, 0x2f, 0, 14, 0, 0, 0]);
        connection.write_all(&flight).await?;
    } else {
        connection.write_all(&[21, 3, 1, 0, 2, 2, HANDSHAKE_FAILURE]).await?;
    }
    connection.shutdown().await?;
    while connection.read(&mut head).await? > 0 {}
    Ok(())
}

#[tokio::test]
async fn an_alert_that_explains_nothing_is_explained_with_one_more_hello_in_ten_minutes() {
    let server = Speechless::start().await;
    let config = ConfigFile::new(&format!(
        "probes: [{{name: quick, protocol: tls, interval: 100ms, timeout: 20s, unhealthy_threshold: 1}}]\n\
         backend_settings: [{{name: tls, protocol: tls, port: {}, probe: quick, sni_name: {HOST}}}]\n\
         backend_pools: [{{name: web, settings: [tls], servers: [127.0.0.1]}}]\n",
        server.port
    ));
    let exporter = Exporter::run(&config.path).await;
    let probes = |scrape: &Scrape| scrape.value("backend_health_probes_total", &[]);
    let first = exporter.scrape_until("a probe has ended", |scrape| probes(scrape) >= 1.0).await;
    assert_eq!(first.cause(&[]).as_deref(), Some("tls_version_mismatch"), "{}", first.rows());
    let later = exporter.scrape_until("25 more have", |scrape| probes(scrape) >= 26.0).await;
    assert_eq!(later.cause(&[]).as_deref(), Some("tls_version_mismatch"), "{}", later.rows());
    // The finding holds for every probe since.
    let explained = later.value("backend_health_tls_errors_total", &[("cause", "tls_version_mismatch")]);
    assert!(is(explained, probes(&later)), "{}", later.text());
    // A reload that changes nothing about the row is no reason to ask again.
    assert_eq!(exporter.reload().await.status, 200);
    exporter.scrape_until("some more have", |scrape| probes(scrape) >= probes(&later) + 5.0).await;
    let [usual, further] = server.asked();
    assert_eq!(further, 1, "beside {usual} usual ones");
    assert!(usual >= 30, "{usual}");
    let page = exporter.get("/").await.body;
    assert!(page.contains("it chose TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA"), "{page}");
}

const HANDSHAKE_FAILURE: u8 = 40;

const SUITES: &str = "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384";
const SUITES_OF_1_2: &str = "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256";
