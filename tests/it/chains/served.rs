//! Kinds of certificate faults through the whole way: a configuration's file, a server that serves the chain, a probe; and
//! what its side is told to do first.

use backend_health_exporter::app;
use backend_health_exporter::lab::tls::{Chain, Identity, Pki, ServerTls};
use backend_health_exporter::lab::{Backend, Service, tcp};
use backend_health_exporter::verdict::{Cause, Code, Finding, Notice, Side, Verdict};
use backend_health_exporter::view::remedy::Remedy;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::workshop::{Draft, EXPIRED, HOST, key};
use crate::faults::{LOCALHOST, judged, prober};

/// What must be found: the cause, its side, a part of the detail, and how the first step begins.
type Expected<'e> = (Cause, Side, &'e str, &'e str);

/// These certificates, with the key of the first.
fn identity(drafts: &[&Draft]) -> Identity {
    let chain = drafts.iter().map(|draft| draft.made()).collect();
    Identity { chain, key: private(drafts[0].key) }
}

fn private(index: usize) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key(index).serialize_der()).unwrap()
}

/// Serves the chain, and probes it by a configuration that trusts these; none: well-known CAs.
async fn served(
    what: &str,
    identity: &Identity,
    trusted: &[CertificateDer<'static>],
    name: &str,
) -> (Verdict, Vec<String>) {
    let tls = ServerTls::new(identity).unwrap();
    let backend = Backend::start(LOCALHOST, Service::tls(&tls, tcp::holds())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<String> = (0..trusted.len()).map(|number| format!("trusted-{number}.der")).collect();
    for (file, certificate) in files.iter().zip(trusted) {
        std::fs::write(directory.path().join(file), certificate).unwrap();
    }
    let config = directory.path().join("backend_health.yml");
    let text = format!(
        "backend_settings:\n- {{name: s, protocol: tls, port: {}, sni_name: {name}, trusted_root_certificates: [{}]}}\n\
         backend_pools:\n- {{name: p, settings: [s], servers: [127.0.0.1]}}\n",
        backend.address().port(),
        files.join(", ")
    );
    std::fs::write(&config, text).unwrap();
    let (_, targets) = app::check(&config).unwrap_or_else(|problems| panic!("{what}: {problems:?}"));
    let (_, verdict) = judged(&prober(), &targets[0].probe).await;
    let first = |finding: &Finding<Cause>| Remedy::of(finding, &targets[0], verdict.evidence.address).first_step();
    let steps = verdict.cause.iter().chain(&verdict.also).map(|finding| first(finding).expect("a step of its side"));
    let steps = steps.collect();
    (verdict, steps)
}

async fn refused(
    what: &str,
    identity: &Identity,
    trusted: &[CertificateDer<'static>],
    name: &str,
    expected: &[Expected<'_>],
) {
    let (verdict, steps) = served(what, identity, trusted, name).await;
    let found: Vec<&Finding<Cause>> = verdict.cause.iter().chain(&verdict.also).collect();
    let seen: Vec<_> = found.iter().map(|finding| (finding.code, finding.side())).collect();
    let wanted: Vec<_> = expected.iter().map(|(cause, side, ..)| (*cause, *side)).collect();
    assert_eq!(seen, wanted, "{what}: {found:#?}");
    for ((finding, step), (_, _, detail, begins)) in found.iter().zip(&steps).zip(expected) {
        assert!(finding.detail.contains(detail), "{what}: {detail:?} in {:?}", finding.detail);
        assert!(step.starts_with(begins), "{what}: {begins:?} in {step:?}");
    }
    let chain = verdict.evidence.chain.expect("what was sent is kept");
    assert_eq!(chain.certificates.len(), identity.chain.len(), "{what}");
}

async fn accepted(what: &str, identity: &Identity, trusted: &[CertificateDer<'static>], notices: &[Notice]) {
    let (verdict, _) = served(what, identity, trusted, HOST).await;
    assert_eq!(verdict.cause, None, "{what}");
    let found: Vec<_> = verdict.warnings.iter().map(|warning| warning.code).collect();
    let wanted: Vec<_> = notices.iter().map(|notice| Code::Notice(*notice)).collect();
    assert_eq!(found, wanted, "{what}: {:#?}", verdict.warnings);
}

const ONLY_COMMON: Expected<'_> = (
    Cause::CertNameMismatch,
    Side::Server,
    "only as its Common Name app.example.com",
    "Have the certificate reissued with app.example.com among",
);

#[tokio::test]
async fn self_signed_ones_are_the_servers_own_and_copies_are_the_gateways() {
    let other = || vec![Draft::root("Other", 5).made()];
    // As openssl makes it: a CA, and no alternative name.
    let usual = Draft::root(HOST, 2);
    let strange = (Cause::CertSelfSigned, Side::Server, "is self-signed", "Install a certificate from a CA");
    refused("against another root", &identity(&[&usual]), &other(), HOST, &[strange, ONLY_COMMON]).await;
    refused("against well-known CAs", &identity(&[&usual]), &[], HOST, &[strange, ONLY_COMMON]).await;
    refused("trusted as it stands", &identity(&[&usual]), &[usual.made()], HOST, &[ONLY_COMMON]).await;

    let named = Draft { names: vec![HOST.to_owned()], ..usual.clone() };
    accepted("trusted, with its name", &identity(&[&named]), &[named.made()], &[]).await;
    let old = (
        Cause::CertSelfSigned,
        Side::Gateway,
        "has the same key, but is an older copy",
        "Replace the old copy in `trusted_root_certificates` of the backend setting `s` with",
    );
    for (what, draft) in [("a CA", named.clone()), ("no CA", Draft { authority: None, ..named })] {
        let anew = Draft { years: (2026, 2041), serial: 8, ..draft.clone() };
        refused(what, &identity(&[&anew]), &[draft.made()], HOST, &[old]).await;
        let newer = (Cause::CertSelfSigned, Side::Server, "is a newer copy", "Install the newer certificate");
        refused(what, &identity(&[&draft]), &[anew.made()], HOST, &[newer]).await;
    }
}

#[tokio::test]
async fn keys_that_are_too_weak_are_told_from_the_certificate() {
    let pki = Pki::new().unwrap();
    let weak = |host| (Cause::CertInvalid, Side::Server, "its RSA key has only 1024 bits", host);
    let identity = pki.identity(Chain::WeakKey, HOST).unwrap();
    let trusted = [pki.root.der()];
    let step = "Make a new key for CN=app.example.com";
    refused("weak", &identity, &trusted, HOST, &[weak(step)]).await;
    let name = (Cause::CertNameMismatch, Side::Gateway, "we expect other.test", "If other.test is the wrong name");
    refused("weak, and the name", &identity, &trusted, "other.test", &[weak(step), name]).await;
    let stranger = [pki.strange_root.der()];
    let issuer = (Cause::CertIssuerMismatch, Side::Gateway, "", "Find the root");
    refused("weak, and the root", &identity, &stranger, HOST, &[weak(step), issuer]).await;
}

#[tokio::test]
async fn what_trusted_certificates_may_and_the_order_are_told() {
    let root = Draft::root("Root", 0);
    let intermediate = Draft::authority("Intermediate", 1, &root);
    let server = Draft::server(2, &intermediate);
    let silent = Draft { key_usages: vec![KeyUsagePurpose::CrlSign], ..intermediate.clone() };
    let lacks = (
        Cause::CertIssuerMismatch,
        Side::Gateway,
        "a CA certificate whose key usage lacks keyCertSign",
        "List the root of that CA in `trusted_root_certificates` of the backend setting `s`",
    );
    refused("a trusted intermediate", &identity(&[&server]), &[silent.made()], HOST, &[lacks]).await;
    let narrow = Draft { authority: Some(BasicConstraints::Constrained(0)), ..root.clone() };
    let chain = identity(&[&server, &intermediate]);
    accepted("path length of the root", &chain, &[narrow.made()], &[Notice::ChainQuestionable]).await;
    let odd = identity(&[&server, &root, &intermediate]);
    accepted("leaf, root, intermediate", &odd, &[root.made()], &[Notice::ChainOutOfOrder]).await;
    accepted("in order", &identity(&[&server, &intermediate, &root]), &[root.made()], &[]).await;

    let names = ["a.test", "b.test", HOST].map(str::to_owned).to_vec();
    let bound = Draft { permitted: vec!["example.com".to_owned()], ..Draft::authority("Bound", 3, &root) };
    let server = Draft { names, ..Draft::server(2, &bound) };
    let both = "is for a.test, which is not among the names that it may issue for; and for b.test";
    let invalid = (
        Cause::CertInvalid,
        Side::Server,
        both,
        "Have the server's certificate issued by a CA that may issue for all its names",
    );
    refused("two names", &identity(&[&server, &bound]), &[root.made()], HOST, &[invalid]).await;

    let ended = Draft { years: EXPIRED, ..root.clone() };
    let ours = (Cause::CertExpired, Side::Gateway, "the trusted root CN=Root ended", "Replace CN=Root (SHA-256 ");
    refused("our root ended", &chain, &[ended.made()], HOST, &[ours]).await;
}

/// A name in one string type or the other.
fn spelled(name: &str, printable: bool) -> DistinguishedName {
    let value = if printable {
        DnValue::PrintableString(name.try_into().unwrap())
    } else {
        DnValue::Utf8String(name.to_owned())
    };
    let mut spelled = DistinguishedName::new();
    spelled.push(DnType::CommonName, value);
    spelled
}

/// Signed by one of the workshop's keys, whose owner is called so by the issuer's name.
fn spelled_certificate(
    subject: DistinguishedName,
    own: usize,
    issuer: DistinguishedName,
    signer: usize,
    is_authority: bool,
) -> CertificateDer<'static> {
    let names = if is_authority { Vec::new() } else { vec![HOST.to_owned()] };
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.distinguished_name = subject;
    parameters.not_before = rcgen::date_time_ymd(2025, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2040, 1, 1);
    if is_authority {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let mut of_issuer = CertificateParams::default();
    of_issuer.distinguished_name = issuer;
    parameters.signed_by(key(own), &Issuer::new(of_issuer, key(signer))).unwrap().der().clone()
}

#[tokio::test]
async fn names_in_two_string_types_are_told_apart() {
    let root = |printable| spelled_certificate(spelled("Root", printable), 0, spelled("Root", printable), 0, true);
    let leaf = |issuer, signer| spelled_certificate(spelled(HOST, false), 2, issuer, signer, false);
    let middle = |printable, issuer| spelled_certificate(spelled("Middle", printable), 1, issuer, 0, true);
    let of = |chain: Vec<CertificateDer<'static>>| Identity { chain, key: private(2) };
    let step = "Have CN=app.example.com reissued with the issuer's name byte for byte";
    let alike = "the name is not written alike";
    for printable in [true, false] {
        let direct = of(vec![leaf(spelled("Root", !printable), 0)]);
        let mismatch = (Cause::CertIssuerMismatch, Side::Server, alike, step);
        refused("the trusted root", &direct, &[root(printable)], HOST, &[mismatch]).await;
        let sent = of(vec![leaf(spelled("Middle", !printable), 1), middle(printable, spelled("Root", printable))]);
        let missing = (Cause::CertIntermediateMissing, Side::Server, alike, step);
        refused("the intermediate", &sent, &[root(printable)], HOST, &[missing]).await;
        let right = of(vec![leaf(spelled("Middle", printable), 1), middle(printable, spelled("Root", printable))]);
        accepted("alike", &right, &[root(printable)], &[]).await;
    }
}
