//! Servers that ask for a client certificate: what they do without one, with ours, and with one that they do not like.

use std::sync::Arc;

use backend_health_exporter::lab::tls::{Credential, Profile, Validity};
use backend_health_exporter::probe::ClientCertificate;
use backend_health_exporter::verdict::Role::{Intermediate, Leaf};
use backend_health_exporter::verdict::{Cause, Side};

use super::files::{Files, and};
use super::{Expected, Row, check, fails, row, succeeds};

fn shown(credential: &Credential) -> Arc<ClientCertificate> {
    Arc::new(ClientCertificate::new(vec![credential.der()], credential.key_der()).expect("a usable pair"))
}

fn required(words: &str) -> Expected {
    fails(Cause::TlsClientCertificateRequired, Side::Gateway).saying(words)
}

fn rejected(words: &str) -> Expected {
    fails(Cause::TlsClientCertificateRejected, Side::Gateway).saying(words)
}

#[tokio::test]
async fn a_client_certificate_is_required_optional_rejected_or_accepted() {
    let files = Files::new();
    let server = files.usual();
    let pki = &files.secure.pki;
    let ours = shown(&pki.root.issue(&Profile::client("us")).unwrap());
    let strange = shown(&pki.strange_root.issue(&Profile::client("us")).unwrap());
    let by_itself = shown(&Credential::self_signed(&Profile::client("us")).unwrap());
    let of_old = Profile { validity: Validity::days(-100, -10), ..Profile::client("us") };
    let of_old = shown(&pki.root.issue(&of_old).unwrap());
    let for_servers = shown(&pki.root.issue(&Profile::server("us")).unwrap());
    // What is asked for, what we have, what becomes of it under TLS 1.2 and under 1.3.
    let (asks, wants) = ("-verify 3", "-Verify 3");
    let well = || [succeeds(), succeeds()];
    let unknown_ca = || [rejected("unknown_ca (48)"), rejected("unknown_ca (48)")];
    let table = [
        (wants, "none", None, [required("handshake_failure (40)"), required("certificate_required (116)")]),
        (wants, "ours", Some(&ours), well()),
        (wants, "another CA's", Some(&strange), unknown_ca()),
        (wants, "self-signed", Some(&by_itself), unknown_ca()),
        (wants, "expired", Some(&of_old), [rejected("certificate_expired (45)"), rejected("certificate_expired (45)")]),
        (
            wants,
            "a server's",
            Some(&for_servers),
            [rejected("unsupported_certificate (43)"), rejected("unsupported_certificate (43)")],
        ),
        (asks, "none", None, well()),
        (asks, "ours", Some(&ours), well()),
        (asks, "another CA's", Some(&strange), unknown_ca()),
    ];
    let root = files.path("root.pem");
    let credential = pki.root.issue(&Profile::client("s_client")).unwrap();
    let (certificate, key) =
        (files.write("client.pem", &credential.pem()), files.write("client.key", &credential.key_pem()));
    let client = and(&[], &format!("-cert {certificate} -key {key}"));
    let mut rows = Vec::new();
    for (how, name, certificate, expected) in table {
        let versions = [("-tls1_2", "TLS 1.2", "TLS_ECDHE_ECDSA_"), ("-tls1_3", "TLS 1.3", "TLS_AES_")];
        for ((flag, version, suite), expected) in versions.into_iter().zip(expected) {
            let arguments = and(&server, &format!("{flag} {how} -verify_return_error -CAfile {root}"));
            let expected = expected.over(version, suite).chain(&[Leaf, Intermediate]);
            let row = row(format!("{flag} {how}, we have {name}"), arguments, &files.secure.trust, expected);
            let row = Row { client: client.clone(), ..row };
            rows.push(match certificate {
                Some(certificate) => row.probed(|probe| probe.showing(certificate)),
                None => row,
            });
        }
    }
    check(rows).await;
}
