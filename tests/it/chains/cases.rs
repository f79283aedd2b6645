//! Chains that were judged wrongly once, as they were found, and neighbours of their kind: the cause, whose side it is, and
//! what to do first.

use std::path::Path;
use std::time::{Duration, SystemTime};

use backend_health_exporter::probe::{Fault, TlsFacts, TlsFault, TlsSpec, Trust, TrustMode};
use backend_health_exporter::verdict::{Cause, Code, Notice, Side, Verdict};
use rcgen::{BasicConstraints, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::workshop::{Draft, EXPIRED, FUTURE, HOST, by_openssl, configured, now, well_known};
use super::{tls, verdict, verdict_on};

/// When the chains that were found are looked at: 2026-12-01, at noon.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(498_924)
}

/// A chain as it was found, with the certificates that were trusted; none: well-known ones, and it leads to none of them.
fn given(name: &str) -> (Vec<CertificateDer<'static>>, Trust) {
    given_with(name, name)
}

fn given_with(chain: &str, roots: &str) -> (Vec<CertificateDer<'static>>, Trust) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/chains/given");
    let read = |name: String| {
        let file = directory.join(name);
        let all = file.exists().then(|| CertificateDer::pem_file_iter(&file).unwrap().map(Result::unwrap).collect());
        all.unwrap_or_default()
    };
    let roots: Vec<_> = read(format!("{roots}.roots.pem"));
    let mode = if roots.is_empty() { TrustMode::WellKnown } else { TrustMode::Configured };
    let roots = if roots.is_empty() { vec![Draft::root("Other", 5).made()] } else { roots };
    let files = vec!["trusted.pem".into(); roots.len()];
    (read(format!("{chain}.chain.pem")), Trust::new(mode, roots, Vec::new()).unwrap().named(files))
}

/// What is expected of a finding: its cause, its side, a part of its detail, and of the first step.
type Expected<'e> = (Cause, Side, &'e str, &'e str);

/// Exactly these faults.
fn is_refused(what: &str, verdict: &Verdict, expected: &[Expected<'_>]) {
    let found: Vec<_> = verdict.cause.iter().chain(&verdict.also).collect();
    let causes: Vec<_> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(causes, expected.iter().map(|(cause, ..)| *cause).collect::<Vec<_>>(), "{what}: {found:#?}");
    for (finding, (_, side, detail, step)) in found.iter().zip(expected) {
        assert!(finding.detail.contains(detail), "{what}: {detail:?} in {:?}", finding.detail);
        let first = finding.words().remedy[0];
        assert_eq!((finding.side(), first.side), (*side, *side), "{what}: {finding:#?}");
        assert!(first.text.contains(step), "{what}: {step:?} in {:?}", first.text);
    }
}

/// No fault, and exactly these warnings, the first with this detail.
fn is_accepted(what: &str, verdict: &Verdict, notices: &[Notice], detail: &str) {
    assert_eq!(verdict.cause, None, "{what}");
    let found: Vec<_> = verdict.warnings.iter().map(|warning| warning.code).collect();
    let wanted: Vec<_> = notices.iter().map(|notice| Code::Notice(*notice)).collect();
    assert_eq!(found, wanted, "{what}: {:#?}", verdict.warnings);
    let first = verdict.warnings.first().map_or("", |warning| &warning.detail);
    assert!(first.contains(detail), "{what}: {detail:?} in {first:?}");
}

fn found(name: &str, host: &str) -> Verdict {
    let (chain, trust) = given(name);
    verdict(&tls(trust, host), &chain, then())
}

fn of(trust: Trust, drafts: &[&Draft]) -> Verdict {
    let chain: Vec<_> = drafts.iter().map(|draft| draft.made()).collect();
    verdict(&tls(trust, HOST), &chain, now())
}

/// A server's certificate that is self-signed.
fn own(key: usize) -> Draft {
    let root = Draft::root(HOST, key);
    Draft { names: vec![HOST.to_owned()], authority: None, ..root }
}

const ONLY_COMMON_NAME: Expected<'_> =
    (Cause::CertNameMismatch, Side::Server, "only as its Common Name app.example.com", "reissued with {name}");

#[test]
fn the_usual_certificate_of_openssl_is_the_servers_own() {
    let self_signed =
        (Cause::CertSelfSigned, Side::Server, "CN=app.example.com (SHA-256 ", "Install a certificate from a CA");
    for name in ["openssl-req-x509-default", "openssl-req-x509-default-wellknown"] {
        is_refused(name, &found(name, HOST), &[self_signed, ONLY_COMMON_NAME]);
    }
    let name = "openssl-req-x509-default-trusted";
    is_refused(name, &found(name, HOST), &[ONLY_COMMON_NAME]);

    // A CA without a name, by another key and at another time; twice; and beside others it is a CA and no server's own.
    let bare = Draft::root("appliance", 3);
    let no_name = (Cause::CertNameMismatch, Side::Gateway, "only the Common Name appliance", "is the wrong name");
    let self_signed = (Cause::CertSelfSigned, Side::Server, "is self-signed", "Install");
    let other = || configured(&[&Draft::root("Other", 5)]);
    is_refused("bare", &of(other(), &[&bare]), &[self_signed, no_name]);
    is_refused("twice", &of(other(), &[&bare, &bare]), &[self_signed, no_name]);
    is_refused("bare, trusted", &of(configured(&[&bare]), &[&bare]), &[no_name]);
    is_refused("bare, trusted, twice", &of(configured(&[&bare]), &[&bare, &bare]), &[no_name]);
    let ended = Draft { years: EXPIRED, ..bare.clone() };
    let expired = (Cause::CertExpired, Side::Server, "ended", "Renew");
    is_refused("bare, ended", &of(other(), &[&ended]), &[expired, self_signed, no_name]);
    is_refused("bare, trusted, ended", &of(configured(&[&ended]), &[&ended]), &[expired, no_name]);
    let missing = (Cause::CertLeafMissing, Side::Server, "2 CA certificates", "");
    let intermediate = Draft::authority("Intermediate", 1, &bare);
    is_refused("two CAs", &of(other(), &[&intermediate, &bare]), &[missing]);
}

#[test]
fn a_certificate_that_signed_the_handshake_is_the_servers_own() {
    let root = Draft::root("Root", 0);
    let intermediate = Draft::authority("Intermediate", 1, &root);
    let chain = vec![intermediate.made(), root.made()];
    let spec = tls(configured(&[&root]), HOST);
    let facts = TlsFacts { signature: Some(Ok(())), ..TlsFacts::of_chain(&spec, &chain, now()) };
    let error = rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
    let verdict = verdict_on(&spec, facts, Some(Fault::Tls(TlsFault::Rustls(error))), now());
    let invalid = (Cause::CertInvalid, Side::Server, "CN=Intermediate is a CA certificate", "");
    let no_name = (Cause::CertNameMismatch, Side::Gateway, "only the Common Name Intermediate", "");
    is_refused("a CA as the server's own", &verdict, &[invalid, no_name]);
}

#[test]
fn a_renewed_certificate_asks_for_its_new_copy() {
    let renewed =
        (Cause::CertSelfSigned, Side::Gateway, "has the same key, but is an older copy", "Replace the old copy");
    is_refused("as found", &found("selfsigned-renewed-same-key", HOST), &[renewed]);
    for name in ["renewed-ca", "renewed-no-ca"] {
        is_refused(name, &found(name, "app.test"), &[renewed]);
    }
    let authority = Some(BasicConstraints::Unconstrained);
    for (what, draft) in [("a CA", Draft { authority, ..own(2) }), ("no CA", own(2))] {
        let anew = Draft { years: (2026, 2041), serial: 8, ..draft.clone() };
        is_refused(what, &of(configured(&[&draft]), &[&anew]), &[renewed]);
        let other_key = Draft { key: 3, signer: 3, named_signer: 3, ..anew.clone() };
        let other = (Cause::CertSelfSigned, Side::Gateway, "has another key, but is an older copy", "Replace");
        is_refused(what, &of(configured(&[&draft]), &[&other_key]), &[other]);
        let old = (Cause::CertSelfSigned, Side::Server, "is a newer copy", "Install the newer");
        is_refused(what, &of(configured(&[&anew]), &[&draft]), &[old]);
        let unnamed = Draft { names: Vec::new(), ..anew };
        let chain = of(configured(&[&draft]), &[&unnamed]);
        is_refused(what, &chain, &[renewed, ONLY_COMMON_NAME]);
    }
}

#[test]
fn a_copy_of_the_servers_certificate_that_is_old_is_the_gateways() {
    let root = Draft::root("Root", 0);
    let intermediate = Draft::authority("Intermediate", 1, &root);
    let old = Draft::server(2, &intermediate);
    let anew = Draft { serial: 9, years: (2026, 2040), ..old.clone() };
    let part = "the trusted certificate of the server's own name";
    let of_issuer = (Cause::CertIssuerMismatch, Side::Gateway, part, "List the root of {issuer}");
    let of_root = (Cause::CertRootMismatch, Side::Gateway, part, "List the root of {issuer}");
    let alone = (Cause::CertIntermediateMissing, Side::Gateway, part, "Replace the old copy");
    let trusting = || configured(&[&old]);
    is_refused("no root", &of(trusting(), &[&anew, &intermediate]), &[of_issuer]);
    is_refused("root", &of(trusting(), &[&anew, &intermediate, &root]), &[of_root]);
    is_refused("alone", &of(trusting(), &[&anew]), &[alone]);
    is_accepted("the copy is right", &of(trusting(), &[&old, &intermediate]), &[], "");
    let ended = Draft { years: EXPIRED, ..old.clone() };
    let expired = (Cause::CertExpired, Side::Server, "ended", "Renew {subject}");
    is_refused("the copy and the server's ended", &of(configured(&[&ended]), &[&ended]), &[expired]);
}

#[test]
fn dates_are_the_business_of_whoever_has_the_certificate() {
    let root = Draft::root("Root", 0);
    let intermediate = Draft::authority("Intermediate", 1, &root);
    let server = Draft::server(2, &intermediate);
    let dated = |draft: &Draft, years| Draft { years, ..draft.clone() };
    let ours = (Cause::CertExpired, Side::Gateway, "the trusted root CN=Old Root ended", "Replace {subject}");
    is_refused("as found", &found("old-root", "app.test"), &[ours]);
    let ours = (Cause::CertExpired, Side::Gateway, "the trusted root CN=Root ended", "Replace {subject}");
    let old_root = dated(&root, EXPIRED);
    is_refused("not sent", &of(configured(&[&old_root]), &[&server, &intermediate]), &[ours]);
    is_refused("sent", &of(configured(&[&old_root]), &[&server, &intermediate, &old_root]), &[ours]);
    let new_root = dated(&root, FUTURE);
    let begins = (Cause::CertNotYetValid, Side::Gateway, "the trusted root CN=Root begins", "valid now");
    is_refused("begins", &of(configured(&[&new_root]), &[&server, &intermediate]), &[begins]);
    let store = (Cause::CertExpired, Side::Server, "the trusted root CN=Root ended", "Install the chain");
    is_refused("well known", &of(well_known(&[&old_root]), &[&server, &intermediate]), &[store]);
    let middle = (Cause::CertExpired, Side::Server, "the intermediate certificate", "Replace the intermediate");
    let old_intermediate = dated(&intermediate, EXPIRED);
    is_refused("intermediate", &of(configured(&[&root]), &[&server, &old_intermediate]), &[middle]);
    is_refused(
        "trusted intermediate",
        &of(configured(&[&old_intermediate]), &[&server]),
        &[(Cause::CertExpired, Side::Gateway, "ended", "Replace {subject}")],
    );
    let leaf = (Cause::CertExpired, Side::Server, "the certificate of app.example.com", "Renew");
    is_refused("leaf", &of(configured(&[&root]), &[&dated(&server, EXPIRED), &intermediate]), &[leaf]);
}

/// A chain whose handshake ended in a signature that cannot be right.
fn signed_badly(spec: &TlsSpec, chain: &[CertificateDer<'static>]) -> Verdict {
    let error = rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature);
    let facts = TlsFacts { signature: Some(Err(error.clone())), ..TlsFacts::of_chain(spec, chain, then()) };
    verdict_on(spec, facts, Some(Fault::Tls(TlsFault::Rustls(error))), then())
}

#[test]
fn keys_that_cannot_be_used_are_told_from_the_certificate() {
    let weak = |part| (Cause::CertInvalid, Side::Server, part, "Make a new key");
    let (chain, trust) = given("rsa512-leaf");
    let verdict = signed_badly(&tls(trust, HOST), &chain);
    is_refused("512 bits", &verdict, &[weak("its RSA key has only 512 bits")]);
    let (chain, trust) = given("rsa1024-leaf-and-name");
    let verdict = signed_badly(&tls(trust, HOST), &chain);
    is_refused("1024 bits, and the name", &verdict, &[weak("its RSA key has only 1024 bits"), ONLY_COMMON_NAME]);
    let (chain, trust) = given("explicit-curve");
    let verdict = signed_badly(&tls(trust, "app.test"), &chain);
    is_refused("explicit curve", &verdict, &[weak("explicit curve parameters, which RFC 5480 forbids")]);
    let key = &verdict.evidence.chain.unwrap().certificates[0].public_key;
    assert_eq!(key, "ECDSA with explicit curve parameters");
    // A key that others accept in certificates, and so do we.
    is_accepted("ML-DSA above", &found("ml-dsa", "app.test"), &[], "");

    let directory = tempfile::tempdir().unwrap();
    for (key, part) in [
        ("ed448", "(Ed448)"),
        ("rsa-pss -pkeyopt rsa_keygen_bits:2048", "(RSA-PSS)"),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", "(ECDSA secp256k1)"),
        ("ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", "explicit curve parameters"),
        ("rsa:1024", "only 1024 bits"),
    ] {
        let command = format!(
            "req -x509 -newkey {key} -nodes -keyout key.pem -out cert.pem -days 9999 -subj /CN=app.example.com \
             -addext subjectAltName=DNS:other.test -addext basicConstraints=CA:FALSE"
        );
        let made = by_openssl(directory.path(), &[&command]);
        let trust = Trust::new(TrustMode::Configured, vec![made.clone()], Vec::new()).unwrap();
        let mut spec = tls(trust, HOST);
        let name = (Cause::CertNameMismatch, Side::Server, "is for other.test", "");
        let facts = TlsFacts::of_chain(&spec, std::slice::from_ref(&made), SystemTime::now());
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature);
        let fault = || Some(Fault::Tls(TlsFault::Rustls(error.clone())));
        let facts = TlsFacts { signature: Some(Err(error.clone())), ..facts };
        let verdict = verdict_on(&spec, facts.clone(), fault(), SystemTime::now());
        is_refused(key, &verdict, &[weak(part), name]);
        // With the checks off it still cannot be used.
        (spec.validate_chain, spec.validate_name) = (false, false);
        let verdict = verdict_on(&spec, facts, fault(), SystemTime::now());
        is_refused(key, &verdict, &[weak(part)]);
    }
}

#[test]
fn what_is_not_checked_is_a_warning() {
    for (name, words) in [("version-1", "version 1"), ("critical", "critical extension")] {
        let (chain, trust) = given(name);
        let mut spec = tls(trust, "app.test");
        (spec.validate_chain, spec.validate_name) = (false, false);
        let verdict = verdict(&spec, &chain, then());
        assert_eq!(verdict.cause, None, "{name}");
        assert!(
            verdict.warnings.iter().any(|warning| warning.detail.contains(words)),
            "{name}: {:#?}",
            verdict.warnings
        );
        // Its own anchor, and the name is not asked for.
        let trust = Trust::new(TrustMode::Configured, chain.clone(), Vec::new()).unwrap();
        let mut spec = tls(trust, "app.test");
        spec.validate_name = false;
        let verdict = super::verdict(&spec, &chain, then());
        assert_eq!(verdict.cause, None, "{name}");
        assert!(
            verdict.warnings.iter().any(|warning| warning.detail.contains(words)),
            "{name}: {:#?}",
            verdict.warnings
        );
    }
    // One that is its own anchor has its name looked for all the same.
    let critical = Draft { unknown_critical: true, ..own(2) };
    is_accepted("its own anchor", &of(configured(&[&critical]), &[&critical]), &[Notice::ChainQuestionable], "2.999.1");
    let elsewhere = Draft { names: vec!["*.example.org".to_owned()], ..critical };
    let name = (Cause::CertNameMismatch, Side::Server, "is for *.example.org", "");
    is_refused("another name", &of(configured(&[&elsewhere]), &[&elsewhere]), &[name]);
}

#[test]
fn a_name_in_another_string_type_is_said_to_be_that() {
    let verdict = found("issuer-dn-encoding", HOST);
    let cause = verdict.cause.as_ref().unwrap();
    assert!(cause.detail.contains("the name is not written alike") && cause.detail.contains("String"), "{cause:#?}");
    assert!(!cause.detail.contains("not sent"), "{cause:#?}");
    assert_eq!(cause.side(), Side::Server);
    for (name, subject) in [("bmp", "Ünï"), ("t61", "Müller"), ("universal", "")] {
        let (chain, trust) = given_with(name, "old-strings");
        let verdict = super::verdict(&tls(trust, "app.test"), &chain, then());
        let chain = verdict.evidence.chain.unwrap();
        let names: Vec<_> = chain.certificates.iter().flat_map(|one| [&one.subject, &one.issuer]).collect();
        assert!(names.iter().any(|name| name.contains(subject)), "{names:?}");
        assert!(names.iter().all(|name| !name.contains('#')), "{names:?}");
    }
}

#[test]
fn what_trusted_certificates_may_is_told() {
    let lacks = (
        Cause::CertIssuerMismatch,
        Side::Gateway,
        "a CA certificate whose key usage lacks keyCertSign",
        "List the root",
    );
    is_refused("as found", &found("trusted-int-no-certsign", HOST), &[lacks]);
    let root = Draft::root("Root", 0);
    let intermediate = Draft::authority("Intermediate", 1, &root);
    let server = Draft::server(2, &intermediate);
    let silent = Draft { key_usages: vec![KeyUsagePurpose::CrlSign], ..root.clone() };
    is_refused("a root", &of(configured(&[&silent]), &[&server, &intermediate]), &[lacks]);
    let none = (Cause::CertIssuerMismatch, Side::Gateway, "which is not a CA certificate", "List the root");
    let no_authority = Draft { authority: None, ..root.clone() };
    is_refused("no CA", &of(configured(&[&no_authority]), &[&server, &intermediate]), &[none]);

    let questionable = [Notice::ChainQuestionable];
    is_accepted(
        "as found",
        &found("root-pathlen-exceeded", HOST),
        &questionable,
        "CN=Root,O=Example Corp allows 0 CAs below it",
    );
    let narrow = Draft { authority: Some(BasicConstraints::Constrained(0)), ..root.clone() };
    is_accepted("no CA below", &of(configured(&[&narrow]), &[&server, &intermediate]), &questionable, "allows 0 CAs");
    let direct = Draft::server(2, &root);
    is_accepted("within it", &of(configured(&[&narrow]), &[&direct]), &[], "");
}

#[test]
fn order_counts_for_the_root_too() {
    let order = [Notice::ChainOutOfOrder];
    is_accepted("as found", &found("order-leaf-root-int", HOST), &order, "in the right order they are");
    let root = Draft::root("Root", 0);
    let upper = Draft::authority("Upper", 3, &root);
    let lower = Draft::authority("Lower", 4, &upper);
    let server = Draft::server(2, &lower);
    let trusting = || configured(&[&root]);
    is_accepted("root in the middle", &of(trusting(), &[&server, &lower, &root, &upper]), &order, "then CN=Root");
    is_accepted("in order", &of(trusting(), &[&server, &lower, &upper, &root]), &[], "");
    is_accepted("a stranger", &of(trusting(), &[&server, &Draft::root("Other", 5), &lower, &upper]), &[], "");
}

#[test]
fn every_name_that_is_not_permitted_is_told() {
    let verdict = found("two-nc-violations", HOST);
    let details: Vec<_> = verdict.cause.iter().chain(&verdict.also).map(|finding| &*finding.detail).collect();
    let is_for: usize = details.iter().map(|detail| detail.matches("which is").count()).sum();
    assert!(is_for >= 2, "{details:#?}");
    let root = Draft::root("Root", 0);
    let names = ["a.test", "b.test", HOST].map(str::to_owned).to_vec();
    let bound = Draft { permitted: vec!["example.com".to_owned()], ..Draft::authority("Intermediate", 1, &root) };
    let server = Draft { names, ..Draft::server(2, &bound) };
    let both = "is for a.test, which is not among the names that it may issue for; and for b.test";
    let invalid = (Cause::CertInvalid, Side::Server, both, "");
    is_refused("two of three", &of(configured(&[&root]), &[&server, &bound]), &[invalid]);
}

#[test]
fn what_cannot_be_seen_of_a_name_is_said() {
    for (name, words) in [
        ("blank-after", "app.test\\x20 character 9 is a blank"),
        ("blank-before", "\\x20app.test character 1 is a blank"),
    ] {
        let (chain, trust) = given_with(name, "blanks");
        let verdict = super::verdict(&tls(trust, "app.test"), &chain, then());
        let mismatch = (Cause::CertNameMismatch, Side::Server, words, "letter for letter");
        is_refused(name, &verdict, &[mismatch]);
    }
    let (chain, trust) = given_with("cyrillic", "blanks");
    let verdict = super::verdict(&tls(trust, "app.test"), &chain, then());
    let cause = verdict.cause.unwrap();
    assert!(cause.detail.contains("U+0430") || cause.detail.contains("\\u{430}"), "{cause:#?}");
    assert_eq!(cause.side(), Side::Server);
    // Letters of other alphabets, one that cannot be seen, and one that looks like nothing.
    let greek = (Cause::CertNameMismatch, Side::Server, "a Greek letter (U+03BF), not o", "letter for letter");
    is_refused("Greek", &named_in_bytes("zzrg.test", "\u{3bf}rg.test", "org.test"), &[greek]);
    let wide = (Cause::CertNameMismatch, Side::Server, "another character (U+FF41), not a", "letter for letter");
    is_refused("wide", &named_in_bytes("zzzpp.test", "\u{ff41}pp.test", "app.test"), &[wide]);
    let unseen = (Cause::CertNameMismatch, Side::Server, "cannot be seen (U+200B)", "letter for letter");
    is_refused("unseen", &named_in_bytes("appzzz.test", "app\u{200b}.test", "app.test"), &[unseen]);
    let other = (Cause::CertNameMismatch, Side::Gateway, "we expect app.test", "is the wrong name");
    is_refused("another letter", &named_in_bytes("zzpp.test", "\u{431}pp.test", "app.test"), &[other]);
}

/// A self-signed certificate that is trusted as it stands, for a name that no tool writes: the bytes of `placeholder` are
/// made into those of `name`, and nobody looks at its signature.
fn named_in_bytes(placeholder: &str, name: &str, expected: &str) -> Verdict {
    assert_eq!(placeholder.len(), name.len());
    let mut made = Draft { names: vec![placeholder.to_owned()], ..own(2) }.made().to_vec();
    let place = made.windows(name.len()).position(|bytes| bytes == placeholder.as_bytes()).expect("the name is there");
    made[place..place + name.len()].copy_from_slice(name.as_bytes());
    let made = CertificateDer::from(made);
    let trust = Trust::new(TrustMode::Configured, vec![made.clone()], Vec::new()).unwrap();
    verdict(&tls(trust, expected), &[made], now())
}

#[test]
fn certificates_of_a_few_days_are_warned_of_by_their_lifetime() {
    let warned = |lifetime: u64, left: u64| {
        let parameters = |from: SystemTime, to: SystemTime| {
            let mut parameters = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
            (parameters.not_before, parameters.not_after) = (from.into(), to.into());
            parameters
        };
        let end = now() + Duration::from_hours(left);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = parameters(end - Duration::from_hours(lifetime), end).self_signed(&key).unwrap().der().clone();
        let trust = Trust::new(TrustMode::Configured, vec![made.clone()], Vec::new()).unwrap();
        let verdict = verdict(&tls(trust, HOST), &[made], now());
        assert_eq!(verdict.cause, None);
        verdict.warnings.iter().any(|warning| warning.code == Code::Notice(Notice::CertExpiresSoon))
    };
    for (days, hours_left, expected) in [
        (6, 144, false),
        (6, 37, false),
        (6, 35, true),
        (1, 7, false),
        (1, 5, true),
        (7, 43, false),
        (7, 41, true),
        (47, 24 * 12, false),
        (47, 24 * 11, true),
        (90, 24 * 22, false),
        (90, 24 * 20, true),
        (365, 24 * 22, false),
        (365, 24 * 20, true),
    ] {
        assert_eq!(warned(days * 24, hours_left), expected, "{hours_left} of {days} days left");
    }
}

#[test]
fn only_what_the_path_needs_is_on_it() {
    let root = Draft::root("New Root", 0);
    let old_root = Draft::root("Old Root", 5);
    let crossed =
        Draft { issuer: "Old Root".to_owned(), signer: 5, named_signer: 5, years: (2024, 2027), ..root.clone() };
    let server = Draft::server(2, &root);
    let on_path = |verdict: &Verdict| {
        let chain = verdict.evidence.chain.clone().unwrap();
        chain.certificates.iter().map(|one| one.on_path).collect::<Vec<_>>()
    };
    let at = now() + Duration::from_hours(24 * 204);
    let chain = [server.made(), crossed.made()];
    let by_new = verdict(&tls(configured(&[&root]), HOST), &chain, at);
    is_accepted("by the new root", &by_new, &[], "");
    assert_eq!(on_path(&by_new), [true, false]);
    let by_old = verdict(&tls(configured(&[&old_root]), HOST), &chain, at);
    is_accepted("by the old root", &by_old, &[Notice::CertExpiresSoon], "the intermediate certificate CN=New Root");
    assert_eq!(on_path(&by_old), [true, true]);
    // Refused, it is the path that was judged; a trusted root that was sent is on it.
    let ended = Draft { years: EXPIRED, ..server };
    let refused = of(configured(&[&root]), &[&ended, &root, &old_root]);
    assert_eq!(on_path(&refused), [true, true, false]);
}
