//! Chains made to hurt: large, long, entangled, garbled and with names that are no names.

use std::time::Duration;

use backend_health_exporter::verdict::{Cause, PresentedChain, Verdict};
use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::CertificateDer;

use super::workshop::{Draft, HOST, configured, now};
use super::{tls, verdict};
use crate::effort::cpu_time;

/// Judges it within bounds of time and memory, and to a cause of the certificate's.
fn check(what: &str, roots: &[&Draft], chain: &[CertificateDer<'static>]) -> Verdict {
    let tls = tls(configured(roots), HOST);
    let mut quickest = Duration::MAX;
    let mut last = None;
    for _ in 0..4 {
        let mut used = None;
        let judging = || used = Some(allocation_counter::measure(|| last = Some(verdict(&tls, chain, now()))));
        quickest = quickest.min(cpu_time(judging));
        let used = used.unwrap();
        assert!(used.bytes_max < 4 << 20, "{what} took {} bytes at once", used.bytes_max);
    }
    // Without optimisation webpki and the parsers are some ten times slower.
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });
    assert!(quickest < bound, "{what} took {quickest:?}");
    let verdict = last.unwrap();
    for finding in verdict.cause.iter().chain(&verdict.also) {
        assert!(finding.code.code().starts_with("cert_"), "{what}: {finding:?}");
        check_text(what, &finding.detail);
    }
    for warning in &verdict.warnings {
        check_text(what, &warning.detail);
    }
    if let Some(chain) = &verdict.evidence.chain {
        check_presented(what, chain);
    }
    verdict
}

/// One line, of a length that fits on a page, and nothing hidden in it.
fn check_text(what: &str, text: &str) {
    assert!(text.len() < 3_000, "{what}: {} bytes of detail", text.len());
    assert!(!text.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{what}: {text:?}");
}

fn check_presented(what: &str, chain: &PresentedChain) {
    for element in &chain.certificates {
        for text in
            [&element.subject, &element.issuer, &element.serial, &element.public_key, &element.signature_algorithm]
        {
            check_text(what, text);
        }
        assert!(element.dns_names.len() <= 256 && element.ip_addresses.len() <= 256, "{what}");
    }
}

fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut parameters = CertificateParams::default();
    change(&mut parameters);
    parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
}

fn code(verdict: &Verdict) -> Cause {
    verdict.cause.as_ref().unwrap().code
}

#[test]
fn large_certificates_are_judged_and_cut_for_the_report() {
    let root = Draft::root("Root", 0);
    let many_names = self_signed(|parameters| {
        parameters.subject_alt_names =
            (0..10_000).map(|number| SanType::DnsName(format!("n{number}.test").try_into().unwrap())).collect();
    });
    let verdict = check("10,000 names", &[&root], &[many_names]);
    let last = verdict.also.last().unwrap();
    assert_eq!(last.code, Cause::CertNameMismatch);
    assert!(
        last.detail.ends_with("is for n0.test, n1.test, n2.test, n3.test, n4.test and 9995 more"),
        "{}",
        last.detail
    );

    let large = self_signed(|parameters| {
        parameters.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 99], vec![0x55; 64 << 10]));
    });
    assert_eq!(code(&check("64 KiB", &[&root], &[large])), Cause::CertInvalid);

    let many_extensions = self_signed(|parameters| {
        for number in 0..4_000 {
            parameters.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, number], vec![5, 0]));
        }
    });
    check("4,000 extensions", &[&root], &[many_extensions]);

    let long_name =
        self_signed(|parameters| parameters.distinguished_name.push(DnType::CommonName, "x".repeat(60_000)));
    check("a long name", &[&root], &[long_name]);
    let long_key = self_signed(|parameters| {
        parameters.serial_number = Some(rcgen::SerialNumber::from(vec![0x55; 30_000]));
    });
    check("a long serial number", &[&root], &[long_key]);
}

#[test]
fn text_that_is_no_name_stays_text() {
    let root = Draft::root("Root", 0);
    for name in [
        "a\"b",
        "two\nlines",
        "<script>alert(1)</script>",
        "nul\0",
        "\u{202e}moc.elpmaxe",
        "{{7*7}}",
        "",
        " ",
        "\\",
        "=,+;#",
    ] {
        let certificate = self_signed(|parameters| {
            parameters.distinguished_name = DistinguishedName::new();
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.distinguished_name.push(DnType::OrganizationName, name);
            if let Ok(name) = name.try_into() {
                parameters.subject_alt_names = vec![SanType::DnsName(name)];
            }
        });
        let verdict = check(name, &[&root], &[certificate]);
        assert_eq!(code(&verdict), Cause::CertSelfSigned);
    }
}

#[test]
fn long_and_entangled_chains_are_judged_in_bounded_time() {
    let root = Draft::root("Root", 0);
    let server = |issuer: &Draft| Draft::server(63, issuer).made();
    let with = |first: CertificateDer<'static>, others: &[Draft]| -> Vec<CertificateDer<'static>> {
        std::iter::once(first).chain(others.iter().map(Draft::made)).collect()
    };
    // A ladder of a hundred rungs.
    let mut ladder = vec![root.clone()];
    for rung in 1..=100 {
        ladder.push(Draft::authority(&format!("CA {rung}"), rung % 60, &ladder[rung - 1]));
    }
    let chain = with(server(&ladder[100]), &ladder[1..]);
    assert_eq!(code(&check("a ladder", &[&root], &chain)), Cause::CertInvalid);

    // All of one name, each signed by the next one.
    let ring: Vec<Draft> = (0..60)
        .map(|key| Draft { signer: (key + 1) % 60, named_signer: (key + 1) % 60, ..Draft::root("Ring", key) })
        .collect();
    check("a ring of one name", &[&root], &with(server(&ring[0]), &ring));

    // Without key identifiers nobody can tell who signed whom without trying.
    let bare: Vec<Draft> = ring.iter().map(|draft| Draft { key_identifiers: false, ..draft.clone() }).collect();
    check("a ring without key identifiers", &[&root], &with(server(&bare[0]), &bare));

    // Levels of ten, each one signed by the same key of the next level, under every name of it.
    let mut levels = Vec::new();
    for level in 0..6 {
        let above = Draft::root(&format!("Level {}", level + 1), level + 1);
        levels.extend(
            (0..10).map(|twin| Draft { serial: twin, ..Draft::authority(&format!("Level {level}"), level, &above) }),
        );
    }
    let chain = with(server(&levels[0]), &levels);
    check("levels of twins", &[&root], &chain);
    check("levels of twins under a root", &[&Draft::root("Level 6", 6)], &chain);

    // Every key signed every name.
    let mut mesh = Vec::new();
    for name in 0..9 {
        for signer in 0..9 {
            let issuer = Draft::root(&format!("Mesh {signer}"), signer);
            mesh.push(Draft::authority(&format!("Mesh {name}"), name, &issuer));
        }
    }
    check("a mesh", &[&root], &with(server(&mesh[0]), &mesh));
    check(
        "a mesh under many roots",
        &(0..9).map(|key| &mesh[key]).collect::<Vec<_>>(),
        &with(server(&mesh[40]), &mesh),
    );

    // A thousand copies of the same.
    let copies: Vec<_> = std::iter::repeat_n(server(&root), 1_000).collect();
    check("copies", &[&root], &copies);
}

#[test]
fn constraints_on_many_names_are_judged_in_bounded_time() {
    let root = Draft::root("Root", 0);
    let names = |count: usize, kind: &str| (0..count).map(|number| format!("{kind}{number}.test")).collect::<Vec<_>>();
    let intermediate = Draft {
        permitted: names(1_500, "p"),
        excluded: names(1_500, "e"),
        ..Draft::authority("Intermediate", 1, &root)
    };
    let server = Draft { names: names(1_500, "n"), ..Draft::server(2, &intermediate) };
    let verdict = check("constraints", &[&root], &[server.made(), intermediate.made()]);
    assert_eq!(code(&verdict), Cause::CertInvalid);
}

#[test]
fn nothing_sent_is_nothing_judged() {
    let verdict = verdict(&tls(configured(&[]), HOST), &[], now());
    assert_eq!(verdict.evidence.chain, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), failure_persistence: None, ..ProptestConfig::default() })]

    /// Certificates with a few bytes changed, cut short or made of noise: always a cause, never a panic.
    #[test]
    fn garbled_certificates_are_refused_or_as_good_as_before(
        changes in prop::collection::vec((0_usize..3, any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of((0_usize..3, any::<prop::sample::Index>())),
        noise in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let root = Draft::root("Root", 0);
        let intermediate = Draft { permitted: vec!["example.com".to_owned()], ..Draft::authority("Intermediate", 1, &root) };
        let server = Draft { issuer_url: Some("http://ca.test/".to_owned()), ..Draft::server(2, &intermediate) };
        let mut chain: Vec<Vec<u8>> = [&server, &intermediate, &root].iter().map(|draft| draft.made().to_vec()).collect();
        for (which, place, value) in changes {
            let place = place.index(chain[which].len());
            chain[which][place] = value;
        }
        if let Some((which, length)) = cut {
            let length = length.index(chain[which].len());
            chain[which].truncate(length);
        }
        chain.extend(noise);
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(CertificateDer::from).collect();
        super::random::check_invariants(&tls(configured(&[&root]), HOST), &chain);
    }
}
