//! Certificate chains that OpenSSL sends: dates, names, links, trust and revocation, under TLS 1.2 and 1.3.

use std::sync::Arc;

use backend_health_exporter::lab::tls::{Chain, Credential, Profile, Usage, Validity};
use backend_health_exporter::probe::{Trust, TrustMode};
use backend_health_exporter::verdict::Role::{Intermediate, Leaf, Root};
use backend_health_exporter::verdict::{Cause, Code, Notice, Role, Side};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::files::{Files, and};
use super::{Expected, Row, check, fails, row, succeeds};
use crate::faults::{HOST, Probe, trusting};

const USUAL: [Role; 2] = [Leaf, Intermediate];

/// Under TLS 1.2 and 1.3.
fn everywhere(name: &str, server: &[String], trust: &Arc<Trust>, expected: &Expected) -> Vec<Row> {
    let versions = [("-tls1_2", "TLS 1.2", "TLS_ECDHE_ECDSA_"), ("-tls1_3", "TLS 1.3", "TLS_AES_")];
    let rows = versions.into_iter().map(|(flag, version, suite)| {
        row(format!("{name} {flag}"), and(server, flag), trust, expected.clone().over(version, suite))
    });
    rows.collect()
}

fn server_fault(cause: Cause) -> Expected {
    fails(cause, Side::Server).chain(&USUAL)
}

fn gateway_fault(cause: Cause) -> Expected {
    fails(cause, Side::Gateway).chain(&USUAL)
}

fn well() -> Expected {
    succeeds().chain(&USUAL)
}

fn pem(der: &CertificateDer<'_>) -> String {
    armoured("CERTIFICATE", der)
}

fn armoured(what: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN {what}-----\n{}-----END {what}-----\n", lines.collect::<String>())
}

impl Files {
    /// A chain of the lab, as OpenSSL sends it.
    fn lab(&self, chain: Chain) -> Vec<String> {
        let identity = self.secure.pki.identity(chain, HOST).expect("a chain");
        let name = format!("{chain:?}");
        let PrivateKeyDer::Pkcs8(key) = &identity.key else { panic!("keys of the lab are in PKCS #8") };
        let key = self.write(&format!("{name}.key"), &armoured("PRIVATE KEY", key.secret_pkcs8_der()));
        let first = self.write(&format!("{name}.pem"), &pem(&identity.chain[0]));
        self.serving_files(&name, &first, &key, &identity.chain[1..].iter().map(pem).collect::<String>())
    }
}

#[tokio::test]
async fn chains_that_are_wrong_in_themselves_are_the_servers() {
    let files = Files::new();
    let subject = "CN=app.lab.test";
    let table = [
        (Chain::Good, well()),
        (Chain::GoodWithRoot, succeeds().chain(&[Leaf, Intermediate, Root])),
        (Chain::ExpiresSoon, well().warned(Code::Notice(Notice::CertExpiresSoon))),
        (Chain::Expired, server_fault(Cause::CertExpired).saying(subject).saying("ended 10 days ago")),
        (Chain::NotYetValid, server_fault(Cause::CertNotYetValid).saying(subject).saying("begins in ")),
        (Chain::ExpiredIntermediate, server_fault(Cause::CertExpired).saying("CN=Lab Intermediate CA of old")),
        (
            Chain::IntermediateMissing,
            server_fault(Cause::CertIntermediateMissing).saying("CN=Lab Intermediate CA").chain(&[Leaf]),
        ),
        (Chain::SelfSigned, server_fault(Cause::CertSelfSigned).saying(subject).chain(&[Leaf])),
        (Chain::SelfSignedAuthority, server_fault(Cause::CertSelfSigned).saying(subject).chain(&[Leaf])),
        (
            Chain::StrangeRootSent,
            gateway_fault(Cause::CertRootMismatch).saying("CN=Strange Root CA").chain(&[Leaf, Intermediate, Root]),
        ),
        (Chain::StrangeRootNotSent, gateway_fault(Cause::CertIssuerMismatch).saying("CN=Strange Intermediate CA")),
        (Chain::WrongName, gateway_fault(Cause::CertNameMismatch).saying(HOST).saying("somebody-else.test")),
        // No setting here can help it: the certificate has no name at all that counts.
        (Chain::CommonNameOnly, server_fault(Cause::CertNameMismatch).saying("Common Name")),
        (Chain::ClientUsageOnly, server_fault(Cause::CertInvalid).saying(subject).saying("serverAuth")),
        (Chain::Tampered, server_fault(Cause::CertInvalid).saying("signature").saying(subject)),
        (Chain::NameConstraint, server_fault(Cause::CertInvalid).saying("constrained")),
        (Chain::PathLength, server_fault(Cause::CertInvalid).chain(&[Leaf, Intermediate, Intermediate])),
        (Chain::CriticalExtension, server_fault(Cause::CertInvalid).saying("critical extension")),
        (Chain::IssuerNotAuthority, server_fault(Cause::CertInvalid).saying("another.lab.test").saying("no CA")),
    ];
    let rows = table.into_iter().flat_map(|(chain, expected)| {
        everywhere(&format!("{chain:?}"), &files.lab(chain), &files.secure.trust, &expected)
    });
    check(rows.collect()).await;
}

#[tokio::test]
async fn several_faults_at_once_are_all_told_the_weightiest_first() {
    let files = Files::new();
    let past = Validity::days(-100, -10);
    let strange = &files.secure.pki.strange_intermediate;
    let other = || Profile { validity: past, ..Profile::server("other.test") };
    let expired_and_other = files.serving_issued("expired-other", &other());
    let all_three = files.serving("strange-expired-other", &strange.issue(&other()).unwrap(), &[strange]);
    let alone = files.serving("alone", &files.secure.pki.intermediate.issue(&other()).unwrap(), &[]);
    let pki = &files.secure.pki;
    // With its own key: so it is the server's own, though it may not be.
    let authority = files.serving("authority", &pki.intermediate, &[&pki.root]);
    let by_itself = files.serving("itself", &Credential::self_signed(&other()).unwrap(), &[]);
    let for_clients = Profile { usages: vec![Usage::Client], ..other() };
    let for_clients = files.serving_issued("clients", &for_clients);
    let (expired, name) = (Cause::CertExpired, Cause::CertNameMismatch);
    let table = [
        ("expired, other name", expired_and_other, server_fault(expired).also(&[name])),
        ("expired, strange, other name", all_three, server_fault(expired).also(&[Cause::CertIssuerMismatch, name])),
        (
            "expired, incomplete, other name",
            alone,
            server_fault(expired).also(&[Cause::CertIntermediateMissing, name]).chain(&[Leaf]),
        ),
        (
            "expired, self-signed, other name",
            by_itself,
            server_fault(expired).also(&[Cause::CertSelfSigned, name]).chain(&[Leaf]),
        ),
        (
            "a CA's certificate and key",
            authority,
            server_fault(Cause::CertInvalid).saying("is a CA certificate").also(&[name]).chain(&[Leaf, Root]),
        ),
        ("for clients, expired, other name", for_clients, server_fault(Cause::CertInvalid).also(&[expired, name])),
    ];
    let rows = table
        .into_iter()
        .flat_map(|(what, server, expected)| everywhere(what, &server, &files.secure.trust, &expected));
    check(rows.collect()).await;
}

#[tokio::test]
async fn certificates_out_of_order_or_beyond_need_are_told_as_they_were_sent() {
    let files = Files::new();
    let pki = &files.secure.pki;
    let leaf = pki.intermediate.issue(&Profile::server(HOST)).unwrap();
    let lower = pki.intermediate.issue(&Profile::authority("Lab Lower CA")).unwrap();
    let deep = lower.issue(&Profile::server(HOST)).unwrap();
    let (intermediate, root) = (&pki.intermediate, &pki.root);
    let three = [Leaf, Intermediate, Intermediate];
    let table = [
        (
            "the CA first",
            files.serving("ca-first", intermediate, &[&leaf]),
            server_fault(Cause::CertLeafNotFirst).saying("CN=app.lab.test").chain(&[Intermediate, Leaf]),
        ),
        (
            "the root first",
            files.serving("root-first", root, &[intermediate, &leaf]),
            server_fault(Cause::CertLeafNotFirst).chain(&[Root, Intermediate, Leaf]),
        ),
        ("four deep", files.serving("deep", &deep, &[&lower, intermediate]), succeeds().chain(&three)),
        (
            "four deep, in disorder",
            files.serving("disorder", &deep, &[intermediate, &lower]),
            succeeds().chain(&three).warned(Code::Notice(Notice::ChainOutOfOrder)),
        ),
        (
            "a gap in the middle",
            files.serving("gap", &deep, &[intermediate]),
            server_fault(Cause::CertIntermediateMissing).saying("CN=Lab Lower CA"),
        ),
        (
            "a stranger's too",
            files.serving("stranger", &leaf, &[intermediate, &pki.strange_intermediate]),
            succeeds().chain(&three),
        ),
        (
            "root before intermediate",
            files.serving("root-second", &leaf, &[root, intermediate]),
            succeeds().chain(&[Leaf, Root, Intermediate]).warned(Code::Notice(Notice::ChainOutOfOrder)),
        ),
    ];
    let rows = table
        .into_iter()
        .flat_map(|(what, server, expected)| everywhere(what, &server, &files.secure.trust, &expected));
    check(rows.collect()).await;
}

#[tokio::test]
async fn trust_is_refused_by_where_it_comes_from() {
    let files = Files::new();
    let pki = &files.secure.pki;
    let (sent, not_sent) = (files.lab(Chain::GoodWithRoot), files.lab(Chain::Good));
    let by_itself = Credential::self_signed(&Profile::server(HOST)).unwrap();
    let own = trusting(TrustMode::Configured, vec![by_itself.der()]);
    let by_itself = files.serving("by-itself", &by_itself, &[]);
    let well_known = trusting(TrustMode::WellKnown, vec![pki.strange_root.der()]);
    let configured = trusting(TrustMode::Configured, vec![pki.strange_root.der()]);
    let whole = [Leaf, Intermediate, Root];
    let table = [
        ("root sent", &sent, &well_known, gateway_fault(Cause::CertRootNotWellKnown).chain(&whole)),
        ("root not sent", &not_sent, &well_known, gateway_fault(Cause::CertIssuerNotWellKnown)),
        ("root sent", &sent, &configured, gateway_fault(Cause::CertRootMismatch).chain(&whole)),
        ("root not sent", &not_sent, &configured, gateway_fault(Cause::CertIssuerMismatch)),
        ("self-signed", &by_itself, &well_known, server_fault(Cause::CertSelfSigned).chain(&[Leaf])),
        ("self-signed, and configured", &by_itself, &own, succeeds().chain(&[Leaf])),
    ];
    let rows = table.into_iter().flat_map(|(what, server, trust, expected)| {
        everywhere(&format!("{what}, {:?}", trust.mode()), server, trust, &expected)
    });
    check(rows.collect()).await;
}

#[tokio::test]
async fn names_and_addresses_are_matched_as_rfc_9525_says() {
    let files = Files::new();
    let hosts = ["*.lab.test", "exact.test", "127.41.0.1", "::1"].map(str::to_owned).to_vec();
    let server = files.serving_issued("many", &Profile { hosts, ..Profile::server("many") });
    let mismatch = |name: &str| gateway_fault(Cause::CertNameMismatch).saying(&format!("we expect {name}"));
    let table = [
        ("app.lab.test", well()),
        ("APP.Lab.Test", well()),
        ("exact.test", well()),
        ("127.41.0.1", well()),
        ("[::1]", well()),
        ("a.b.lab.test", mismatch("a.b.lab.test").saying("*.lab.test")),
        ("lab.test", mismatch("lab.test")),
        ("sub.exact.test", mismatch("sub.exact.test")),
        ("127.41.0.2", mismatch("127.41.0.2")),
    ];
    let rows = table.into_iter().flat_map(|(name, expected)| {
        let rows = everywhere(name, &server, &files.secure.trust, &expected).into_iter();
        rows.map(move |row| row.probed(|probe| probe.named(name)))
    });
    check(rows.collect()).await;
}

#[tokio::test]
async fn revoked_certificates_are_on_the_servers_side() {
    let files = Files::new();
    let pki = &files.secure.pki;
    let leaf = pki.intermediate.issue(&Profile::server(HOST)).unwrap();
    let server = files.serving("revoked", &leaf, &[&pki.intermediate]);
    let trust = |issuer: &Credential, revoked: &[&Credential]| {
        let list = issuer.revocation_list(revoked).unwrap();
        Arc::new(Trust::new(TrustMode::Configured, vec![pki.root.der()], vec![list]).unwrap())
    };
    let by_leaf = server_fault(Cause::CertRevoked).saying("CN=app.lab.test");
    let by_ca = server_fault(Cause::CertRevoked).saying("CN=Lab Intermediate CA");
    let mut rows = everywhere("the leaf", &server, &trust(&pki.intermediate, &[&leaf]), &by_leaf);
    rows.extend(everywhere("the intermediate", &server, &trust(&pki.root, &[&pki.intermediate]), &by_ca));
    rows.extend(everywhere("nobody", &server, &trust(&pki.intermediate, &[]), &well()));
    check(rows).await;
}

#[tokio::test]
async fn with_validation_off_faults_are_warnings() {
    let files = Files::new();
    let lax = |probe: Probe| {
        probe.with_tls(|tls| {
            tls.validate_chain = false;
            tls.validate_name = false;
        })
    };
    let table = [
        (Chain::Expired, well().warned(Code::Cause(Cause::CertExpired))),
        (Chain::StrangeRootNotSent, well().warned(Code::Cause(Cause::CertIssuerMismatch))),
        (Chain::SelfSigned, succeeds().chain(&[Leaf]).warned(Code::Cause(Cause::CertSelfSigned))),
        (Chain::WrongName, well().warned(Code::Cause(Cause::CertNameMismatch))),
    ];
    let rows = table.into_iter().flat_map(|(chain, expected)| {
        let rows = everywhere(&format!("{chain:?}"), &files.lab(chain), &files.secure.trust, &expected).into_iter();
        rows.map(|row| row.probed(lax))
    });
    check(rows.collect()).await;
}
