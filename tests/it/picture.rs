//! The certificate picture: which parts of it are marked, for every cause, and that nothing foreign becomes markup.

mod sample;

use std::time::{Duration, SystemTime};

use backend_health_exporter::verdict::{Cause, Notice, Side, Stage};
use backend_health_exporter::view::picture;
use backend_health_exporter::view::report::ReportRow;
use serde_json::{Value, json};

use self::sample::{INTERMEDIATE, LEAF, ROOT, Sample, fingerprint, names};

/// The parts that a cause marks as faulty, by what their names begin with: its own, else those of its stage and side.
fn faulty_parts(cause: Cause) -> &'static [&'static str] {
    const INTERMEDIATE: &str = "Intermediate certificate CN=Issuing CA,O=Corp";
    const ROOTS: &str = "Trusted roots";
    const TLS: &str = "TLS TLS 1.3";
    const HANDSHAKE: &str = "TLS handshake";
    match cause {
        Cause::NotProbedYet => &[],
        Cause::TlsNotTls => &["Protocol and port", HANDSHAKE],
        Cause::TlsClientCertificateRequired | Cause::TlsClientCertificateRejected => &["Client certificate", HANDSHAKE],
        Cause::TlsUnrecognizedName => &["Server name (SNI)", HANDSHAKE],
        Cause::CertLeafMissing => &[HANDSHAKE, "Leaf certificate: missing"],
        Cause::CertIntermediateMissing => &[HANDSHAKE, "Intermediate certificate CN=Corp Root,O=Corp: missing"],
        Cause::CertLeafNotFirst
        | Cause::CertInvalid
        | Cause::CertExpired
        | Cause::CertNotYetValid
        | Cause::CertSelfSigned
        | Cause::CertRevoked => &[HANDSHAKE, INTERMEDIATE],
        Cause::CertRootNotWellKnown
        | Cause::CertIssuerNotWellKnown
        | Cause::CertRootMismatch
        | Cause::CertIssuerMismatch => &[ROOTS, HANDSHAKE, INTERMEDIATE],
        Cause::CertNameMismatch => &["Server name (SNI)", HANDSHAKE, INTERMEDIATE],
        _ => match (cause.side(), cause.stage()) {
            (Side::Exporter, _) | (_, Stage::Local) => &["This host"],
            (Side::Network, Stage::Dns) => &["DNS lookup"],
            (Side::Network, Stage::Tcp) => &["TCP connection"],
            (Side::Network, Stage::Tls) => &[HANDSHAKE],
            (Side::Network, Stage::Http) => &["HTTP request"],
            (Side::Gateway | Side::Server, Stage::Dns) => &["Server app.example.com", "DNS lookup"],
            (Side::Gateway, Stage::Tcp) => &["Protocol", "TCP connection"],
            (Side::Gateway, Stage::Tls) => &["Protocol", HANDSHAKE],
            (Side::Gateway, Stage::Http) => &["Protocol", "HTTP request"],
            (Side::Server, Stage::Tcp) => &["TCP connection", "Address 10.0.0.4:443"],
            (Side::Server, Stage::Tls) => &[HANDSHAKE, TLS],
            (Side::Server, Stage::Http) => &["HTTP request", "HTTP response"],
        },
    }
}

#[test]
fn every_cause_marks_its_own_parts_and_no_other() {
    for cause in Cause::ALL {
        let picture = Sample::healthy().failing(*cause, 1).picture();
        let (found, expected) = (picture.marked("faulty"), faulty_parts(*cause));
        let as_expected = found.len() == expected.len()
            && found.iter().zip(expected).all(|(name, expected)| name.starts_with(expected));
        assert!(as_expected, "{cause}: {found:#?}, not {expected:?}");
        assert_eq!(picture.marked("warning").len(), usize::from(*cause == Cause::NotProbedYet), "{cause}");
    }
}

#[test]
fn the_side_that_acts_has_a_marked_part() {
    let is_marked = |name: &String| name.ends_with(": faulty") || name.ends_with(": warning");
    for cause in Cause::ALL {
        let picture = Sample::healthy().failing(*cause, 1).picture();
        let block = match cause.side() {
            Side::Network => "The way to the server",
            Side::Gateway | Side::Exporter => "Gateway",
            Side::Server => "Backend server",
        };
        assert!(picture.block(block).iter().any(is_marked), "{cause}: {:#?}", picture.names());
        assert!(picture.block("Client").is_empty(), "nothing of the client is checked");
    }
}

#[test]
fn an_expired_intermediate_marks_exactly_that_certificate() {
    let sample = Sample::healthy().failing(Cause::CertExpired, 1);
    let sample = sample.set("/last_probe/tls/chain/1/not_after", "2026-11-12T03:12:05Z");
    let picture = sample.picture();
    assert_eq!(
        picture.block("Backend server"),
        [
            "Address 10.0.0.4:443: fine",
            "TLS TLS 1.3, TLS_AES_128_GCM_SHA256",
            "Certificates, in the order sent",
            "Leaf certificate CN=app.example.com,O=Corp: fine",
            "Intermediate certificate CN=Issuing CA,O=Corp: expired on 2026-11-12, 10 days ago: faulty",
            "Leads to the trusted root CN=Corp Root,O=Corp: fine",
            "HTTP response none",
        ]
    );
    assert_eq!(
        picture.block("The way to the server"),
        [
            "DNS lookup: done, 1.00 ms: fine",
            "TCP connection: done, 2.00 ms: fine",
            "TLS handshake: failed, 3.00 ms: certificate not accepted: faulty",
            "HTTP request: not reached",
        ]
    );
    assert_eq!(picture.block("Gateway").iter().filter(|name| name.ends_with("faulty")).count(), 0);
}

#[test]
fn a_missing_intermediate_is_one_dashed_place_between_the_right_certificates() {
    fn check(chain: &[(&str, &str, &str)], about: usize, expected: &[&str]) {
        let picture = Sample::healthy().sending(chain).failing(Cause::CertIntermediateMissing, about).picture();
        assert_eq!(picture.wide().matches("part slot").count(), 1);
        let server = picture.block("Backend server");
        let chain: Vec<&str> =
            server.iter().map(String::as_str).filter(|name| name.contains(" certificate ")).collect();
        assert_eq!(chain.len(), expected.len(), "{chain:#?}");
        assert!(chain.iter().zip(expected).all(|(name, expected)| name.starts_with(expected)), "{chain:#?}");
    }
    let (leaf, root) = (("leaf", LEAF, INTERMEDIATE), ("root", ROOT, ROOT));
    let slot = "Intermediate certificate CN=Issuing CA,O=Corp: missing";
    check(&[leaf], 0, &["Leaf", slot]);
    check(&[leaf, root], 0, &["Leaf", slot, "Root"]);
    let upper = ("intermediate", INTERMEDIATE, "CN=Policy CA,O=Corp");
    check(
        &[leaf, upper, root],
        1,
        &["Leaf", "Intermediate", "Intermediate certificate CN=Policy CA,O=Corp: missing", "Root"],
    );
}

#[test]
fn a_missing_server_certificate_is_a_dashed_place_on_top() {
    let chain = [("intermediate", INTERMEDIATE, ROOT), ("root", ROOT, ROOT)];
    let picture = Sample::healthy().sending(&chain).failing(Cause::CertLeafMissing, 0).picture();
    assert_eq!(picture.wide().matches("part slot").count(), 1);
    let server = picture.block("Backend server");
    assert_eq!(server[3], "Leaf certificate: missing: the server did not send it: faulty");
    assert!(server[4].starts_with("Intermediate certificate") && server[4].ends_with(": fine"), "{server:#?}");
}

#[test]
fn all_faults_that_hold_at_once_are_marked() {
    let sample = Sample::healthy().failing(Cause::CertExpired, 0).also(Cause::CertExpired, 1);
    let sample = sample.also(Cause::CertIssuerMismatch, 1).also(Cause::CertNameMismatch, 0);
    let sample = sample.set("/last_probe/tls/chain/0/not_after", "2026-11-20T03:12:05Z");
    let picture = sample.set("/last_probe/tls/chain/1/not_after", "2026-11-12T03:12:05Z").picture();
    assert_eq!(
        picture.marked("faulty"),
        [
            "Server name (SNI) app.example.com: the certificate is not for this name",
            "Trusted roots CN=Corp Root,O=Corp: none of them signed the last certificate",
            "TLS handshake: failed, 3.00 ms: certificate not accepted",
            "Leaf certificate CN=app.example.com,O=Corp: expired on 2026-11-20, 2 days ago: is for another name",
            "Intermediate certificate CN=Issuing CA,O=Corp: expired on 2026-11-12, 10 days ago: \
             not issued by a root that is trusted here",
        ]
    );
    assert!(!picture.both.contains("Leads to"), "nobody trusts where it leads");
}

#[test]
fn what_is_fine_is_marked_by_nothing_but_a_tick() {
    let picture = Sample::healthy().picture();
    assert_eq!(picture.marked("faulty"), [""; 0]);
    assert_eq!(picture.marked("warning"), [""; 0]);
    assert_eq!(picture.marked("fine").len(), 12, "{:#?}", picture.names());
    assert!(!picture.both.contains("faulty") && !picture.both.contains("warned"));
}

#[test]
fn a_warning_is_amber_and_not_red() {
    fn check(sample: &Sample, expected: &[&str]) {
        let picture = sample.picture();
        assert_eq!(picture.marked("warning"), expected);
        assert_eq!(picture.marked("faulty"), [""; 0]);
    }
    let soon = Sample::healthy().warning(Notice::CertExpiresSoon.words(), &fingerprint(0));
    let soon = soon.set("/last_probe/tls/chain/0/not_after", "2026-11-30T03:12:05Z");
    check(&soon, &["Leaf certificate CN=app.example.com,O=Corp: expires on 2026-11-30, in 8 days"]);
    // Of a trusted root that was not sent.
    let root = Sample::healthy().warning(Notice::CertExpiresSoon.words(), "ff");
    check(&root, &["Trusted roots CN=Corp Root,O=Corp: what was seen"]);
    let unchecked = Sample::healthy().warning(Cause::CertNameMismatch.words(), &fingerprint(0));
    let unchecked = unchecked.set("/probe/validate_sni", false);
    let expected = [
        "Server name (SNI) app.example.com: the certificate is not for this name",
        "Leaf certificate CN=app.example.com,O=Corp: is for another name",
    ];
    check(&unchecked, &expected);
    let stale = Sample::healthy().warning(Notice::StaleAddress.words(), "");
    check(&stale, &["DNS lookup: done, 1.00 ms: failed; a remembered address is in use"]);
    let order = Sample::healthy().warning(Notice::ChainOutOfOrder.words(), "");
    check(&order, &["Certificates, in the order sent: valid, but not in order"]);
}

#[test]
fn every_notice_marks_something() {
    for notice in Notice::ALL {
        let picture = Sample::healthy().warning(notice.words(), &fingerprint(1)).picture();
        assert_eq!(picture.marked("warning").len(), 1, "{notice:?}: {:#?}", picture.names());
    }
}

#[test]
fn a_fault_of_a_certificate_that_was_not_sent_is_marked_where_we_have_it() {
    let sample = Sample::healthy().failing(Cause::CertExpired, 0);
    let picture = sample.set("/cause/certificate", "ff").picture();
    assert_eq!(picture.marked("faulty")[0], "Trusted roots CN=Corp Root,O=Corp: what was seen");
    // One that cannot be read has no fingerprint.
    let sample = Sample::healthy().failing(Cause::CertInvalid, 0).set("/cause/certificate", Value::Null);
    assert_eq!(sample.picture().marked("faulty")[1], "Certificates, in the order sent: what was seen");
}

#[test]
fn our_own_trouble_is_marked_beside_the_fault_that_was_there_before() {
    let before = Sample::healthy().failing(Cause::CertExpired, 0);
    let trouble = Sample::healthy().failing(Cause::LocalExhausted, 0);
    let sample = before.set("/last_probe", trouble.0["last_probe"].clone());
    let picture = sample.picture();
    let faulty = picture.marked("faulty");
    assert_eq!(faulty[0], "This host where the exporter runs: out of descriptors, ports or memory");
    assert!(faulty[1].starts_with("Certificates: the probe did not get this far"), "{faulty:#?}");
    assert!(picture.names().contains(&"DNS lookup: no verdict".to_owned()), "{:#?}", picture.names());
}

#[test]
fn the_picture_shows_how_far_the_probe_came() {
    fn check(protocol: &str, cause: Option<Cause>, expected: &[&str]) {
        let sample = match cause {
            Some(cause) => Sample::healthy().failing(cause, 0),
            None => Sample::healthy(),
        };
        let picture = sample.set("/protocol", protocol).picture();
        let words = picture.block("The way to the server").into_iter().map(|name| {
            let (step, how) = name.split_once(": ").unwrap();
            format!("{step}: {}", how.split([',', ':']).next().unwrap())
        });
        assert_eq!(words.collect::<Vec<_>>(), expected, "{protocol} {cause:?}");
    }
    let (dns, tcp, tls, http) =
        ("DNS lookup: done", "TCP connection: done", "TLS handshake: done", "HTTP request: done");
    check("tcp", None, &[dns, tcp]);
    check("tls", None, &[dns, tcp, tls]);
    check("http", None, &[dns, tcp, http]);
    check("https", None, &[dns, tcp, tls, http]);
    check("https", Some(Cause::HttpTimeout), &[dns, tcp, tls, "HTTP request: failed"]);
    check("tls", Some(Cause::TlsClosed), &[dns, tcp, "TLS handshake: failed"]);
    check("tcp", Some(Cause::TcpRefused), &[dns, "TCP connection: failed"]);
    check(
        "http",
        Some(Cause::DnsTimeout),
        &["DNS lookup: failed", "TCP connection: not reached", "HTTP request: not reached"],
    );
    check(
        "http",
        Some(Cause::NotProbedYet),
        &["DNS lookup: not reached", "TCP connection: not reached", "HTTP request: not reached"],
    );
    // A connection that breaks while a response is awaited has been there.
    let reset = Sample::healthy().failing(Cause::TcpReset, 0).set("/last_probe/phases/tls", 0.002);
    let reset = reset.set("/last_probe/phases/first_byte", 0.002).picture();
    assert_eq!(reset.block("The way to the server")[3], "HTTP request: failed, 2.00 ms: broken off: faulty");
}

#[test]
fn a_row_without_tls_says_that_it_has_no_certificates() {
    let picture = Sample::healthy().set("/protocol", "http").picture();
    assert!(picture.names().contains(&"No TLS is used here, so there are no certificates.".to_owned()));
    assert!(!picture.both.contains("Leaf certificate"));
}

#[test]
fn a_mark_is_never_a_colour_alone() {
    for cause in Cause::ALL {
        let picture =
            Sample::healthy().failing(*cause, 1).warning(Notice::CertExpiresSoon.words(), &fingerprint(0)).picture();
        for svg in [picture.wide(), picture.tall()] {
            for part in svg.split("<g class=\"").skip(1).filter(|part| part.contains("role=\"img\"")) {
                let (class, _) = part.split_once('"').unwrap();
                let Some(mark) = ["faulty", "warned"].into_iter().find(|mark| class.ends_with(mark)) else { continue };
                let rest: String = svg[svg.find(part).unwrap()..].chars().take(part.len() + 400).collect();
                assert!(rest.contains(&format!("icon {mark}")), "{cause}: {part}");
                assert!(part.contains(": faulty\"") || part.contains(": warning\""), "{cause}: {part}");
            }
        }
    }
}

#[test]
fn the_narrow_picture_and_the_words_say_the_same() {
    let picture = Sample::healthy().failing(Cause::CertRootMismatch, 1).also(Cause::CertNameMismatch, 0).picture();
    assert_eq!(names(picture.tall()), picture.names());
    assert_eq!(picture.told.matches("✗ Faulty: ").count(), 5);
    for words in ["the root that was sent is not among them", "is for another name", "certificate not accepted"] {
        assert!(picture.told.contains(words), "{words}");
    }
    for title in ["Client", "Gateway", "Backend server"] {
        for svg in [picture.wide(), picture.tall()] {
            assert!(svg.contains(&format!(">{title}</text>")), "{title}");
        }
    }
}

#[test]
fn nothing_that_a_certificate_says_becomes_markup_or_moves_the_text_around_it() {
    const HOSTILE: &str = "CN=\"><script>alert(1)</script>\u{202e}gnp.exe\u{200b}\n\0&amp;";
    let sample = Sample::healthy().sending(&[("leaf", HOSTILE, HOSTILE), ("intermediate", HOSTILE, HOSTILE)]);
    let sample = sample.set("/last_probe/tls/chain/0/dns_names", json!([HOSTILE]));
    let sample = sample.set("/probe/name", HOSTILE).set("/pool", HOSTILE).set("/server", HOSTILE);
    let sample = sample.set("/last_probe/tls/version", HOSTILE).set("/probe/expected_body", HOSTILE);
    let sample = sample.failing(Cause::CertIntermediateMissing, 0).set("/cause/detail", HOSTILE);
    let picture = sample.also(Cause::CertInvalid, 1).picture();
    for html in [&picture.both, &picture.told] {
        assert!(!html.contains("<script") && !html.contains("&amp;amp;amp;"));
        assert!(!html.contains(['\u{202e}', '\u{200b}', '\0']), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)"), "it is shown");
    }
}

#[test]
fn long_names_and_chains_stay_in_their_places() {
    let long = format!("CN={}", "very-long-name.".repeat(60));
    let chain: Vec<(&str, &str, &str)> = (0..100).map(|_| ("intermediate", long.as_str(), long.as_str())).collect();
    let sample = Sample::healthy().sending(&chain).failing(Cause::CertInvalid, 57);
    let picture = sample.picture();
    assert_eq!(picture.wide().matches("part certificate").count(), 9, "the first ones, and the faulty one");
    assert!(picture.marked("faulty")[1].starts_with(&format!("Intermediate certificate {long}")), "uncut for readers");
    assert!(picture.wide().contains("91 more certificates"));
    let longest = picture.wide().split("</text>").filter_map(|part| part.rsplit('>').next()).map(str::len).max();
    assert!(longest < Some(80), "{longest:?}");
    assert!(picture.both.len() < 200_000);
}

#[test]
fn what_it_does_not_know_is_not_marked() {
    let later = SystemTime::now() + Duration::from_hours(1);
    let sample = Sample::healthy().failing(Cause::CertExpired, 0).set("/cause/code", "cert_of_the_future");
    let row: ReportRow = serde_json::from_value(sample.0).unwrap();
    assert!(!picture::svg(&row, later).into_string().contains(": faulty"));
}
