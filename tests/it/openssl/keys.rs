//! Kinds of keys: those that are accepted, and how the others are told.

use backend_health_exporter::verdict::Role::{Intermediate, Leaf};
use backend_health_exporter::verdict::{Cause, Side};

use super::files::{Files, and};
use super::{Expected, Row, check, fails, row, succeeds};

/// The key, over TLS 1.2 and over 1.3.
struct Both {
    tls12: Expected,
    tls13: Expected,
}

fn rows(files: &Files, name: &str, server: &[String], expected: Both) -> [Row; 2] {
    let Both { tls12, tls13 } = expected;
    let lax = "-cipher ALL:@SECLEVEL=0";
    [("-tls1_2", tls12), ("-tls1_3", tls13)].map(|(flag, expected)| {
        row(format!("{name} {flag}"), and(server, &format!("{flag} {lax}")), &files.secure.trust, expected)
    })
}

#[tokio::test]
async fn keys_of_the_usual_kinds_and_sizes_are_accepted() {
    let files = Files::new();
    let mut all = Vec::new();
    for (name, suite, genpkey) in [
        ("P-256", "TLS_ECDHE_ECDSA_", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
        ("P-384", "TLS_ECDHE_ECDSA_", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
        ("P-521", "TLS_ECDHE_ECDSA_", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
        ("Ed25519", "TLS_ECDHE_ECDSA_", "-algorithm ED25519"),
        ("RSA-2048", "TLS_ECDHE_RSA_", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        // Several primes: made much faster, and nobody can tell from the public key.
        ("RSA-4096", "TLS_ECDHE_RSA_", "-algorithm RSA -pkeyopt rsa_keygen_bits:4096 -pkeyopt rsa_keygen_primes:4"),
        ("RSA-8192", "TLS_ECDHE_RSA_", "-algorithm RSA -pkeyopt rsa_keygen_bits:8192 -pkeyopt rsa_keygen_primes:5"),
    ] {
        let server = files.with_key(name, &genpkey.split(' ').collect::<Vec<_>>());
        let well = succeeds().chain(&[Leaf, Intermediate]);
        let tls12 = match name {
            // To OpenSSL the curve of such a key is a group, and we do not offer that one.
            "P-521" => fails(Cause::TlsCipherMismatch, Side::Server).saying("an unusual curve").chain(&well.chain),
            _ => well.clone().over("TLS 1.2", suite),
        };
        all.extend(rows(&files, name, &server, Both { tls12, tls13: well.over("TLS 1.3", "TLS_AES_") }));
    }
    check(all).await;
}

#[tokio::test]
async fn certificates_signed_with_a_longer_digest_are_accepted() {
    let files = Files::new();
    let mut all = Vec::new();
    for digest in ["-sha384", "-sha512"] {
        let server = files.with_key_signed(digest, &["-algorithm", "ED25519"], digest);
        let well = succeeds().chain(&[Leaf, Intermediate]);
        let expected =
            Both { tls12: well.clone().over("TLS 1.2", "TLS_ECDHE_ECDSA_"), tls13: well.over("TLS 1.3", "TLS_AES_") };
        all.extend(rows(&files, digest, &server, expected));
    }
    check(all).await;
}

#[tokio::test]
async fn keys_that_no_scheme_of_ours_can_verify_are_told_from_the_certificate() {
    let files = Files::new();
    let dsa = files.parameters("dsa.parameters", &["-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024"]);
    // The certificate comes to one who says that every scheme will do: by TLS 1.2 in clear, by TLS 1.3 in a handshake.
    let invalid = |kind: &str| {
        let words = format!("its key is of a kind that is not accepted ({kind})");
        fails(Cause::CertInvalid, Side::Server).saying("CN=app.lab.test").saying(&words).chain(&[Leaf, Intermediate])
    };
    // OpenSSL does not think that it can speak TLS 1.3 with such a key, whatever it was told.
    let no_tls13 = || fails(Cause::TlsVersionMismatch, Side::Server).saying("protocol_version (70)");
    let mut all = Vec::new();
    for (name, genpkey, tls13) in [
        ("DSA", format!("-paramfile {dsa}"), no_tls13()),
        ("secp256k1", "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1".to_owned(), no_tls13()),
        ("Ed448", "-algorithm ED448".to_owned(), invalid("Ed448")),
        ("RSA-PSS", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048".to_owned(), invalid("RSA-PSS")),
    ] {
        let server = files.with_key(name, &genpkey.split(' ').collect::<Vec<_>>());
        let tls12 = invalid(if name == "secp256k1" { "ECDSA secp256k1" } else { name });
        all.extend(rows(&files, name, &server, Both { tls12, tls13 }));
    }
    // A server of both versions that can finish neither: OpenSSL thinks that such a key does for TLS 1.3.
    for (name, genpkey, kind) in [
        ("RSA-512", "-algorithm RSA -pkeyopt rsa_keygen_bits:512", "only 512 bits"),
        ("Ed448 again", "-algorithm ED448", "(Ed448)"),
        ("RSA-PSS again", "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048", "(RSA-PSS)"),
    ] {
        let server = files.with_key(name, &genpkey.split(' ').collect::<Vec<_>>());
        let expected = fails(Cause::CertInvalid, Side::Server).saying(kind).chain(&[Leaf, Intermediate]);
        let server = and(&server, "-cipher ALL:@SECLEVEL=0");
        all.push(row(name.to_owned(), server, &files.secure.trust, expected));
    }
    check(all).await;
}

#[tokio::test]
async fn weak_keys_and_signatures_are_the_certificates_fault() {
    let files = Files::new();
    let invalid = |words: &str| {
        fails(Cause::CertInvalid, Side::Server).saying(words).saying("CN=app.lab.test").chain(&[Leaf, Intermediate])
    };
    let both = |suite, expected: &Expected| Both {
        tls12: expected.clone().over("TLS 1.2", suite),
        tls13: expected.clone().over("TLS 1.3", "TLS_AES_"),
    };
    let rsa_1024 = files.with_key("RSA-1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let mut all: Vec<Row> = rows(&files, "RSA-1024", &rsa_1024, both("TLS_ECDHE_RSA_", &invalid("1024"))).into();
    for digest in ["-sha1", "-sha224"] {
        let server = files.with_key_signed(digest, &["-algorithm", "ED25519"], digest);
        all.extend(rows(&files, digest, &server, both("TLS_ECDHE_ECDSA_", &invalid("signed"))));
    }
    check(all).await;
}

#[tokio::test]
async fn a_serial_number_is_shown_without_the_zero_of_its_encoding() {
    let files = Files::new();
    let server = files.with_key_signed("serial", &["-algorithm", "ED25519"], "-sha256 -set_serial 0xff01");
    let well = succeeds().chain(&[Leaf, Intermediate]);
    let (tls12, tls13) = (well.clone().over("TLS 1.2", "TLS_ECDHE_ECDSA_"), well.over("TLS 1.3", "TLS_AES_"));
    check(rows(&files, "serial", &server, Both { tls12, tls13 }).into()).await;
}
