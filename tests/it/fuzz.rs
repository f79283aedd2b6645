//! Whatever comes by chance: what reads a server's bytes neither panics nor contradicts itself nor grows, for as many
//! cases as a core can try in some seconds, or in `FUZZ_MINUTES`.

mod mutation;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::lab::script::{Mark, Step};
use backend_health_exporter::lab::tls::{Chain, Identity, KeyAlgorithm};
use backend_health_exporter::lab::{Backend, Script};
use backend_health_exporter::probe::scan::flight;
use backend_health_exporter::probe::{
    Fault, Observation, Phases, ProbeSpec, TlsFacts, TlsFault, TlsSpec, VerifiedName,
};
use backend_health_exporter::verdict::{Cause, Code, Verdict, judge};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
use tokio::runtime::Runtime;
use webpki::EndEntityCert;

use self::mutation::{mutated, mutation};
use crate::faults::{HOST, LOCALHOST, Probe, Secure, judged, prober};

/// Tries as many cases as a core had time for in so many minutes, when that was measured; or in `FUZZ_MINUTES`. A failure is
/// shrunk and shown.
fn try_cases<S: Strategy<Value: Debug>>(a_minute: u32, cases: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let minutes = std::env::var("FUZZ_MINUTES").ok();
    let minutes: f64 = minutes.map_or(0.05, |minutes| minutes.parse().expect("FUZZ_MINUTES is a number"));
    let mut left = minutes * f64::from(a_minute);
    while left > 0.0 {
        // A few at a time: each run begins with another seed.
        let few = Config { cases: 64, failure_persistence: None, ..Config::default() };
        if let Err(failure) = TestRunner::new(few).run(cases, &test) {
            panic!("{failure}");
        }
        left -= 64.0;
    }
}

/// What the probe would record of these certificates.
fn observed(tls: &TlsSpec, chain: &[CertificateDer<'static>], at: SystemTime) -> Observation {
    let name = match &tls.name {
        VerifiedName::Dns(name) => ServerName::try_from(name.to_string()).expect("a name"),
        VerifiedName::Ip(ip) => ServerName::IpAddress((*ip).into()),
    };
    let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).expect("later than 1970");
    let mut facts = TlsFacts { chain: chain.into(), ..TlsFacts::default() };
    let first = chain.first().expect("rustls asks nobody about an empty chain");
    match EndEntityCert::try_from(first) {
        Err(error) => (facts.path, facts.name) = (Some(Err(error.clone())), Some(Err(error))),
        Ok(leaf) => {
            facts.path = Some(tls.trust.verify_path(&leaf, &chain[1..], UnixTime::since_unix_epoch(since_1970)));
            facts.name = Some(leaf.verify_is_valid_for_subject_name(&name));
        }
    }
    let is_ok = |result: bool, validated: bool| result || !validated;
    let path = facts.path.as_ref().is_some_and(Result::is_ok);
    let name = facts.name.as_ref().is_some_and(Result::is_ok);
    let accepted = is_ok(path, tls.validate_chain) && is_ok(name, tls.validate_name);
    let refusal = rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
    Observation {
        at,
        duration: Duration::ZERO,
        phases: Phases::default(),
        address: None,
        failed_addresses: Vec::new(),
        stale: None,
        tls: Some(Box::new(facts)),
        response: None,
        fault: (!accepted).then_some(Fault::Tls(TlsFault::Rustls(refusal))),
        scan: None,
    }
}

/// What every verdict on a chain must be, whatever is in it.
fn assert_sound(verdict: &Verdict, observation: &Observation, chain: &[CertificateDer<'static>]) -> TestCaseResult {
    // Accepting and refusing is webpki's, and the report does not say otherwise.
    prop_assert_eq!(verdict.cause.is_some(), observation.fault.is_some());
    if let Some(finding) = &verdict.cause {
        prop_assert!(finding.code.code().starts_with("cert_"), "{}", finding.code);
    }
    for detail in verdict.cause.iter().chain(&verdict.also).map(|finding| &finding.detail) {
        prop_assert!(!detail.is_empty() && detail.len() <= 2048);
        prop_assert!(!detail.contains(char::is_control), "{:?}", detail);
    }
    prop_assert!(verdict.also.len() + verdict.warnings.len() <= 200);
    let kept = verdict.evidence.chain.as_ref().map_or(&[][..], |chain| &chain.certificates);
    prop_assert!(kept.len() <= chain.len());
    for certificate in kept {
        prop_assert!(certificate.position < chain.len());
        prop_assert_eq!(certificate.fingerprint_sha256.len(), 64);
    }
    Ok(())
}

fn every_chain(secure: &Secure) -> Vec<Vec<CertificateDer<'static>>> {
    const CHAINS: [Chain; 20] = [
        Chain::Good,
        Chain::GoodWithRoot,
        Chain::GoodWithExpiredExtra,
        Chain::ExpiresSoon,
        Chain::Expired,
        Chain::NotYetValid,
        Chain::ExpiredIntermediate,
        Chain::IntermediateMissing,
        Chain::SelfSigned,
        Chain::SelfSignedAuthority,
        Chain::StrangeRootSent,
        Chain::StrangeRootNotSent,
        Chain::LeafNotFirst,
        Chain::LeafMissing,
        Chain::WrongName,
        Chain::CommonNameOnly,
        Chain::ClientUsageOnly,
        Chain::NameConstraint,
        Chain::PathLength,
        Chain::CriticalExtension,
    ];
    let identity = |chain: &Chain| secure.pki.identity(*chain, HOST).expect("a chain");
    let mut chains: Vec<_> = CHAINS.iter().map(|chain| identity(chain).chain).collect();
    for key in [KeyAlgorithm::EcdsaP521, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa2048] {
        chains.push(secure.pki.identity_with_key(key, HOST).expect("a chain").chain);
    }
    // What the host trusts is what the world makes.
    chains.extend(webpki_root_certs::TLS_SERVER_ROOT_CERTS.chunks(5).take(8).map(<[_]>::to_vec));
    chains
}

#[test]
fn no_chain_of_certificates_makes_the_reader_panic_or_contradict_webpki() {
    let secure = Secure::new();
    let chains = every_chain(&secure);
    let pool: Vec<Vec<u8>> = chains.iter().flatten().map(|der| der.to_vec()).collect();
    let whole = select(chains).prop_map(|chain| chain.iter().map(|der| der.to_vec()).collect::<Vec<_>>());
    let mixed = prop::collection::vec(select(pool.clone()), 1..8);
    let change = (any::<Index>(), mutation());
    let cases = (
        // A chain as it is, or any certificates in any order; then some of them changed, or replaced by anything.
        prop_oneof![4 => whole, 1 => mixed],
        prop::collection::vec(change, 0..6),
        prop::option::weighted(0.1, (any::<Index>(), mutated(pool))),
        any::<Index>(),
        any::<[bool; 2]>(),
        select(&[HOST, "127.0.0.1", "somebody-else.test"][..]),
        -400..400_i64,
    );
    let tls = Probe::tls(&secure.trust).of(([127, 0, 0, 1], 443).into());
    try_cases(25_000, &cases, |(mut chain, changes, stranger, turn, validate, name, days)| {
        for (which, change) in changes {
            let size = chain.len();
            change.apply(&mut chain[which.index(size)]);
        }
        if let Some((which, bytes)) = stranger {
            let size = chain.len();
            chain[which.index(size)] = bytes;
        }
        if !validate[0] {
            let size = chain.len();
            chain.rotate_left(turn.index(size));
        }
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(CertificateDer::from).collect();
        let mut spec: ProbeSpec = tls.clone();
        let tls = spec.tls.as_mut().expect("it has one");
        (tls.validate_chain, tls.validate_name) = (validate[0], validate[1]);
        tls.name = VerifiedName::of(&name.into());
        let day = Duration::from_hours(24) * u32::try_from(days.unsigned_abs()).expect("few");
        let at = if days < 0 { SystemTime::now() - day } else { SystemTime::now() + day };
        let observation = observed(tls, &chain, at);
        let verdict = judge(&spec, &observation);
        assert_sound(&verdict, &observation, &chain)?;
        // The same facts come to the same.
        prop_assert_eq!(&judge(&spec, &observation), &verdict);
        if !validate[0] && !validate[1] {
            let path_failed = observation.tls.as_ref().is_some_and(|tls| matches!(tls.path, Some(Err(_))));
            let told = verdict.warnings.iter().any(|warning| matches!(warning.code, Code::Cause(_)));
            prop_assert!(told || !path_failed, "a refusal that is not validated is a warning");
        }
        Ok(())
    });
}

/// What servers really answer to a ClientHello: both versions, several keys, with and without a CertificateRequest, and
/// a HelloRetryRequest.
fn flights(secure: &Secure) -> Vec<Vec<u8>> {
    let mut flights = Vec::new();
    let usual = aws_lc_rs::default_provider();
    let p384 = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::SECP384R1], ..usual.clone() };
    for key in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048] {
        let identity = secure.pki.identity_with_key(key, HOST).expect("a chain");
        for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
            for provider in [&usual, &p384] {
                for asks in [true, false] {
                    flights.push(flight_of(secure, &identity, versions, provider, asks));
                }
            }
        }
    }
    // An alert.
    flights.push(vec![21, 3, 3, 0, 2, 2, 40]);
    flights
}

fn flight_of(
    secure: &Secure,
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    provider: &CryptoProvider,
    asks: bool,
) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots.add(secure.pki.root.der()).expect("a root");
    let roots = Arc::new(roots);
    let provider = Arc::new(provider.clone());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let server = if asks {
        server.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots.clone(), provider).build().unwrap(),
        )
    } else {
        server.with_no_client_auth()
    };
    let server = server.with_single_cert(identity.chain.clone(), identity.key.clone_key()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let client = client.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let name = ServerName::try_from(HOST).expect("a name");
    let mut client = ClientConnection::new(Arc::new(client.with_no_client_auth()), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let (mut hello, mut flight) = (Vec::new(), Vec::new());
    client.write_tls(&mut hello).unwrap();
    server.read_tls(&mut hello.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    while server.wants_write() {
        server.write_tls(&mut flight).unwrap();
    }
    flight
}

#[test]
fn no_answer_to_a_hello_makes_the_scanner_panic_or_take_back_what_it_read() {
    let secure = Secure::new();
    let flights = flights(&secure);
    for bytes in &flights[..flights.len() - 1] {
        let flight = flight::read(bytes);
        assert!(flight.hello.is_some() && flight.is_over, "{flight:?}");
        assert!(flight.certificates.is_empty() || flight.certificates.len() == 2, "{flight:?}");
    }
    let old = flights.iter().map(|bytes| flight::read(bytes)).filter(|flight| !flight.certificates.is_empty());
    assert_eq!(old.count(), 8, "of TLS 1.2 there is more to see");

    let cases = (mutated(flights), any::<Index>());
    try_cases(350_000, &cases, |(bytes, cut)| {
        let flight = flight::read(&bytes);
        let kept: usize = flight.certificates.iter().map(|der| der.len()).sum();
        prop_assert!(kept <= bytes.len() && flight.certificates.len() <= 100);
        prop_assert_eq!(&flight::read(&bytes), &flight);
        // It is read again and again while more comes: what was known stays.
        let part = flight::read(&bytes[..cut.index(bytes.len() + 1)]);
        prop_assert!(part.hello.is_none() || part.hello == flight.hello);
        prop_assert!(part.alert.is_none() || part.alert == flight.alert);
        prop_assert!(!part.client_certificate_requested || flight.client_certificate_requested);
        Ok(())
    });
}

#[test]
fn no_response_makes_the_http_reader_panic_hang_or_go_without_a_verdict() {
    let seeds = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 302 Found\r\nLocation: https://app.lab.test/\r\nConnection: close\r\n\r\nto the end",
        "HTTP/1.1 200 OK\nContent-Length:5\nX:  folded\n\thead\n\nhello",
        "HTTP/1.1 503 \r\nContent-Length: 18446744073709551615\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nTransfer-Encoding: gzip, chunked\r\n\r\nxx",
    ];
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let cases = (mutated(seeds), any::<Index>(), any::<bool>());
    let runtime = Runtime::new().expect("a runtime");
    let (prober, backend) = runtime.block_on(async {
        (prober(), Backend::start(LOCALHOST, Script::new([Step::Finish])).expect("the backend starts"))
    });
    let spec = Probe::http().within(Duration::from_secs(10)).of(backend.address());
    try_cases(70_000, &cases, |(bytes, cut, reset)| {
        let (first, rest) = bytes.split_at(cut.index(bytes.len() + 1));
        let end = if reset { Step::Reset } else { Step::Finish };
        let script = Script::new([Step::Await(Mark::RequestHead), Step::send(first), Step::send(rest), end]);
        let verdict = runtime.block_on(async {
            backend.set(script).expect("the port is open");
            judged(&prober, &spec).await.1
        });
        let cause = verdict.cause.as_ref().map(|finding| finding.code);
        // The end has come: nothing is waited for.
        prop_assert!(cause != Some(Cause::HttpTimeout), "{:?}", verdict.cause);
        if let Some(cause) = cause {
            let told = verdict.cause.as_ref().map_or("", |finding| &finding.detail);
            prop_assert!(cause.code().starts_with("http_") || cause == Cause::TcpReset, "{}: {}", cause, told);
            prop_assert!(told.len() <= 2048 && !told.contains(char::is_control), "{:?}", told);
        }
        match &verdict.evidence.response {
            Some(response) => prop_assert!(response.body_excerpt.len() <= 256 * 3, "{}", response.body_excerpt.len()),
            None => prop_assert!(cause.is_some(), "healthy without a response"),
        }
        Ok(())
    });
}
