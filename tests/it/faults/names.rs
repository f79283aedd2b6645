//! Servers by name: faults of the resolver, several addresses, and remembered ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::{Backend, Behaviour, http, tcp};
use backend_health_exporter::probe::{Observation, ProbeSpec};
use backend_health_exporter::verdict::{Cause, Notice, Verdict};

use super::{Expected, GRACE, Part, Probe, SHORT, fails, judged, prober_asking, succeeds, told};

const NAME: &str = "app.example.test";
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 31, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 31, 0, 2);

fn assert_expected(expected: &Expected, spec: &ProbeSpec, verdict: &Verdict) {
    let differences = expected.differences(spec, verdict);
    assert!(differences.is_empty(), "{}\n{:?}", differences.join("; "), told(verdict));
}

/// One probe of a name that is answered like this.
async fn probe_name(answer: Answer, probe: Probe, port: u16) -> (ProbeSpec, Observation, Verdict) {
    let nameserver = Nameserver::start(Zone::from([(NAME, answer)])).await.expect("the name server starts");
    let spec = probe.of_name(NAME, port);
    let (observation, verdict) = judged(&prober_asking(vec![nameserver.address()]), &spec).await;
    (spec, observation, verdict)
}

#[tokio::test]
async fn each_way_of_having_no_address_has_its_cause() {
    for (answer, cause, words, timeout) in [
        (Answer::NameNotFound, Cause::DnsNameNotFound, "NXDOMAIN", super::PLENTY),
        (Answer::NoData, Cause::DnsNoAddress, "neither an A nor an AAAA record", super::PLENTY),
        (Answer::alias("gone.test", 60), Cause::DnsNameNotFound, "an alias of gone.test", super::PLENTY),
        (unusable(&["0.0.0.0"]), Cause::DnsUnusableAddress, "only to 0.0.0.0 (unspecified)", super::PLENTY),
        (unusable(&["::"]), Cause::DnsUnusableAddress, "only to :: (unspecified)", super::PLENTY),
        (unusable(&["224.0.0.251"]), Cause::DnsUnusableAddress, "224.0.0.251 (multicast)", super::PLENTY),
        (unusable(&["255.255.255.255", "ff02::1"]), Cause::DnsUnusableAddress, "(broadcast), ff02::1", super::PLENTY),
        (unusable(&["::ffff:0.0.0.0"]), Cause::DnsUnusableAddress, "::ffff:0.0.0.0 (unspecified)", super::PLENTY),
        (Answer::ServerFailure, Cause::DnsServerFailure, "SERVFAIL", super::PLENTY),
        (Answer::Refused, Cause::DnsServerFailure, "REFUSED", super::PLENTY),
        (Answer::Silent, Cause::DnsTimeout, "no resolver answered in time", SHORT),
    ] {
        let (spec, observation, verdict) = probe_name(answer, Probe::http().within(timeout), 80).await;
        assert_expected(&fails(cause, Part::Dns).saying(NAME).saying(words), &spec, &verdict);
        assert!(!observation.phases.dns.is_zero(), "{observation:?}");
        assert!(observation.duration <= timeout + GRACE, "{observation:?}");
        assert_eq!(observation.address, None);
    }
}

fn unusable(addresses: &[&str]) -> Answer {
    Answer::addresses(addresses.iter().map(|address| address.parse::<IpAddr>().unwrap()), 60)
}

#[tokio::test]
async fn a_blocked_name_never_means_a_connection_to_ourselves() {
    // Somebody listens on every address of this host.
    let backend = Backend::start(Ipv4Addr::UNSPECIFIED.into(), http::ok()).unwrap();
    let port = backend.address().port();
    let (spec, _, verdict) = probe_name(unusable(&["0.0.0.0", "::"]), Probe::http(), port).await;
    assert_expected(&fails(Cause::DnsUnusableAddress, Part::Dns), &spec, &verdict);
    assert_eq!(backend.connections(), 0);

    // Beside a real address they are as good as not there.
    let answer = unusable(&["0.0.0.0", "127.31.0.1", "224.0.0.1"]);
    let (spec, observation, verdict) = probe_name(answer, Probe::http(), port).await;
    assert_expected(&succeeds().status(200), &spec, &verdict);
    assert_eq!(observation.address, Some(SocketAddr::new(FIRST.into(), port)));
    assert_eq!((backend.connections(), listed(&observation)), (1, Vec::new()));

    // A name that had a real address keeps it for a while, as with every other fault of the lookup.
    let nameserver = Nameserver::start(Zone::from([(NAME, Answer::addresses([FIRST], 0))])).await.unwrap();
    let prober = prober_asking(vec![nameserver.address()]);
    let spec = Probe::http().of_name(NAME, port);
    let (_, verdict) = judged(&prober, &spec).await;
    assert_expected(&succeeds().status(200), &spec, &verdict);
    nameserver.set(NAME, unusable(&["0.0.0.0"]));
    let (observation, verdict) = judged(&prober, &spec).await;
    assert_expected(&succeeds().status(200).warned(Notice::StaleAddress), &spec, &verdict);
    assert_eq!(observation.address, Some(SocketAddr::new(FIRST.into(), port)));
}

/// The same port of two addresses, whatever the second one does there.
fn neighbours(first: impl Into<Behaviour>, second: impl Into<Behaviour>) -> (Backend, Backend) {
    let (first, second) = (first.into(), second.into());
    for _ in 0..20 {
        let one = Backend::start(FIRST.into(), first.clone()).expect("the backend starts");
        let address = SocketAddr::new(SECOND.into(), one.address().port());
        if let Ok(two) = Backend::start_at(address, second.clone()) {
            return (one, two);
        }
    }
    panic!("no port that is free on both addresses");
}

/// A name with both addresses, in this order.
async fn probe_both(backends: &(Backend, Backend), probe: Probe) -> (ProbeSpec, Observation, Verdict) {
    let addresses = [backends.0.address().ip(), backends.1.address().ip()];
    let answer = Answer::addresses(addresses, 60);
    probe_name(answer, probe, backends.0.address().port()).await
}

fn listed(observation: &Observation) -> Vec<IpAddr> {
    observation.failed_addresses.iter().map(|failed| failed.address.ip()).collect()
}

#[tokio::test]
async fn a_name_whose_first_address_refuses_is_healthy_with_a_warning() {
    let backends = neighbours(Behaviour::Refused, http::ok());
    let (spec, observation, verdict) = probe_both(&backends, Probe::http()).await;
    assert_expected(&succeeds().status(200).warned(Notice::AddressFailed), &spec, &verdict);
    assert_eq!(listed(&observation), [FIRST]);
    assert_eq!(observation.address, Some(backends.1.address()));
    let warning = &verdict.warnings[0].detail;
    assert!(warning.contains(&backends.0.address().to_string()) && warning.contains("refused"), "{warning}");
}

#[tokio::test]
async fn a_name_whose_first_address_is_silent_is_healthy_by_the_second_one_soon() {
    let backends = neighbours(Behaviour::SilentSyn, http::ok());
    let (spec, observation, verdict) = probe_both(&backends, Probe::http()).await;
    assert_expected(&succeeds().status(200), &spec, &verdict);
    assert_eq!(observation.address, Some(backends.1.address()));
    let connect = observation.phases.connect;
    assert!((Duration::from_millis(250)..Duration::from_secs(3)).contains(&connect), "{connect:?}");
}

#[tokio::test]
async fn a_name_whose_first_address_answers_needs_no_second() {
    let backends = neighbours(http::ok(), http::ok());
    let (spec, observation, verdict) = probe_both(&backends, Probe::http()).await;
    assert_expected(&succeeds().status(200), &spec, &verdict);
    assert_eq!(observation.address, Some(backends.0.address()));
    assert_eq!(backends.1.connections(), 0);
}

#[tokio::test]
async fn a_name_of_which_no_address_opens_lists_them_all() {
    let backends = neighbours(Behaviour::Refused, Behaviour::Refused);
    let (spec, observation, verdict) = probe_both(&backends, Probe::http()).await;
    assert_eq!(listed(&observation), [FIRST, SECOND]);
    assert_eq!(verdict.cause.as_ref().unwrap().code, Cause::TcpRefused, "{:?}", told(&verdict));
    for address in [backends.0.address(), backends.1.address()] {
        let warned = verdict.warnings.iter().any(|warning| warning.detail.contains(&address.to_string()));
        assert!(warned, "{address}: {:?}", told(&verdict));
    }
    drop(spec);

    let backends = neighbours(Behaviour::Refused, Behaviour::SilentSyn);
    let (_, observation, verdict) = probe_both(&backends, Probe::tcp().within(SHORT)).await;
    assert_eq!(listed(&observation), [FIRST, SECOND]);
    assert_eq!(verdict.cause.as_ref().unwrap().code, Cause::TcpTimeout, "{:?}", told(&verdict));
    assert_eq!(verdict.warnings.len(), 2, "{:?}", told(&verdict));
}

#[tokio::test]
async fn a_fault_after_the_connection_still_tells_of_the_address_that_failed() {
    let backends = neighbours(Behaviour::Refused, http::status(503, "later"));
    let (spec, _, verdict) = probe_both(&backends, Probe::http()).await;
    let expected = fails(Cause::HttpStatusMismatch, Part::Transfer).status(503).warned(Notice::AddressFailed);
    assert_expected(&expected, &spec, &verdict);
}

#[tokio::test]
async fn remembered_addresses_are_probed_with_a_warning() {
    let backend = Backend::start(FIRST.into(), tcp::holds()).unwrap();
    let nameserver = Nameserver::start(Zone::from([(NAME, Answer::addresses([FIRST], 0))])).await.unwrap();
    let prober = prober_asking(vec![nameserver.address()]);
    let spec = Probe::tcp().within(Duration::from_secs(4)).of_name(NAME, backend.address().port());
    let (_, verdict) = judged(&prober, &spec).await;
    assert_expected(&succeeds(), &spec, &verdict);
    for (answer, words) in [(Answer::ServerFailure, "SERVFAIL"), (Answer::Silent, "no resolver answered in time")] {
        nameserver.set(NAME, answer);
        let (observation, verdict) = judged(&prober, &spec).await;
        assert_expected(&succeeds().warned(Notice::StaleAddress), &spec, &verdict);
        assert!(verdict.warnings[0].detail.contains(words), "{:?}", told(&verdict));
        assert!(observation.stale.is_some());
        assert_eq!(observation.address, Some(backend.address()));
    }
    // What fails at a remembered address is the server's fault, and the warning stays.
    backend.set(Behaviour::Refused).unwrap();
    let (_, verdict) = judged(&prober, &spec).await;
    assert_expected(&fails(Cause::TcpRefused, Part::Connect).warned(Notice::StaleAddress), &spec, &verdict);
}
