//! Certificates: what each chain of the lab comes to, over https and tls, under TLS 1.2 and 1.3.

use std::sync::Arc;

use rustls::pki_types::CertificateRevocationListDer;

use backend_health_exporter::lab::tls::{
    Chain, Credential, Identity, KeyAlgorithm, Profile, ServerTls, Terms, Usage, Validity, Versions,
};
use backend_health_exporter::lab::{Service, http};
use backend_health_exporter::probe::{NameSource, Trust, TrustMode};
use backend_health_exporter::verdict::Role::{Intermediate, Leaf, Root};
use backend_health_exporter::verdict::{Cause, Notice};

use super::{Expected, HOST, Part, Probe, Row, Secure, check, fails, row, succeeds, trusting};

/// The same certificates over https and tls, under both versions of TLS: the verdict is one.
fn everywhere(
    name: &str,
    identity: &Identity,
    change: impl Fn(Probe) -> Probe,
    trust: &Arc<Trust>,
    expected: &Expected,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let tls = ServerTls::with(identity, Terms { versions, ..Terms::default() }).expect("a usable key");
        for probe in [Probe::https(trust), Probe::tls(trust)] {
            let mut expected = expected.clone();
            if expected.cause.is_none() && probe.spec.request.is_some() {
                expected = expected.status(200);
            }
            rows.push(row(format!("{name}, {versions:?}"), Service::tls(&tls, http::ok()), change(probe), expected));
        }
    }
    rows
}

fn fault(cause: Cause) -> Expected {
    fails(cause, Part::Tls)
}

#[tokio::test]
async fn each_way_of_being_wrong_has_its_cause() {
    let secure = Secure::new();
    let usual = [Leaf, Intermediate];
    let name = "CN=app.lab.test";
    let table = [
        (Chain::Good, succeeds().chain(&usual)),
        (Chain::GoodWithRoot, succeeds().chain(&[Leaf, Intermediate, Root])),
        (
            Chain::GoodWithExpiredExtra,
            succeeds().chain(&[Leaf, Intermediate, Intermediate]).warned(Notice::ChainExtraCertificate),
        ),
        (Chain::ExpiresSoon, succeeds().chain(&usual).warned(Notice::CertExpiresSoon)),
        (Chain::Expired, fault(Cause::CertExpired).saying(name).saying("ended 10 days ago").chain(&usual)),
        (Chain::NotYetValid, fault(Cause::CertNotYetValid).saying(name).saying("begins in ").chain(&usual)),
        (Chain::ExpiredIntermediate, fault(Cause::CertExpired).saying("CN=Lab Intermediate CA of old").chain(&usual)),
        (
            Chain::IntermediateMissing,
            fault(Cause::CertIntermediateMissing)
                .saying(name)
                .saying("CN=Lab Intermediate CA")
                .saying("was not sent")
                .chain(&[Leaf]),
        ),
        (Chain::SelfSigned, fault(Cause::CertSelfSigned).saying(name).chain(&[Leaf])),
        (Chain::SelfSignedAuthority, fault(Cause::CertSelfSigned).saying(name).chain(&[Leaf])),
        (
            Chain::StrangeRootSent,
            fault(Cause::CertRootMismatch).saying("CN=Strange Root CA").saying("SHA-256").chain(&[
                Leaf,
                Intermediate,
                Root,
            ]),
        ),
        (
            Chain::StrangeRootNotSent,
            fault(Cause::CertIssuerMismatch)
                .saying("CN=Strange Intermediate CA")
                .saying("issued by")
                .saying("CN=Strange Root CA")
                .chain(&usual),
        ),
        (
            Chain::LeafNotFirst,
            fault(Cause::CertLeafNotFirst).saying(name).saying("certificate 2 of 2").chain(&[Intermediate, Leaf]),
        ),
        (Chain::LeafMissing, fault(Cause::CertLeafMissing).saying("2 CA certificates").chain(&[Intermediate, Root])),
        (
            Chain::WrongName,
            fault(Cause::CertNameMismatch)
                .saying("we expect app.lab.test")
                .saying("host_name of the backend setting")
                .saying("is for somebody-else.test")
                .chain(&usual),
        ),
        (
            Chain::CommonNameOnly,
            fault(Cause::CertNameMismatch).saying("Common Name app.lab.test").saying("clients refuse").chain(&usual),
        ),
        (Chain::ClientUsageOnly, fault(Cause::CertInvalid).saying(name).saying("serverAuth").chain(&usual)),
        (
            Chain::Tampered,
            fault(Cause::CertInvalid)
                .saying("the signature on")
                .saying(name)
                .saying("Lab Intermediate CA")
                .chain(&usual),
        ),
        (
            Chain::ForeignKey,
            fault(Cause::CertInvalid).saying("the handshake is not signed with the key of").chain(&usual),
        ),
        (
            Chain::NameConstraint,
            fault(Cause::CertInvalid).saying("is not among the names that it may issue for").chain(&usual),
        ),
        (
            Chain::PathLength,
            fault(Cause::CertInvalid).saying("allows 0 CAs below it").chain(&[Leaf, Intermediate, Intermediate]),
        ),
        (Chain::CriticalExtension, fault(Cause::CertInvalid).saying("critical extension").chain(&usual)),
        (
            Chain::IssuerNotAuthority,
            fault(Cause::CertInvalid).saying("another.lab.test").saying("is no CA").chain(&usual),
        ),
    ];
    let rows = table.iter().flat_map(|(chain, expected)| {
        let identity = secure.pki.identity(*chain, HOST).expect("a chain");
        everywhere(&format!("{chain:?}"), &identity, |probe| probe, &secure.trust, expected)
    });
    check(rows).await;
}

#[tokio::test]
async fn what_nobody_vouches_for_is_named_by_where_trust_comes_from() {
    let secure = Secure::new();
    // Somebody else's root stands for the well-known ones.
    let well_known = trusting(TrustMode::WellKnown, vec![secure.pki.strange_root.der()]);
    let configured = trusting(TrustMode::Configured, vec![secure.pki.strange_root.der()]);
    let both = trusting(TrustMode::Configured, vec![secure.pki.strange_root.der(), secure.pki.root.der()]);
    let identity = |chain| secure.pki.identity(chain, HOST).unwrap();
    let (sent, not_sent) = (identity(Chain::GoodWithRoot), identity(Chain::Good));
    let (whole, usual) = ([Leaf, Intermediate, Root], [Leaf, Intermediate]);
    let check = async |name: &str, identity: &Identity, trust: &Arc<Trust>, expected: Expected| {
        check(everywhere(name, identity, |probe| probe, trust, &expected)).await;
    };
    let root = "CN=Lab Root CA";
    check("root sent", &sent, &well_known, fault(Cause::CertRootNotWellKnown).saying(root).chain(&whole)).await;
    check("root not sent", &not_sent, &well_known, fault(Cause::CertIssuerNotWellKnown).saying(root).chain(&usual))
        .await;
    check("root sent", &sent, &configured, fault(Cause::CertRootMismatch).saying(root).chain(&whole)).await;
    check("root not sent", &not_sent, &configured, fault(Cause::CertIssuerMismatch).saying(root).chain(&usual)).await;
    check("one of two", &not_sent, &both, succeeds().chain(&usual)).await;
    let by_itself = identity(Chain::SelfSigned);
    check("self-signed", &by_itself, &well_known, fault(Cause::CertSelfSigned).chain(&[Leaf])).await;
    let missing = identity(Chain::IntermediateMissing);
    check("leaf only", &missing, &well_known, fault(Cause::CertIntermediateMissing).chain(&[Leaf])).await;

    // An intermediate that is configured is an anchor, whatever is above it.
    let intermediate = trusting(TrustMode::Configured, vec![secure.pki.intermediate.der()]);
    check("trusted intermediate", &missing, &intermediate, succeeds().chain(&[Leaf])).await;
    check("trusted intermediate, sent", &not_sent, &intermediate, succeeds().chain(&usual)).await;
}

#[tokio::test]
async fn a_certificate_that_is_configured_itself_is_its_own_anchor() {
    let secure = Secure::new();
    let by_itself = |profile: &Profile| Credential::self_signed(profile).unwrap();
    let by_ca = |profile: &Profile| secure.pki.intermediate.issue(profile).unwrap();
    let check = async |name: &str, credential: &Credential, others: &[&Credential], expected: Expected| {
        let trust = trusting(TrustMode::Configured, vec![credential.der()]);
        let identity = Identity::new(credential, others);
        check(everywhere(name, &identity, |probe| probe, &trust, &expected)).await;
    };
    let profile = || Profile::server(HOST);
    let past = Validity::days(-100, -10);
    check("self-signed", &by_itself(&profile()), &[], succeeds().chain(&[Leaf])).await;
    let authority = Profile { hosts: vec![HOST.to_owned()], ..Profile::authority(HOST) };
    check("self-signed CA", &by_itself(&authority), &[], succeeds().chain(&[Leaf])).await;
    check("from a CA that is not trusted", &by_ca(&profile()), &[], succeeds().chain(&[Leaf])).await;
    check("with its CA", &by_ca(&profile()), &[&secure.pki.intermediate], succeeds().chain(&[Leaf, Intermediate]))
        .await;

    let expired = || fault(Cause::CertExpired).saying("CN=app.lab.test").chain(&[Leaf]);
    check("expired", &by_itself(&Profile { validity: past, ..profile() }), &[], expired()).await;
    check("expired CA", &by_itself(&Profile { validity: past, ..authority }), &[], expired()).await;
    check("expired, from a CA", &by_ca(&Profile { validity: past, ..profile() }), &[], expired()).await;
    let for_clients = Profile { validity: past, usages: vec![Usage::Client], ..profile() };
    check("expired, for clients", &by_ca(&for_clients), &[], expired()).await;
    let other = Profile::server("other.test");
    check("another name", &by_itself(&other), &[], fault(Cause::CertNameMismatch).chain(&[Leaf])).await;
    let soon = Profile { validity: Validity::days(-80, 10), ..profile() };
    check("ends soon", &by_itself(&soon), &[], succeeds().chain(&[Leaf]).warned(Notice::CertExpiresSoon)).await;
}

#[tokio::test]
async fn a_trusted_root_outside_its_dates_breaks_the_path() {
    let secure = Secure::new();
    let old_root =
        Credential::self_signed(&Profile { validity: Validity::days(-300, -3), ..Profile::authority("Old Root") })
            .unwrap();
    let leaf = old_root.issue(&Profile::server(HOST)).unwrap();
    let trust = trusting(TrustMode::Configured, vec![old_root.der(), secure.pki.root.der()]);
    let expired = fault(Cause::CertExpired).saying("root").saying("CN=Old Root").saying("ended 3 days ago");
    let check = async |identity: Identity, expected: Expected| {
        check(everywhere("old root", &identity, |probe| probe, &trust, &expected)).await;
    };
    check(Identity::new(&leaf, &[]), expired.clone().chain(&[Leaf])).await;
    check(Identity::new(&leaf, &[&old_root]), expired.chain(&[Leaf, Root])).await;
}

#[tokio::test]
async fn names_and_addresses_are_matched_against_the_certificate() {
    let secure = Secure::new();
    let identity = |host: &str| secure.pki.identity(Chain::Good, host).unwrap();
    let two = Profile { hosts: vec!["*.lab.test".to_owned(), "127.0.0.1".to_owned()], ..Profile::server("many") };
    let many = Identity::new(&secure.pki.intermediate.issue(&two).unwrap(), &[&secure.pki.intermediate]);
    let usual = [Leaf, Intermediate];
    let check = async |identity: &Identity, name: &str, expected: Expected| {
        let expected = expected.chain(&usual);
        check(everywhere(name, identity, |probe| probe.named(name), &secure.trust, &expected)).await;
    };
    let mismatch = || fault(Cause::CertNameMismatch);
    check(&identity("127.0.0.1"), "127.0.0.1", succeeds()).await;
    check(&identity("127.0.0.1"), "[127.0.0.1]", succeeds()).await;
    check(&identity("::1"), "::1", succeeds()).await;
    check(&identity("127.0.0.1"), "127.0.0.2", mismatch().saying("we expect 127.0.0.2").saying("is for 127.0.0.1"))
        .await;
    check(&identity(HOST), "127.0.0.1", mismatch().saying("is for app.lab.test")).await;
    check(&identity("127.0.0.1"), HOST, mismatch().saying("is for 127.0.0.1")).await;
    check(&many, "a.lab.test", succeeds()).await;
    check(&many, "127.0.0.1", succeeds()).await;
    check(&many, "a.b.lab.test", mismatch().saying("*.lab.test, 127.0.0.1")).await;
    check(&many, "lab.test", mismatch()).await;
}

#[tokio::test]
async fn a_name_mismatch_says_which_key_the_name_came_from() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::WrongName, HOST).unwrap();
    for (source, words) in [
        (NameSource::SniName, "(from sni_name of the backend setting)"),
        (NameSource::ProbeHost, "(from host of the probe)"),
        (NameSource::SettingHostName, "(from host_name of the backend setting)"),
        (NameSource::Server, "(from the server's own name)"),
    ] {
        let expected = fault(Cause::CertNameMismatch).saying(words).chain(&[Leaf, Intermediate]);
        let change = |probe: Probe| probe.with_tls(|tls| tls.name_source = source);
        check(everywhere(words, &identity, change, &secure.trust, &expected)).await;
    }
}

#[tokio::test]
async fn revoked_certificates_are_refused_by_the_configured_lists_only() {
    let secure = Secure::new();
    let pki = &secure.pki;
    let (revoked, other) = (Profile::server(HOST), Profile::server(HOST));
    let (revoked, other) = (pki.intermediate.issue(&revoked).unwrap(), pki.intermediate.issue(&other).unwrap());
    let identity = Identity::new(&revoked, &[&pki.intermediate]);
    let usual = [Leaf, Intermediate];
    let check = async |name: &str, lists: Vec<CertificateRevocationListDer<'static>>, expected: Expected| {
        let trust = Arc::new(Trust::new(TrustMode::Configured, vec![pki.root.der()], lists).unwrap());
        check(everywhere(name, &identity, |probe| probe, &trust, &expected.chain(&usual))).await;
    };
    let list = |issuer: &Credential, revoked: &[&Credential]| issuer.revocation_list(revoked).unwrap();
    check("no list", vec![], succeeds()).await;
    check("an empty list", vec![list(&pki.intermediate, &[])], succeeds()).await;
    check("another one's", vec![list(&pki.intermediate, &[&other])], succeeds()).await;
    check("another issuer's", vec![list(&pki.strange_root, &[&revoked])], succeeds()).await;
    let by_leaf = fault(Cause::CertRevoked).saying("CN=app.lab.test").saying("serial").saying("CN=Lab Intermediate CA");
    check("the leaf", vec![list(&pki.root, &[]), list(&pki.intermediate, &[&other, &revoked])], by_leaf).await;
    let by_intermediate =
        fault(Cause::CertRevoked).saying("CN=Lab Intermediate CA").saying("list of").saying("CN=Lab Root CA");
    check("the intermediate", vec![list(&pki.root, &[&pki.intermediate])], by_intermediate).await;
}

#[tokio::test]
async fn every_usual_kind_of_key_is_accepted() {
    let secure = Secure::new();
    for key in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let identity = secure.pki.identity_with_key(key, HOST).unwrap();
        let expected = succeeds().chain(&[Leaf, Intermediate]);
        check(everywhere(&format!("{key:?}"), &identity, |probe| probe, &secure.trust, &expected)).await;
    }
}

#[tokio::test]
async fn with_a_check_off_its_faults_are_warnings() {
    let secure = Secure::new();
    let no_chain = |probe: Probe| probe.with_tls(|tls| tls.validate_chain = false);
    let no_name = |probe: Probe| probe.with_tls(|tls| tls.validate_name = false);
    let neither = |probe: Probe| no_name(no_chain(probe));
    let check = async |chain: Chain, change: &dyn Fn(Probe) -> Probe, expected: Expected| {
        let identity = secure.pki.identity(chain, HOST).unwrap();
        check(everywhere(&format!("{chain:?}"), &identity, change, &secure.trust, &expected)).await;
    };
    let (usual, whole) = ([Leaf, Intermediate], [Leaf, Intermediate, Root]);
    let warned = |causes: &[Cause]| succeeds().warned_of(causes).chain(&usual);
    check(Chain::Good, &neither, succeeds().chain(&usual)).await;
    check(Chain::Expired, &no_chain, warned(&[Cause::CertExpired])).await;
    check(Chain::NotYetValid, &no_chain, warned(&[Cause::CertNotYetValid])).await;
    check(Chain::StrangeRootNotSent, &no_chain, warned(&[Cause::CertIssuerMismatch])).await;
    check(Chain::StrangeRootSent, &no_chain, warned(&[Cause::CertRootMismatch]).chain(&whole)).await;
    check(Chain::SelfSigned, &no_chain, warned(&[Cause::CertSelfSigned]).chain(&[Leaf])).await;
    check(Chain::IntermediateMissing, &no_chain, warned(&[Cause::CertIntermediateMissing]).chain(&[Leaf])).await;
    check(Chain::ClientUsageOnly, &no_chain, warned(&[Cause::CertInvalid])).await;
    check(Chain::WrongName, &no_name, warned(&[Cause::CertNameMismatch])).await;
    check(Chain::WrongName, &neither, warned(&[Cause::CertNameMismatch])).await;
    // The other check goes on.
    check(Chain::WrongName, &no_chain, fault(Cause::CertNameMismatch).chain(&usual)).await;
    check(Chain::Expired, &no_name, fault(Cause::CertExpired).chain(&usual)).await;
    // The handshake's own signature is always checked.
    let signature = || fault(Cause::CertInvalid).saying("the handshake is not signed with the key of");
    check(Chain::ForeignKey, &neither, signature().chain(&usual)).await;
    check(
        Chain::LeafNotFirst,
        &neither,
        signature().warned_of(&[Cause::CertLeafNotFirst]).chain(&[Intermediate, Leaf]),
    )
    .await;
}
