//! What is marked as in order held to the end, whatever came later; and whatever is wrong with certificates, they are shown.

use std::net::IpAddr;
use std::sync::Arc;

use backend_health_exporter::lab::script::{Mark as Until, Script, Step};
use backend_health_exporter::lab::tls::{Chain, ClientAuthentication, ServerTls, Terms, Versions};
use backend_health_exporter::lab::{Backend, Service, http, tcp};
use backend_health_exporter::target::Target;
use backend_health_exporter::troubleshoot::{Examination, Question};
use backend_health_exporter::verdict::{Cause, Stage};
use backend_health_exporter::view::check::{Check, Form, Mark, text};
use backend_health_exporter::view::text::Colour;

use super::examine;
use crate::faults::{self, HOST, PLENTY, Probe, Secure};

/// No section and no line of a section is marked as good that the cause speaks against.
pub(crate) fn assert_no_contradiction(examination: &Examination) {
    let check = Check::of(examination, None);
    let text = text(&check, Colour::None, None);
    let Some(cause) = &examination.verdict.cause else { return };
    let stages: Vec<Stage> =
        std::iter::once(cause).chain(&examination.verdict.also).map(|finding| finding.code.stage()).collect();
    for section in &check.sections {
        let stage = Stage::ALL.iter().find(|stage| stage.as_str() == section.id);
        let is_wrong = stage.is_some_and(|stage| stages.contains(stage));
        assert!(!(is_wrong && section.mark == Mark::Good), "{}: {text}", section.id);
        // Nothing that follows the failure can have gone well.
        let place = |stage| Stage::ALL.iter().position(|other| *other == stage);
        let follows = stage.is_some_and(|stage| place(*stage) > place(cause.code.stage()));
        assert!(!(follows && section.mark == Mark::Good), "{}: {text}", section.id);
    }
    let says =
        |sign: &str, words: &str| text.lines().any(|line| line.trim_start().starts_with(sign) && line.contains(words));
    assert!(!(stages.contains(&Stage::Tls) && says("✓", "handshake without")), "{text}");
    assert!(!says("✓", "HTTP:"), "{text}");
}

/// Every certificate that came is in the list, whatever the cause.
pub(crate) fn assert_certificates_are_shown(examination: &Examination) {
    let Some(chain) = &examination.verdict.evidence.chain else { return };
    let check = Check::of(examination, None);
    let tls = check.sections.iter().find(|section| section.id == "tls").expect("there is TLS");
    let list = tls.blocks.iter().find(|block| block.title.as_deref() == Some("Certificates as sent"));
    let list = list.unwrap_or_else(|| panic!("no certificates: {}", text(&check, Colour::None, None)));
    assert_eq!((list.form, list.rows.len()), (Form::List, chain.certificates.len()));
    for (row, certificate) in list.rows.iter().zip(&chain.certificates) {
        assert!(row[0].text.contains(&certificate.subject), "{row:?}");
        assert_eq!(row[0].mark == Mark::Bad, !certificate.faults.is_empty(), "{row:?}");
    }
}

async fn looked_into(probe: &Probe, service: Service) -> Examination {
    let backend = Backend::start(IpAddr::from([127, 0, 0, 1]), service).unwrap();
    let target = Target {
        pool: "p".into(),
        setting: "s".into(),
        ..Target::single("127.0.0.1".into(), probe.of(backend.address()))
    };
    let question = Question { target, tls_if_spoken: None, tries: 2, timeout: PLENTY * 2 };
    examine(&faults::prober(), &question).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_refused_later_is_not_marked_as_good() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let tls = |versions, client| ServerTls::with(&identity, Terms { versions, client, ..Terms::default() }).unwrap();
    let required = || ClientAuthentication::Required(secure.pki.root.der());
    let optional = || ClientAuthentication::Optional(secure.pki.root.der());
    let none = || ClientAuthentication::None;
    let (https, bare) = (Probe::https(&secure.trust), Probe::tls(&secure.trust));
    let (want, reset) = (Cause::TlsClientCertificateRequired, Cause::TcpReset);
    let resets = Script::new([Step::Await(Until::RequestHead), Step::Reset]);
    for (what, probe, tls, script, cause) in [
        ("an alert after TLS 1.3", &https, tls(Versions::Tls13, required()), http::ok(), Some(want)),
        ("the same, over tls", &bare, tls(Versions::Tls13, required()), tcp::holds(), Some(want)),
        ("an alert in TLS 1.2", &https, tls(Versions::Tls12, required()), http::ok(), Some(want)),
        ("400 for who shows none", &https, tls(Versions::Tls13, optional()), http::status(400, "no"), Some(want)),
        ("closed after asking", &bare, tls(Versions::Tls13, optional()), tcp::closes(), Some(want)),
        ("reset after the request", &https, tls(Versions::Tls13, none()), resets, Some(reset)),
        ("closed without an answer", &https, tls(Versions::Tls12, none()), http::closes_without_answer(), Some(reset)),
        ("503", &https, tls(Versions::Tls13, none()), http::status(503, "no"), Some(Cause::HttpStatusMismatch)),
        ("in order", &https, tls(Versions::Tls13, none()), http::ok(), None),
    ] {
        let examination = looked_into(probe, Service::tls(&tls, script)).await;
        let shown = text(&Check::of(&examination, None), Colour::None, None);
        assert_eq!(examination.verdict.cause.as_ref().map(|cause| cause.code), cause, "{what}\n{shown}");
        assert_no_contradiction(&examination);
        assert_certificates_are_shown(&examination);
        let completed = "handshake without a client certificate, whatever the server's certificate: completed";
        match cause {
            Some(Cause::HttpStatusMismatch) | None => {
                assert!(shown.contains(&format!("✓ {completed}")) && shown.contains("✓ TLS: "), "{what}\n{shown}");
            }
            Some(_) => {
                assert!(!shown.contains(&format!("✓ {completed}")) && !shown.contains("✓ TLS: "), "{what}\n{shown}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_shown_whatever_is_wrong_with_them() {
    let secure = Secure::new();
    let https = Probe::https(&secure.trust);
    for chain in Chain::ALL {
        let tls = Arc::new(ServerTls::new(&secure.pki.identity(*chain, HOST).unwrap()).unwrap());
        let examination = looked_into(&https, Service::tls(&tls, http::ok())).await;
        assert!(examination.verdict.evidence.chain.is_some(), "{chain:?}");
        assert_no_contradiction(&examination);
        assert_certificates_are_shown(&examination);
    }
}
