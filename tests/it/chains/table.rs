//! One chain for each way of being right or wrong: every fault, with its certificate, and what the report says.

use std::time::SystemTime;

use backend_health_exporter::probe::{Fault, TlsFacts, TlsFault, Trust, TrustMode};
use backend_health_exporter::verdict::{Cause, Code, Notice, Role, Verdict};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

use super::workshop::{Draft, EXPIRED, FUTURE, HOST, by_openssl, configured, now, well_known, with_lists};
use super::{tls, verdict, verdict_on};

/// A fault that is expected: its cause, the position of its certificate (none: not one that was sent), and a part of
/// its detail.
type Expected<'e> = (Cause, Option<usize>, &'e str);

/// Judges the chain for [`HOST`]; exactly these faults, in this order.
fn check(what: &str, trust: Trust, chain: &[CertificateDer<'static>], expected: &[Expected<'_>]) -> Verdict {
    check_name(what, HOST, trust, chain, expected)
}

fn check_name(
    what: &str,
    name: &str,
    trust: Trust,
    chain: &[CertificateDer<'static>],
    expected: &[Expected<'_>],
) -> Verdict {
    // Those that openssl made begin today.
    let at = if what.starts_with("openssl") { SystemTime::now() } else { now() };
    let verdict = verdict(&tls(trust, name), chain, at);
    compare(what, &verdict, expected);
    verdict
}

fn compare(what: &str, verdict: &Verdict, expected: &[Expected<'_>]) {
    let found: Vec<_> = verdict.cause.iter().chain(&verdict.also).collect();
    assert_eq!(found.len(), expected.len(), "{what}: {found:#?}");
    let sent = verdict.evidence.chain.as_ref().map(|chain| chain.certificates.as_slice()).unwrap_or_default();
    for (finding, (cause, position, part)) in found.iter().zip(expected) {
        assert_eq!(finding.code, *cause, "{what}: {finding:?}");
        assert!(finding.detail.contains(part), "{what}: {part:?} in {:?}", finding.detail);
        if let Some(position) = position {
            let element = sent.iter().find(|element| element.position == *position);
            assert!(
                element.is_some_and(|element| element.faults.contains(cause)),
                "{what}: {cause} at {position}: {sent:#?}"
            );
        }
    }
    for element in sent {
        for fault in &element.faults {
            let wanted = |expected: &Expected<'_>| expected.0 == *fault && expected.1 == Some(element.position);
            assert!(expected.iter().any(wanted), "{what}: {fault} at {} is not expected", element.position);
        }
    }
}

/// A root, an intermediate and a server's certificate, as they should be.
fn good() -> (Draft, Draft, Draft) {
    let root = Draft::root("Root", 0);
    let intermediate = Draft::authority("Intermediate", 1, &root);
    let server = Draft::server(2, &intermediate);
    (root, intermediate, server)
}

fn sent(drafts: &[&Draft]) -> Vec<CertificateDer<'static>> {
    drafts.iter().map(|draft| draft.made()).collect()
}

fn notices(verdict: &Verdict) -> Vec<Notice> {
    let notice = |code: &Code| match code {
        Code::Notice(notice) => Some(*notice),
        Code::Cause(_) => None,
    };
    verdict.warnings.iter().filter_map(|warning| notice(&warning.code)).collect()
}

#[test]
fn valid_chains_are_accepted_whatever_else_was_sent() {
    let (root, intermediate, server) = good();
    let stranger = Draft::root("Stranger", 5);
    let old = Draft { years: EXPIRED, ..Draft::authority("Old Intermediate", 6, &root) };
    let upper = Draft::authority("Upper", 3, &root);
    let lower = Draft::authority("Lower", 4, &upper);
    let deep = Draft::server(2, &lower);
    // The same intermediate, cross-signed by a stranger, and by nobody any more.
    let crossed = Draft::authority("Intermediate", 1, &stranger);
    let outdated = Draft { years: EXPIRED, ..intermediate.clone() };
    let other_key = Draft { key: 9, ..intermediate.clone() };
    let root_anew = Draft { years: EXPIRED, ..root.clone() };
    let trusting = || configured(&[&root]);
    for (what, trust, chain, expected) in [
        ("as it should be", trusting(), sent(&[&server, &intermediate]), &[][..]),
        ("well known", well_known(&[&root]), sent(&[&server, &intermediate]), &[]),
        ("with its root", trusting(), sent(&[&server, &intermediate, &root]), &[]),
        ("duplicates", trusting(), sent(&[&server, &server, &intermediate, &intermediate]), &[]),
        ("a stranger's root", trusting(), sent(&[&server, &intermediate, &stranger]), &[]),
        ("an old extra", trusting(), sent(&[&server, &old, &intermediate]), &[Notice::ChainExtraCertificate]),
        ("in order", trusting(), sent(&[&deep, &lower, &upper]), &[]),
        ("out of order", trusting(), sent(&[&deep, &upper, &lower]), &[Notice::ChainOutOfOrder]),
        ("cross-signed", trusting(), sent(&[&server, &crossed, &intermediate]), &[]),
        (
            "cross-signed, the stranger's root too",
            trusting(),
            sent(&[&server, &crossed, &stranger, &intermediate]),
            &[],
        ),
        ("an outdated twin", trusting(), sent(&[&server, &outdated, &intermediate]), &[Notice::ChainExtraCertificate]),
        ("a namesake with another key", trusting(), sent(&[&server, &other_key, &intermediate]), &[]),
        (
            "an outdated twin of the root",
            trusting(),
            sent(&[&server, &intermediate, &root_anew]),
            &[Notice::ChainExtraCertificate],
        ),
        ("a trusted intermediate", configured(&[&intermediate]), sent(&[&server]), &[]),
        ("the server's own", configured(&[&server]), sent(&[&server]), &[]),
        ("one root of several", configured(&[&stranger, &root]), sent(&[&server, &intermediate]), &[]),
        ("an expired root beside a good one", configured(&[&root_anew, &root]), sent(&[&server, &intermediate]), &[]),
    ] {
        let verdict = check(what, trust, &chain, &[]);
        assert_eq!(notices(&verdict), expected, "{what}: {:#?}", verdict.warnings);
    }
}

#[test]
fn each_certificate_is_told_for_what_it_is() {
    let (root, intermediate, server) = good();
    let verdict = check("roles", configured(&[&root]), &sent(&[&server, &intermediate, &root, &server]), &[]);
    let chain = verdict.evidence.chain.unwrap();
    for (element, der) in chain.certificates.iter().zip(sent(&[&server, &intermediate, &root, &server])) {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
        let bytes = (0..32).map(|byte| u8::from_str_radix(&element.fingerprint_sha256[2 * byte..][..2], 16));
        assert_eq!(bytes.collect::<Result<Vec<_>, _>>().as_deref(), Ok(digest.as_ref()));
    }
    let roles: Vec<_> = chain.certificates.iter().map(|element| (element.position, element.role)).collect();
    assert_eq!(roles, [(0, Role::Leaf), (1, Role::Intermediate), (2, Role::Root), (3, Role::Leaf)]);
}

#[test]
fn dates_are_those_of_each_certificate_and_of_the_root() {
    let (root, intermediate, server) = good();
    let dated = |draft: &Draft, years| Draft { years, ..draft.clone() };
    let old_root = dated(&root, EXPIRED);
    let (expired, early) = (Cause::CertExpired, Cause::CertNotYetValid);
    for (what, trust, chain, wanted) in [
        (
            "server",
            &root,
            [&dated(&server, EXPIRED), &intermediate],
            &[(
                expired,
                Some(0),
                "the certificate of app.example.com (CN=app.example.com) ended 516 days ago, on 2025-01-01T00:00:00Z",
            )][..],
        ),
        (
            "not yet",
            &root,
            [&dated(&server, FUTURE), &intermediate],
            &[(early, Some(0), "the certificate of app.example.com (CN=app.example.com) begins in 214 days")],
        ),
        (
            "intermediate",
            &root,
            [&server, &dated(&intermediate, EXPIRED)],
            &[(expired, Some(1), "CN=Intermediate ended")],
        ),
        (
            "both",
            &root,
            [&dated(&server, FUTURE), &dated(&intermediate, EXPIRED)],
            &[(early, Some(0), "begins"), (expired, Some(1), "ended")],
        ),
        ("root", &old_root, [&server, &intermediate], &[(expired, None, "the trusted root CN=Root ended")]),
        (
            "never",
            &root,
            [&dated(&server, (2040, 2025)), &intermediate],
            &[(Cause::CertInvalid, Some(0), "is never valid")],
        ),
    ] {
        check(what, configured(&[trust]), &sent(&chain), wanted);
    }
    let chain = sent(&[&server, &intermediate, &old_root]);
    check(
        "the root that was sent",
        configured(&[&old_root]),
        &chain,
        &[(expired, Some(2), "the trusted root CN=Root")],
    );
    // Its own anchor, and yet not for ever.
    let own = dated(&server, EXPIRED);
    check("its own anchor", configured(&[&own]), &sent(&[&own]), &[(expired, Some(0), "ended")]);
    // The only certificate that is missing a valid path is the one that has expired.
    let crossed = dated(&Draft::authority("Intermediate", 1, &Draft::root("Other", 5)), EXPIRED);
    let chain = sent(&[&server, &crossed, &dated(&intermediate, EXPIRED)]);
    check("two ways, one of them known", configured(&[&root]), &chain, &[(expired, Some(2), "CN=Intermediate ended")]);
}

#[test]
fn a_missing_link_is_named_and_where_to_get_it() {
    let (root, intermediate, server) = good();
    let lower = Draft::authority("Lower", 3, &intermediate);
    let deep = Draft::server(2, &lower);
    let missing = Cause::CertIntermediateMissing;
    let without = "CN=app.example.com was issued by CN=Intermediate, which was not sent";
    let trusting = || configured(&[&root]);
    check("only the server's", trusting(), &sent(&[&server]), &[(missing, Some(0), without)]);
    check("and the root", trusting(), &sent(&[&server, &root]), &[(missing, Some(0), without)]);
    let gap = "CN=Lower was issued by CN=Intermediate, which was not sent";
    check("in the middle", trusting(), &sent(&[&deep, &lower, &root]), &[(missing, Some(1), gap)]);
    let url = "http://ca.example.com/intermediate.crt";
    for (url, expected) in [
        (url, &*format!("which was not sent; it can be had from {url}")),
        ("ldap://ca.example.com/", "which was not sent"),
        ("http://x/\u{7}", "which was not sent"),
    ] {
        let server = Draft { issuer_url: Some(url.to_owned()), ..server.clone() };
        let verdict = check("with a place", trusting(), &sent(&[&server]), &[(missing, Some(0), expected)]);
        let detail = verdict.cause.unwrap().detail;
        assert!(detail.ends_with(expected), "{detail}");
    }
    let anew = Draft { key: 9, ..intermediate.clone() };
    let detail = "CN=app.example.com was issued by CN=Intermediate, but the certificate of that name that was sent has another key";
    check("another generation", trusting(), &sent(&[&server, &anew]), &[(missing, Some(0), detail)]);
}

#[test]
fn untrusted_ends_say_whose_trust_is_asked_for() {
    let (root, intermediate, server) = good();
    let other = Draft::root("Other", 5);
    let anew = Draft::root("Root", 6);
    let direct = Draft::server(2, &root);
    let lone = Draft { issuer: HOST.to_owned(), signer: 2, named_signer: 2, ..server.clone() };
    let lone_authority = Draft { authority: Some(BasicConstraints::Unconstrained), ..lone.clone() };
    let (root_mismatch, issuer_mismatch) = (Cause::CertRootMismatch, Cause::CertIssuerMismatch);
    let self_signed = (Cause::CertSelfSigned, Some(0), "is self-signed");
    let bare = Draft { key_identifiers: false, ..intermediate.clone() };
    let bare_anew = Draft { key_identifiers: false, ..anew.clone() };
    for (what, trust, chain, wanted) in [
        (
            "root sent",
            configured(&[&other]),
            sent(&[&server, &intermediate, &root]),
            &[(root_mismatch, Some(2), "CN=Root (SHA-256 ")][..],
        ),
        (
            "no root sent",
            configured(&[&other]),
            sent(&[&server, &intermediate]),
            &[(issuer_mismatch, Some(1), "CN=Intermediate was issued by CN=Root")],
        ),
        (
            "root sent, well known",
            well_known(&[&other]),
            sent(&[&server, &intermediate, &root]),
            &[(Cause::CertRootNotWellKnown, Some(2), "CN=Root")],
        ),
        (
            "no root sent, well known",
            well_known(&[&other]),
            sent(&[&server, &intermediate]),
            &[(Cause::CertIssuerNotWellKnown, Some(1), "by CN=Root")],
        ),
        (
            "root made anew, sent",
            configured(&[&anew]),
            sent(&[&server, &intermediate, &root]),
            &[(root_mismatch, Some(2), "has the same name, but another key")],
        ),
        (
            "root made anew, not sent",
            configured(&[&anew]),
            sent(&[&server, &intermediate]),
            &[(issuer_mismatch, Some(1), "the trusted certificate of that name has another key")],
        ),
        (
            "the new root sent, the old one's chain",
            configured(&[&anew]),
            sent(&[&server, &intermediate, &anew]),
            &[(issuer_mismatch, Some(1), "has another key")],
        ),
        (
            "a third root of the name",
            configured(&[&other]),
            sent(&[&server, &intermediate, &anew]),
            &[(root_mismatch, Some(2), "has another key")],
        ),
        (
            "made anew, without key identifiers",
            configured(&[&bare_anew]),
            sent(&[&server, &bare]),
            &[(issuer_mismatch, Some(1), "has another key")],
        ),
        (
            "issued by the root, made anew",
            configured(&[&anew]),
            sent(&[&direct]),
            &[(issuer_mismatch, Some(0), "has another key")],
        ),
        ("self-signed", configured(&[&other]), sent(&[&lone]), &[self_signed]),
        ("self-signed, a CA", configured(&[&other]), sent(&[&lone_authority]), &[self_signed]),
        ("self-signed, well known", well_known(&[&other]), sent(&[&lone]), &[self_signed]),
        ("self-signed, then others", configured(&[&root]), sent(&[&lone, &intermediate]), &[self_signed]),
        (
            "the trusted one is no CA",
            configured(&[&Draft { authority: None, ..root.clone() }]),
            sent(&[&server, &intermediate]),
            &[(issuer_mismatch, Some(1), "which is not a CA certificate")],
        ),
    ] {
        check(what, trust, &chain, wanted);
    }
    for accepted in [&lone, &lone_authority] {
        check("self-signed and trusted", configured(&[accepted]), &sent(&[accepted]), &[]);
    }
}

#[test]
fn the_servers_own_certificate_is_looked_for() {
    let (root, intermediate, server) = good();
    let named = Draft { names: vec!["ca.example.com".to_owned()], ..intermediate.clone() };
    let junk: CertificateDer<'static> = b"junk".to_vec().into();
    let trusting = || configured(&[&root]);
    for (what, chain, wanted) in [
        (
            "second",
            sent(&[&intermediate, &server]),
            &[(Cause::CertLeafNotFirst, Some(1), "CN=app.example.com is certificate 2 of 2, after CN=Intermediate")][..],
        ),
        (
            "last, expired",
            sent(&[&intermediate, &root, &Draft { years: EXPIRED, ..server.clone() }]),
            &[(Cause::CertLeafNotFirst, Some(2), "certificate 3 of 3"), (Cause::CertExpired, Some(2), "ended")],
        ),
        (
            "not there",
            sent(&[&intermediate, &root]),
            &[(Cause::CertLeafMissing, Some(0), "the server sent 2 CA certificates, and none of its own")],
        ),
        (
            "only a root",
            sent(&[&Draft::root("Lone", 3)]),
            &[
                (Cause::CertSelfSigned, Some(0), "CN=Lone (SHA-256 "),
                (Cause::CertNameMismatch, Some(0), "only the Common Name Lone"),
            ],
        ),
        ("only an intermediate", sent(&[&intermediate]), &[(Cause::CertLeafMissing, Some(0), "one CA certificate")]),
        (
            "a CA with a name",
            sent(&[&named, &root]),
            &[
                (Cause::CertInvalid, Some(0), "is a CA certificate"),
                (Cause::CertNameMismatch, Some(0), "is for ca.example.com"),
            ],
        ),
        ("unreadable", vec![junk.clone()], &[(Cause::CertInvalid, None, "certificate 1 of 1 cannot be read")]),
        (
            "unreadable, then others",
            vec![junk.clone(), server.made(), intermediate.made()],
            &[(Cause::CertInvalid, None, "certificate 1 of 3 cannot be read")],
        ),
        (
            "an unreadable issuer",
            vec![server.made(), junk.clone()],
            &[
                (Cause::CertInvalid, None, "certificate 2 of 2"),
                (Cause::CertIntermediateMissing, Some(0), "was not sent"),
            ],
        ),
    ] {
        check(what, trusting(), &chain, wanted);
    }
    check("an unreadable extra", trusting(), &[server.made(), intermediate.made(), junk], &[]);
}

#[test]
fn what_no_server_or_authority_may_be_is_invalid() {
    let (root, intermediate, server) = good();
    let invalid = |position, part| [(Cause::CertInvalid, Some(position), part)];
    let usable_for = |usage| Draft { usages: vec![usage], ..server.clone() };
    let trusting = || configured(&[&root]);
    let pair = |server: &Draft, intermediate: &Draft| sent(&[server, intermediate]);
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    for (what, chain, wanted) in [
        (
            "usage",
            pair(&usable_for(client.clone()), &intermediate),
            invalid(0, "its extended key usage has clientAuth and lacks serverAuth"),
        ),
        (
            "any usage",
            pair(&usable_for(ExtendedKeyUsagePurpose::Any), &intermediate),
            invalid(0, "has any and lacks serverAuth"),
        ),
        (
            "usage of the issuer",
            pair(&server, &Draft { usages: vec![client], ..intermediate.clone() }),
            invalid(1, "CN=Intermediate is not meant for servers"),
        ),
        (
            "a CA",
            pair(&Draft { authority: Some(BasicConstraints::Unconstrained), ..server.clone() }, &intermediate),
            invalid(0, "must not be used for a server"),
        ),
        (
            "no CA",
            pair(&server, &Draft { authority: None, ..intermediate.clone() }),
            invalid(1, "CN=Intermediate issued a certificate of the chain but is no CA"),
        ),
        (
            "critical extension",
            pair(&Draft { unknown_critical: true, ..server.clone() }, &intermediate),
            invalid(0, "not understood (2.999.1)"),
        ),
        (
            "critical extension above",
            pair(&server, &Draft { unknown_critical: true, ..intermediate.clone() }),
            invalid(1, "CN=Intermediate has a critical extension"),
        ),
        (
            "permitted names",
            pair(&server, &Draft { permitted: vec!["elsewhere.test".to_owned()], ..intermediate.clone() }),
            invalid(1, "CN=Intermediate is constrained: CN=app.example.com is for app.example.com, which is not among"),
        ),
        (
            "excluded names",
            pair(&server, &Draft { excluded: vec!["example.com".to_owned()], ..intermediate.clone() }),
            invalid(1, "which is among the names that it must not"),
        ),
        (
            "a forged signature",
            pair(&Draft { signer: 9, ..server.clone() }, &intermediate),
            invalid(0, "the signature on CN=app.example.com was not made by the key of CN=Intermediate"),
        ),
        (
            "a forged signature above",
            pair(&server, &Draft { signer: 9, ..intermediate.clone() }),
            invalid(1, "was not made by the key of the trusted CN=Root"),
        ),
        (
            "forged, without key identifiers",
            pair(
                &Draft { signer: 9, key_identifiers: false, ..server.clone() },
                &Draft { key_identifiers: false, ..intermediate.clone() },
            ),
            invalid(0, "was not made by the key of CN=Intermediate"),
        ),
        (
            "a self-signed one, forged",
            sent(&[&Draft { issuer: HOST.to_owned(), signer: 9, named_signer: 2, ..server.clone() }]),
            invalid(0, "was not made by its own key"),
        ),
    ] {
        check(what, trusting(), &chain, &wanted);
    }
    let constrained = Draft { permitted: vec!["elsewhere.test".to_owned()], ..root.clone() };
    let wanted = [(Cause::CertInvalid, Some(0), "CN=Root is constrained: CN=app.example.com is for app.example.com")];
    check("the root's constraint", configured(&[&constrained]), &pair(&server, &intermediate), &wanted);

    let upper = Draft { authority: Some(BasicConstraints::Constrained(0)), ..Draft::authority("Upper", 3, &root) };
    let lower = Draft::authority("Lower", 4, &upper);
    let wanted =
        [(Cause::CertInvalid, Some(2), "CN=Upper allows 0 CAs below it (its path length), but one has been issued")];
    check("path length", trusting(), &sent(&[&Draft::server(2, &lower), &lower, &upper]), &wanted);

    let mut links = vec![root.clone()];
    for depth in 1..12 {
        links.push(Draft::authority(&format!("CA {depth}"), depth, &links[depth - 1]));
    }
    let server = Draft::server(20, &links[11]);
    let chain: Vec<_> = std::iter::once(&server).chain(links[1..].iter().rev()).map(Draft::made).collect();
    let verdict = verdict(&tls(trusting(), HOST), &chain, now());
    let cause = verdict.cause.unwrap();
    assert!(cause.code == Cause::CertInvalid && cause.detail.contains("longer than"), "{cause:?}");

    let loosely = Draft { key_usages: vec![KeyUsagePurpose::CrlSign], ..intermediate.clone() };
    let verdict = check("not meant to issue", trusting(), &pair(&good().2, &loosely), &[]);
    assert_eq!(notices(&verdict), [Notice::ChainQuestionable]);
    assert!(verdict.warnings[0].detail.contains("CN=Intermediate issues certificates, but its key usage"));
}

#[test]
fn names_are_those_of_the_alternative_names_only() {
    let (root, intermediate, server) = good();
    let mismatch = |part| vec![(Cause::CertNameMismatch, Some(0), part)];
    for (names, expected, wanted) in [
        (&["app.example.com"][..], "app.example.com", vec![]),
        (&["app.example.com"], "APP.example.COM", vec![]),
        (&["*.example.com"], "app.example.com", vec![]),
        (&["a.test", "*.example.com"], "app.example.com", vec![]),
        (
            &["*.example.com"],
            "example.com",
            mismatch(
                "we expect example.com (from sni_name of the backend setting), but the certificate is for *.example.com",
            ),
        ),
        (&["*.example.com"], "a.b.example.com", mismatch("is for *.example.com")),
        (&["192.0.2.1"], "192.0.2.1", vec![]),
        (&["2001:db8::1"], "[2001:db8:0::1]", vec![]),
        (&["192.0.2.1"], "192.0.2.2", mismatch("is for 192.0.2.1")),
        (&["app.example.com"], "192.0.2.1", mismatch("is for app.example.com")),
        (&[], "app.example.com", mismatch("only as its Common Name app.example.com, which today's clients refuse")),
        (&["other.test"], "app.example.com", mismatch("is for other.test; it has the name only as its Common Name")),
        (&[], "other.test", mismatch("has no subject alternative name, only the Common Name app.example.com")),
    ] {
        let server = Draft { names: names.iter().map(|name| (*name).to_owned()).collect(), ..server.clone() };
        let chain = sent(&[&server, &intermediate]);
        check_name(&format!("{names:?} {expected}"), expected, configured(&[&root]), &chain, &wanted);
    }
    // Its own anchor needs the name, too.
    let wanted = [(Cause::CertNameMismatch, Some(0), "is for app.example.com")];
    check_name("own anchor", "other.test", configured(&[&server]), &sent(&[&server]), &wanted);
}

#[test]
fn all_faults_are_listed_and_the_weightiest_comes_first() {
    let (root, intermediate, server) = good();
    let other = Draft::root("Other", 5);
    let wrong = Draft { years: EXPIRED, names: vec!["other.test".to_owned()], ..server.clone() };
    let wanted = [
        (Cause::CertExpired, Some(0), "ended"),
        (Cause::CertRootMismatch, Some(2), "CN=Root"),
        (Cause::CertNameMismatch, Some(0), "is for other.test"),
    ];
    check("three", configured(&[&other]), &sent(&[&wrong, &intermediate, &root]), &wanted);
    let worse = Draft { usages: vec![ExtendedKeyUsagePurpose::ClientAuth], ..wrong };
    let wanted = [
        (Cause::CertLeafNotFirst, Some(1), "certificate 2 of 2"),
        (Cause::CertInvalid, Some(1), "lacks serverAuth"),
        (Cause::CertExpired, Some(1), "ended"),
        (Cause::CertIssuerMismatch, Some(0), "was issued by CN=Root"),
        (Cause::CertNameMismatch, Some(1), "is for other.test"),
    ];
    let chain = sent(&[&intermediate, &worse]);
    let strict = check("five", configured(&[&other]), &chain, &wanted);
    // With the validations off they are warnings, and the elements still show them.
    let mut lax = tls(configured(&[&other]), HOST);
    (lax.validate_chain, lax.validate_name) = (false, false);
    let lax = verdict(&lax, &chain, now());
    assert_eq!(lax.cause, None);
    let codes = |verdict: &Verdict| verdict.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>();
    let causes = wanted.iter().map(|(cause, _, _)| Code::Cause(*cause)).collect::<Vec<_>>();
    assert_eq!(codes(&lax)[..5], causes);
    assert_eq!(lax.evidence.chain, strict.evidence.chain);
}

#[test]
fn revocation_lists_speak_of_their_issuers_certificates() {
    let (root, intermediate, server) = good();
    let other = Draft::root("Other", 5);
    let (valid, old) = ((2026, 2030), (2024, 2025));
    let server = Draft { serial: 77, ..server };
    let chain = sent(&[&server, &intermediate]);
    let revoked = |position, part| vec![(Cause::CertRevoked, Some(position), part)];
    let unusable = || vec![(Cause::CertInvalid, Some(0), "a configured revocation list bears the name of an issuer")];
    let forged = Draft { key: 9, ..intermediate.clone() };
    let silent = Draft { key_usages: vec![KeyUsagePurpose::KeyCertSign], ..root.clone() };
    for (what, root, lists, wanted, noticed) in [
        (
            "revoked",
            &root,
            vec![intermediate.list(&[77], valid)],
            revoked(0, "CN=app.example.com (serial 4d) is on the revocation list of CN=Intermediate"),
            &[][..],
        ),
        ("another one revoked", &root, vec![intermediate.list(&[78], valid)], vec![], &[]),
        (
            "the intermediate revoked",
            &root,
            vec![root.list(&[7], valid)],
            revoked(1, "CN=Intermediate (serial 07)"),
            &[],
        ),
        ("a stranger's list", &root, vec![other.list(&[77, 7], valid)], vec![], &[]),
        ("revoked by a stale list", &root, vec![intermediate.list(&[77], old)], revoked(0, "serial 4d"), &[]),
        ("a stale list", &root, vec![intermediate.list(&[], old)], vec![], &[Notice::RevocationListStale]),
        ("a stranger's stale list", &root, vec![other.list(&[], old)], vec![], &[]),
        (
            "revoked since the old list",
            &root,
            vec![intermediate.list(&[], old), intermediate.list(&[77], valid)],
            revoked(0, "serial 4d"),
            &[],
        ),
        (
            "not revoked any more",
            &root,
            vec![intermediate.list(&[77], old), intermediate.list(&[], valid)],
            vec![],
            &[Notice::RevocationListStale],
        ),
        ("by another key", &root, vec![forged.list(&[], valid)], unusable(), &[]),
        ("by a root that signs no lists", &silent, vec![root.list(&[], valid)], unusable(), &[]),
    ] {
        let verdict = check(what, with_lists(&[root], lists), &chain, &wanted);
        assert_eq!(notices(&verdict), noticed, "{what}");
    }
    let expired = Draft { years: EXPIRED, ..server.clone() };
    let wanted = [(Cause::CertExpired, Some(0), "ended"), (Cause::CertRevoked, Some(0), "serial 4d")];
    let trust = with_lists(&[&root], vec![intermediate.list(&[77], valid)]);
    check("expired and revoked", trust, &sent(&[&expired, &intermediate]), &wanted);
}

#[test]
fn a_chain_that_ends_soon_says_which_certificate_does() {
    let (root, intermediate, server) = good();
    let soon = |draft: &Draft, years| Draft { years, ..draft.clone() };
    let at = now() + std::time::Duration::from_hours(24 * 204);
    for (what, root, chain, expected) in [
        ("none", &root, [&server, &intermediate], None),
        (
            "server",
            &root,
            [&soon(&server, (2025, 2027)), &intermediate],
            Some("the certificate of app.example.com (CN=app.example.com) ends in 10 days"),
        ),
        (
            "intermediate",
            &root,
            [&server, &soon(&intermediate, (2025, 2027))],
            Some("the intermediate certificate CN=Intermediate ends in 10 days"),
        ),
        (
            "root",
            &soon(&root, (2025, 2027)),
            [&server, &intermediate],
            Some("the root certificate CN=Root ends in 10 days"),
        ),
    ] {
        let verdict = verdict(&tls(configured(&[root]), HOST), &sent(&chain), at);
        assert_eq!(verdict.cause, None, "{what}");
        let detail = verdict.warnings.first().map(|warning| warning.detail.as_str());
        assert!(detail.map(|detail| &detail[..expected.map_or(0, str::len)]) == expected, "{what}: {detail:?}");
    }
}

#[test]
fn a_handshake_that_is_signed_badly_says_why() {
    let (root, intermediate, server) = good();
    let check = |what: &str,
                 mut tls: backend_health_exporter::probe::TlsSpec,
                 chain: &[CertificateDer<'static>],
                 expected: Expected<'_>| {
        for validate_chain in [true, false] {
            tls.validate_chain = validate_chain;
            let facts = TlsFacts::of_chain(&tls, chain, now());
            if validate_chain && facts.path.as_ref().unwrap().is_err() {
                continue;
            }
            let error = rustls::Error::InvalidCertificate(CertificateError::BadSignature);
            let verdict = verdict_on(&tls, facts, Some(Fault::Tls(TlsFault::Rustls(error))), now());
            let cause = verdict.cause.as_ref().unwrap();
            assert!(cause.code == expected.0 && cause.detail.contains(expected.2), "{what}: {cause:?}");
            assert!(verdict.evidence.chain.unwrap().certificates[0].faults.contains(&expected.0), "{what}");
        }
    };
    let other_key = (
        Cause::CertInvalid,
        Some(0),
        "not signed with the key of CN=app.example.com: the server has another private key",
    );
    check("another key", tls(configured(&[&root]), HOST), &sent(&[&server, &intermediate]), other_key);
    let swapped = (Cause::CertInvalid, Some(0), "not signed with the key of CN=Intermediate");
    check("not first", tls(configured(&[&root]), HOST), &sent(&[&intermediate, &server]), swapped);

    let directory = tempfile::tempdir().unwrap();
    let weak = by_openssl(
        directory.path(),
        &[
            "req -x509 -newkey rsa:1024 -nodes -keyout key.pem -out cert.pem -days 9999 -subj /CN=weak -addext subjectAltName=DNS:app.example.com -addext basicConstraints=critical,CA:FALSE -sha256",
        ],
    );
    let trust = Trust::new(TrustMode::Configured, vec![weak.clone()], Vec::new()).unwrap();
    check(
        "weak",
        tls(trust, HOST),
        &[weak],
        (Cause::CertInvalid, Some(0), "CN=weak cannot be used: its RSA key has only 1024 bits"),
    );
}

#[test]
fn what_only_openssl_makes_is_named_for_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let extensions = "subjectAltName=DNS:app.example.com\n";
    std::fs::write(directory.path().join("leaf.ext"), extensions).unwrap();
    let issue = |key: &str, ca_key: &str, digest: &str, version1: bool| {
        let ca = format!("req -x509 {ca_key} -nodes -keyout ca.key -out ca.pem -days 9999 -subj /CN=ca -sha256");
        let request = format!("req -new {key} -nodes -keyout key.pem -out cert.csr -subj /CN=app.example.com");
        let extensions = if version1 { "" } else { "-extfile leaf.ext" };
        let sign = format!(
            "x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9000 {digest} {extensions} -out cert.pem"
        );
        let leaf = by_openssl(directory.path(), &[&ca, &request, &sign]);
        let ca: CertificateDer<'static> =
            rustls::pki_types::pem::PemObject::from_pem_file(directory.path().join("ca.pem")).unwrap();
        (leaf, ca)
    };
    let (ec, rsa) = ("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "-newkey rsa:2048");
    let weak = "-newkey rsa:1024";
    let koblitz = "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1";
    let invalid = |position, part| (Cause::CertInvalid, position, part);
    let only_there = (Cause::CertNameMismatch, Some(0), "only as its Common Name");
    for (what, (leaf, ca), wanted) in [
        (
            "SHA-1",
            issue(ec, rsa, "-sha1", false),
            vec![invalid(Some(0), "is signed with SHA1 with RSA, which is not accepted")],
        ),
        (
            "MD5",
            issue(ec, rsa, "-md5", false),
            vec![invalid(Some(0), "is signed with MD5 with RSA, which is not accepted")],
        ),
        ("SHA-1 and ECDSA", issue(ec, ec, "-sha1", false), vec![invalid(Some(0), "is signed with ECDSA with SHA1")]),
        (
            "weak issuer",
            issue(ec, weak, "-sha256", false),
            vec![invalid(None, "the trusted root CN=ca cannot be used: its RSA key has only 1024 bits")],
        ),
        ("odd issuer", issue(ec, koblitz, "-sha256", false), vec![invalid(None, "not accepted (ECDSA secp256k1)")]),
        (
            "version 1",
            issue(ec, ec, "-sha256", true),
            vec![invalid(Some(0), "of version 1; only version 3"), only_there],
        ),
        (
            "version 1 and SHA-1",
            issue(ec, rsa, "-sha1", true),
            vec![invalid(Some(0), "version 1"), invalid(Some(0), "SHA1"), only_there],
        ),
    ] {
        let trust = Trust::new(TrustMode::Configured, vec![ca], Vec::new()).unwrap();
        check(&format!("openssl, {what}"), trust, &[leaf], &wanted);
    }
    let other = || configured(&[&Draft::root("Other", 5)]);
    let version1 = by_openssl(
        directory.path(),
        &[
            "req -new -newkey rsa:2048 -nodes -keyout key.pem -out cert.csr -subj /CN=app.example.com",
            "x509 -req -in cert.csr -signkey key.pem -days 9000 -sha256 -out cert.pem",
        ],
    );
    let wanted = [invalid(Some(0), "of version 1"), (Cause::CertSelfSigned, Some(0), "is self-signed"), only_there];
    check("openssl, self-signed, version 1", other(), std::slice::from_ref(&version1), &wanted);
    // Trusted as it stands, only its name is asked for, and its version is worth a warning.
    let trust = Trust::new(TrustMode::Configured, vec![version1.clone()], Vec::new()).unwrap();
    check("openssl, trusted, version 1", trust, &[version1], &[wanted[2]]);
    // As `openssl req -x509` makes it: a CA.
    let usual = by_openssl(
        directory.path(),
        &[
            "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 9999 -subj /CN=app.example.com -addext subjectAltName=DNS:app.example.com",
        ],
    );
    check("openssl, self-signed", other(), std::slice::from_ref(&usual), &[wanted[1]]);
    let trust = Trust::new(TrustMode::Configured, vec![usual.clone()], Vec::new()).unwrap();
    check("openssl, self-signed and trusted", trust, &[usual], &[]);
    let weak = by_openssl(
        directory.path(),
        &[
            "req -x509 -newkey rsa:1024 -nodes -keyout key.pem -out cert.pem -days 9999 -subj /CN=app.example.com -addext subjectAltName=DNS:app.example.com -addext basicConstraints=CA:FALSE",
        ],
    );
    check("openssl, weak and self-signed", other(), &[weak], &[invalid(Some(0), "only 1024 bits"), wanted[1]]);
}
