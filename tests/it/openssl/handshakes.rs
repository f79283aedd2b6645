//! Versions, suites, groups, signature schemes, names and protocols: what the server has, and what is made of it.

use backend_health_exporter::lab::tls::Profile;
use backend_health_exporter::verdict::Role::{Intermediate, Leaf};
use backend_health_exporter::verdict::{Cause, Side};

use super::files::{Files, and};
use super::{Expected, Row, check, fails, row, succeeds};
use crate::faults::{HOST, Probe};

const USUAL: [backend_health_exporter::verdict::Role; 2] = [Leaf, Intermediate];

/// Rows of servers with a P-256 key, and with an RSA key, that have these further arguments.
struct Servers {
    files: Files,
    ec: Vec<String>,
    rsa: Vec<String>,
}

impl Servers {
    fn new() -> Self {
        let files = Files::new();
        let ec = files.usual();
        let rsa = files.with_key("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
        Self { files, ec, rsa }
    }

    fn ec(&self, arguments: &str, expected: Expected) -> Row {
        row(arguments, and(&self.ec, arguments), &self.files.secure.trust, expected)
    }

    fn rsa(&self, arguments: &str, expected: Expected) -> Row {
        row(arguments, and(&self.rsa, arguments), &self.files.secure.trust, expected)
    }

    fn bare(&self, arguments: &str, expected: Expected) -> Row {
        row(arguments, and(&[], arguments), &self.files.secure.trust, expected)
    }
}

#[tokio::test]
async fn a_common_version_and_suite_are_told_as_iana_names_them() {
    let servers = Servers::new();
    let agreed = |version, suite| succeeds().over(version, suite).chain(&USUAL);
    let mut rows = vec![
        servers.ec("-tls1_2", agreed("TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_")),
        servers.ec("-tls1_3", agreed("TLS 1.3", "TLS_AES_")),
        servers.ec("", agreed("TLS 1.3", "TLS_AES_")),
    ];
    for suite in ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] {
        rows.push(servers.ec(&format!("-tls1_3 -ciphersuites {suite}"), agreed("TLS 1.3", suite)));
    }
    for (kind, suite) in [
        ("AES128-GCM-SHA256", "AES_128_GCM_SHA256"),
        ("AES256-GCM-SHA384", "AES_256_GCM_SHA384"),
        ("CHACHA20-POLY1305", "CHACHA20_POLY1305_SHA256"),
    ] {
        let (ec, rsa) = (format!("TLS_ECDHE_ECDSA_WITH_{suite}"), format!("TLS_ECDHE_RSA_WITH_{suite}"));
        rows.push(servers.ec(&format!("-tls1_2 -cipher ECDHE-ECDSA-{kind}"), agreed("TLS 1.2", leak(ec))));
        rows.push(servers.rsa(&format!("-tls1_2 -cipher ECDHE-RSA-{kind}"), agreed("TLS 1.2", leak(rsa))));
    }
    for group in ["X25519", "P-256", "P-384"] {
        rows.push(servers.ec(&format!("-tls1_2 -groups {group}"), agreed("TLS 1.2", "TLS_ECDHE_")));
        rows.push(servers.ec(&format!("-tls1_3 -groups {group}"), agreed("TLS 1.3", "TLS_AES_")));
    }
    check(rows).await;
}

#[tokio::test]
async fn versions_of_old_are_named_with_the_suite_that_the_server_would_take() {
    let servers = Servers::new();
    let old = |version: &str, suite: &str| {
        let what = format!("offered every version, it chose {version} with {suite}");
        fails(Cause::TlsVersionMismatch, Side::Server).saying("we offer TLS 1.2 and 1.3").saying(&what).chain(&USUAL)
    };
    let cipher = "-cipher ALL:@SECLEVEL=0";
    check(vec![
        servers.ec(&format!("-tls1 {cipher}"), old("TLS 1.0", "TLS_ECDHE_ECDSA_WITH_AES_")),
        servers.ec(&format!("-tls1_1 {cipher}"), old("TLS 1.1", "TLS_ECDHE_ECDSA_WITH_AES_")),
        servers.rsa(&format!("-tls1 {cipher}"), old("TLS 1.0", "TLS_ECDHE_RSA_WITH_AES_")),
        servers.rsa("-tls1 -cipher AES128-SHA:@SECLEVEL=0", old("TLS 1.0", "TLS_RSA_WITH_AES_128_CBC_SHA")),
        servers.rsa("-tls1_1 -cipher DHE-RSA-AES256-SHA:@SECLEVEL=0", old("TLS 1.1", "TLS_DHE_RSA_WITH_AES_256_CBC_")),
    ])
    .await;
}

#[tokio::test]
async fn suites_that_we_do_not_offer_are_named_beside_ours() {
    let servers = Servers::new();
    let mismatch = |suite: &str, version: &str, ours: &str| {
        fails(Cause::TlsCipherMismatch, Side::Server)
            .saying("handshake_failure (40)")
            .saying(&format!("it chose {suite} ({version})"))
            .saying(&format!("of that version we offer {ours}"))
    };
    let tls12 = |suite: &str| mismatch(suite, "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ").chain(&USUAL);
    // A server of TLS 1.3 shows its certificates to nobody who has not agreed on keys.
    let tls13 = |suite: &str| mismatch(suite, "TLS 1.3", "TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, ");
    let mut rows = Vec::new();
    for (cipher, suite) in [
        ("ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        ("ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
        ("ECDHE-ECDSA-AES128-CCM", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
        ("ECDHE-ECDSA-CAMELLIA128-SHA256", "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256"),
    ] {
        rows.push(servers.ec(&format!("-tls1_2 -cipher {cipher}"), tls12(suite)));
    }
    for (cipher, suite) in [
        ("ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
        ("AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        ("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
        ("AES128-CCM", "TLS_RSA_WITH_AES_128_CCM"),
        ("DHE-RSA-AES128-GCM-SHA256", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("DHE-RSA-AES256-SHA", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
        ("CAMELLIA128-SHA", "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
        ("DHE-RSA-CAMELLIA256-SHA256", "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256"),
        ("ARIA128-GCM-SHA256", "TLS_RSA_WITH_ARIA_128_GCM_SHA256"),
    ] {
        rows.push(servers.rsa(&format!("-tls1_2 -cipher {cipher}"), tls12(suite)));
    }
    for suite in ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"] {
        rows.push(servers.ec(&format!("-tls1_3 -ciphersuites {suite}"), tls13(suite)));
    }
    check(rows).await;
}

#[tokio::test]
async fn suites_without_certificate_or_encryption_are_named_too() {
    let servers = Servers::new();
    let chose = |suite: &str| {
        fails(Cause::TlsCipherMismatch, Side::Server)
            .saying("handshake_failure (40)")
            .saying(&format!("it chose {suite} (TLS 1.2)"))
    };
    let nocert = "-nocert -tls1_2 -cipher";
    check(vec![
        servers
            .bare(&format!("{nocert} ADH-AES128-GCM-SHA256:@SECLEVEL=0"), chose("TLS_DH_anon_WITH_AES_128_GCM_SHA256")),
        servers.bare(&format!("{nocert} AECDH-AES128-SHA:@SECLEVEL=0"), chose("TLS_ECDH_anon_WITH_AES_128_CBC_SHA")),
        servers.bare(&format!("{nocert} PSK-AES128-GCM-SHA256 -psk 1a2b"), chose("TLS_PSK_WITH_AES_128_GCM_SHA256")),
        servers.rsa("-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0", chose("TLS_RSA_WITH_NULL_SHA256").chain(&USUAL)),
    ])
    .await;
}

#[tokio::test]
async fn a_server_that_takes_only_pre_shared_keys_does_not_say_what_it_minds() {
    let servers = Servers::new();
    let expected =
        fails(Cause::TlsAlert, Side::Gateway).saying("handshake_failure (40)").saying("these are not the reason");
    check(vec![servers.bare("-nocert -tls1_3 -psk 1a2b", expected)]).await;
}

#[tokio::test]
async fn groups_that_we_do_not_offer_are_named_beside_ours() {
    let servers = Servers::new();
    let chose = |group: &str, version: &str| {
        fails(Cause::TlsCipherMismatch, Side::Server)
            .saying("handshake_failure (40)")
            .saying(&format!("offered every group, it chose {group} with TLS_"))
            .saying(&format!("({version}), and we offer X25519, secp256r1, secp384r1"))
    };
    let tls12 = |group: &str| chose(group, "TLS 1.2").chain(&USUAL);
    let tls13 = |group: &str| chose(group, "TLS 1.3");
    let ecdhe = "-tls1_2 -cipher ECDHE";
    check(vec![
        servers.rsa(&format!("{ecdhe} -groups P-521"), tls12("secp521r1")),
        servers.rsa(&format!("{ecdhe} -groups X448"), tls12("X448")),
        servers.rsa(&format!("{ecdhe} -groups brainpoolP256r1"), tls12("brainpoolP256r1")),
        servers.rsa(&format!("{ecdhe} -groups secp256k1"), tls12("secp256k1")),
        servers.ec("-tls1_3 -groups P-521", tls13("secp521r1")),
        servers.ec("-tls1_3 -groups X448", tls13("X448")),
        servers.ec("-tls1_3 -groups ffdhe2048", tls13("FFDHE2048")),
        servers.ec("-tls1_3 -groups ffdhe8192", tls13("FFDHE8192")),
        // Whoever can do without it is well.
        servers.ec("-tls1_3 -groups P-521:P-256", succeeds().over("TLS 1.3", "TLS_AES_").chain(&USUAL)),
    ])
    .await;
}

#[tokio::test]
async fn signature_schemes_that_we_do_not_offer_are_what_is_left() {
    let servers = Servers::new();
    let scheme = fails(Cause::TlsCipherMismatch, Side::Server)
        .saying("handshake_failure (40)")
        .saying("offered every signature scheme, too, it goes on with TLS_ECDHE_RSA_WITH_")
        .chain(&USUAL);
    check(vec![
        servers.rsa("-tls1_2 -sigalgs RSA+SHA1 -cipher ALL:@SECLEVEL=0", scheme.clone()),
        servers.rsa("-tls1_2 -sigalgs RSA+SHA224 -cipher ALL:@SECLEVEL=0", scheme),
        servers.rsa("-tls1_2 -sigalgs RSA+SHA256", succeeds().over("TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_").chain(&USUAL)),
    ])
    .await;
}

#[tokio::test]
async fn names_that_the_server_does_not_know_are_ours_to_mend() {
    let servers = Servers::new();
    // The server has a second certificate, without its intermediate, for those who send the name that it knows.
    let second = servers.files.secure.pki.intermediate.issue(&Profile::server(HOST)).unwrap();
    let (certificate, key) =
        (servers.files.write("second.pem", &second.pem()), servers.files.write("second.key", &second.key_pem()));
    let second = format!("-cert2 {certificate} -key2 {key}");
    let refused = fails(Cause::TlsUnrecognizedName, Side::Gateway).saying("unrecognized_name (112)").saying(HOST);
    let found = fails(Cause::CertIntermediateMissing, Side::Server).saying(HOST).chain(&[Leaf]);
    let mismatch = fails(Cause::CertNameMismatch, Side::Gateway).saying("127.41.0.1").chain(&USUAL);
    let unnamed = |version| servers.ec(&format!("{version} -servername {HOST} -servername_fatal {second}"), succeeds());
    let mut rows = Vec::new();
    for (flag, version, suite) in [("-tls1_2", "TLS 1.2", "TLS_ECDHE_"), ("-tls1_3", "TLS 1.3", "TLS_AES_")] {
        let other = format!("{flag} -servername other.lab.test -servername_fatal {second}");
        rows.push(servers.ec(&other, refused.clone()));
        let own = format!("{flag} -servername {HOST} -servername_fatal {second}");
        rows.push(servers.ec(&own, found.clone().over(version, suite)));
        // An address is not sent, and the server takes its first certificate.
        let by_address = Row { expected: mismatch.clone().over(version, suite), ..unnamed(flag) };
        rows.push(by_address.probed(|probe| probe.named("127.41.0.1")));
    }
    check(rows).await;
}

#[tokio::test]
async fn a_server_without_our_application_protocol_refuses_https_only() {
    let servers = Servers::new();
    let over = |expected: Expected, flag| match flag {
        "-tls1_2" => expected.over("TLS 1.2", "TLS_ECDHE_"),
        _ => expected.over("TLS 1.3", "TLS_AES_"),
    };
    let mut rows = Vec::new();
    for flag in ["-tls1_2", "-tls1_3"] {
        let refused = fails(Cause::TlsAlert, Side::Server).saying("no_application_protocol (120)");
        let well = over(succeeds().chain(&USUAL), flag);
        let arguments = format!("{flag} -alpn h2");
        let trust = &servers.files.secure.trust;
        rows.push(Row { probes: vec![Probe::https(trust)], ..servers.ec(&arguments, refused) });
        rows.push(Row { probes: vec![Probe::tls(trust)], ..servers.ec(&arguments, well.clone()) });
        rows.push(servers.ec(&format!("{flag} -alpn h2,http/1.1"), well));
    }
    check(rows).await;
}

/// A name that is put together, for a table.
fn leak(text: String) -> &'static str {
    text.leak()
}
