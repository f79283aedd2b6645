//! Certificate chains: what a verifying client says, and what was really sent.

use backend_health_exporter::lab::tls::{Chain, Identity, KeyAlgorithm, Pki, Profile, ServerTls};
use backend_health_exporter::lab::{Backend, Service, http};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::LOCALHOST;
use super::handshakes::{Client, Seen};

async fn handshake(identity: &Identity, client: &Client, host: &str) -> Seen {
    let tls = ServerTls::new(identity).expect("a usable key");
    let backend = Backend::start(LOCALHOST, Service::tls(&tls, http::ok())).expect("the backend starts");
    client.visit(backend.address(), host).await
}

/// What a client that trusts the lab's root says: nothing, or an error that contains this.
async fn check(pki: &Pki, chain: Chain, host: &str, wanted: Result<(), &str>) {
    let identity = pki.identity(chain, host).expect("a chain");
    let seen = handshake(&identity, &Client::trusting(&pki.root), host).await;
    match (seen.outcome, wanted) {
        (Ok(visit), Ok(())) => assert!(visit.received.starts_with(b"HTTP/1.1 200 "), "{chain:?}"),
        (Err(error), Err(wanted)) => assert!(error.contains(wanted), "{chain:?}: {error}"),
        (outcome, _) => panic!("{chain:?}: {outcome:?}, not {wanted:?}"),
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_root_says_what_is_wrong_with_each_chain() {
    let pki = Pki::new().expect("a PKI");
    let host = "app.lab.test";
    for chain in [
        Chain::Good,
        Chain::GoodWithRoot,
        Chain::RootBeforeIntermediate,
        Chain::GoodWithExpiredExtra,
        Chain::ExpiresSoon,
    ] {
        check(&pki, chain, host, Ok(())).await;
    }
    check(&pki, Chain::Good, "127.0.0.1", Ok(())).await;
    check(&pki, Chain::Good, "::1", Ok(())).await;
    for (chain, wanted) in [
        (Chain::Expired, "Expired"),
        (Chain::NotYetValid, "NotValidYet"),
        (Chain::ExpiredIntermediate, "Expired"),
        (Chain::IntermediateMissing, "UnknownIssuer"),
        (Chain::SelfSigned, "UnknownIssuer"),
        (Chain::SelfSignedAuthority, "CaUsedAsEndEntity"),
        (Chain::StrangeRootSent, "UnknownIssuer"),
        (Chain::StrangeRootNotSent, "UnknownIssuer"),
        (Chain::LeafNotFirst, "CaUsedAsEndEntity"),
        (Chain::LeafMissing, "CaUsedAsEndEntity"),
        (Chain::WrongName, "NotValidForName"),
        (Chain::CommonNameOnly, "NotValidForName"),
        (Chain::ClientUsageOnly, "InvalidPurpose"),
        (Chain::Tampered, "BadSignature"),
        (Chain::ForeignKey, "BadSignature"),
        (Chain::NameConstraint, "NameConstraintViolation"),
        (Chain::PathLength, "PathLenConstraintViolated"),
        (Chain::CriticalExtension, "UnsupportedCriticalExtension"),
        (Chain::IssuerNotAuthority, "EndEntityUsedAsCa"),
    ] {
        check(&pki, chain, host, Err(wanted)).await;
    }
}

/// The Common Names of what was sent, in its order.
fn names_sent(seen: &Seen) -> Vec<String> {
    let name = |der: &Vec<u8>| {
        let (_, certificate) = X509Certificate::from_der(der).expect("a certificate");
        certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or("").to_owned()
    };
    seen.chain.iter().map(name).collect()
}

#[tokio::test]
async fn certificates_are_sent_in_the_order_that_the_chain_is_named_for() {
    let pki = Pki::new().expect("a PKI");
    let client = Client::accepting_anything();
    let leaf = "app.lab.test";
    for (chain, wanted) in [
        (Chain::Good, &[leaf, "Lab Intermediate CA"][..]),
        (Chain::GoodWithRoot, &[leaf, "Lab Intermediate CA", "Lab Root CA"]),
        (Chain::GoodWithExpiredExtra, &[leaf, "Lab Intermediate CA", "Lab Intermediate CA of old"]),
        (Chain::IntermediateMissing, &[leaf]),
        (Chain::SelfSigned, &[leaf]),
        (Chain::StrangeRootSent, &[leaf, "Strange Intermediate CA", "Strange Root CA"]),
        (Chain::StrangeRootNotSent, &[leaf, "Strange Intermediate CA"]),
        (Chain::LeafNotFirst, &["Lab Intermediate CA", leaf]),
        (Chain::LeafMissing, &["Lab Intermediate CA", "Lab Root CA"]),
        (Chain::WrongName, &["somebody-else.test", "Lab Intermediate CA"]),
        (Chain::CommonNameOnly, &[leaf, "Lab Intermediate CA"]),
        (Chain::PathLength, &[leaf, "Lab One Too Many CA", "Lab Last CA"]),
    ] {
        let seen = handshake(&pki.identity(chain, leaf).expect("a chain"), &client, leaf).await;
        assert_eq!(names_sent(&seen), wanted, "{chain:?}");
    }
}

#[tokio::test]
async fn a_key_of_each_kind_completes_a_verified_handshake() {
    let pki = Pki::new().expect("a PKI");
    for key in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let identity = pki.identity_with_key(key, "app.lab.test").expect("a chain");
        let seen = handshake(&identity, &Client::trusting(&pki.root), "app.lab.test").await;
        assert!(seen.outcome.is_ok(), "{key:?}: {:?}", seen.outcome);
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_on_its_issuers_list_and_others_are_not() {
    let pki = Pki::new().expect("a PKI");
    let host = "app.lab.test";
    let revoked = pki.intermediate.issue(&Profile::server(host)).expect("a leaf");
    let lists = vec![
        pki.root.revocation_list(&[]).expect("the root's list"),
        pki.intermediate.revocation_list(&[&revoked]).expect("the intermediate's list"),
    ];
    let client = Client::trusting_less(&pki.root, lists);

    let seen = handshake(&Identity::new(&revoked, &[&pki.intermediate]), &client, host).await;
    let error = seen.outcome.expect_err("a revoked certificate");
    assert!(error.contains("Revoked"), "{error}");

    let good = handshake(&pki.identity(Chain::Good, host).expect("a chain"), &client, host).await;
    assert!(good.outcome.is_ok(), "{:?}", good.outcome);
}
