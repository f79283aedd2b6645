//! What the deep check finds out about OpenSSL's servers: versions, suites, names, protocols, client certificates.

use std::fmt::Write;
use std::time::Duration;

use backend_health_exporter::lab::tls::Profile;
use backend_health_exporter::target::Target;
use backend_health_exporter::troubleshoot::{Examination, Question};
use backend_health_exporter::view::check::{Check, text};
use backend_health_exporter::view::text::Colour;

use super::files::{Files, and};
use super::server::Server;
use crate::faults::{HOST, Probe, prober};
use crate::troubleshoot::examine;

/// The report about a server with these arguments, its columns drawn together.
async fn examined(files: &Files, arguments: Vec<String>) -> (Examination, String) {
    let server = Server::start(&arguments).await;
    let probe = Probe::https(&files.secure.trust).of(server.address());
    let target = Target {
        pool: "pool".into(),
        setting: "setting".into(),
        ..Target::single(server.address().ip().to_string().into(), probe)
    };
    let question = Question { target, tls_if_spoken: None, tries: 2, timeout: Duration::from_mins(2) };
    let examination = Box::pin(examine(&prober(), &question)).await;
    let text = text(&Check::of(&examination, None), Colour::None, None);
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    (examination, lines.join("\n"))
}

/// A server with these arguments, and the lines that must and must not be said of it.
struct Row {
    arguments: Vec<String>,
    said: &'static [&'static str],
    unsaid: &'static [&'static str],
    cause: Option<&'static str>,
}

#[tokio::test]
async fn versions_suites_names_and_client_certificates_are_found_out() {
    let files = Files::new();
    let usual = files.usual();
    let rsa = files.with_key("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let root = files.path("root.pem");
    let second = files.secure.pki.intermediate.issue(&Profile::server("other.lab.test")).unwrap();
    let (other, other_key) = (files.write("2.pem", &second.pem()), files.write("2.key", &second.key_pem()));
    let row = |arguments: Vec<String>, said, unsaid, cause| Row { arguments, said, unsaid, cause };
    let rows = [
        row(
            and(&rsa, "-tls1 -cipher AES128-SHA:ECDHE-RSA-AES256-SHA:@SECLEVEL=0"),
            &[
                "! TLS 1.0 accepted TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA\nTLS_RSA_WITH_AES_128_CBC_SHA\nTLS 1.1 refused",
                "TLS 1.2 refused: it chooses TLS 1.0",
                "TLS 1.3 refused with the alert protocol_version (70)",
                "offered every version, it chose TLS 1.0",
                "] CN=Lab Root CA,O=Lab (trusted here; need not be sent)",
            ],
            &["still accepts"],
            Some("tls_version_mismatch"),
        ),
        row(
            and(&rsa, "-tls1_1 -cipher AES128-SHA:@SECLEVEL=0"),
            &["TLS 1.0 refused", "! TLS 1.1 accepted TLS_RSA_WITH_AES_128_CBC_SHA\nTLS 1.2 refused"],
            &[],
            Some("tls_version_mismatch"),
        ),
        row(
            and(&rsa, "-cipher ALL:@SECLEVEL=0"),
            &["! TLS 1.0 accepted", "✓ TLS 1.2 accepted", "✓ TLS 1.3 accepted", "it still accepts TLS 1.0 and TLS 1.1"],
            &[],
            None,
        ),
        row(
            and(&usual, "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"),
            &[
                "✓ TLS 1.2 accepted TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\nTLS 1.3 refused",
                "handshake without a client certificate, whatever the server's certificate: completed",
                "client certificate: not asked for",
                "it chooses none",
            ],
            &[],
            None,
        ),
        row(
            and(&usual, "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -alpn h2"),
            &[
                "TLS 1.2 refused",
                "✓ TLS 1.3 accepted TLS_CHACHA20_POLY1305_SHA256\n",
                "offered h2 and http/1.1, it chooses h2",
            ],
            &["TLS_AES_128_GCM_SHA256"],
            Some("tls_alert"),
        ),
        row(
            and(&usual, &format!("-Verify 1 -CAfile {root}")),
            &["! client certificate: asked for, from one of these CAs:\nCN=Lab Root CA,O=Lab"],
            &[],
            Some("tls_client_certificate_required"),
        ),
        row(
            and(&usual, &format!("-cert2 {other} -key2 {other_key} -servername {HOST}")),
            &["server name (SNI): needed: without it another certificate comes"],
            &[],
            Some("cert_name_mismatch"),
        ),
        row(and(&usual, ""), &["server name (SNI): not needed"], &[], None),
    ];
    let mut wrong = String::new();
    for Row { arguments, said, unsaid, cause } in rows {
        let shown = arguments[7.min(arguments.len())..].join(" ");
        let (examination, text) = examined(&files, arguments).await;
        let found = examination.verdict.cause.as_ref().map(|cause| cause.code.code());
        let missing: Vec<_> = said.iter().filter(|words| !text.contains(*words)).collect();
        let surplus: Vec<_> = unsaid.iter().filter(|words| text.contains(*words)).collect();
        // The second server's certificate lacks an intermediate or has another name: either is a cause.
        if found != cause && cause != Some("cert_name_mismatch") || !missing.is_empty() || !surplus.is_empty() {
            writeln!(wrong, "{shown}: {found:?}, not {cause:?}; without {missing:?}, with {surplus:?}\n{text}")
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
