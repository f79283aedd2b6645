//! What the deep check sees of names, addresses and times, over the lab.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::lab::tls::{Chain, Pki, ServerTls};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http, tcp};
use backend_health_exporter::probe::{Prober, Trust, TrustMode};
use backend_health_exporter::resolver::{Files, Options, Resolver};
use backend_health_exporter::troubleshoot::{Adhoc, adhoc};
use backend_health_exporter::troubleshoot::{
    ConnectionStatus, Examination, InsightKind, Question, Stage, State, troubleshoot,
};
use backend_health_exporter::view::check::{Check, text};
use backend_health_exporter::view::text::Colour;
use serde_json::json;

use super::{examine, manner};

const PLENTY: Duration = Duration::from_mins(1);

fn asking(target: &str, trust: &Arc<Trust>, timeout: Duration) -> Question {
    let Adhoc { target, tls_if_spoken } = adhoc(target, &manner(trust, timeout / 3)).expect("a target");
    Question { target, tls_if_spoken, tries: 4, timeout }
}

fn nobody() -> Arc<Trust> {
    Arc::new(Trust::new(TrustMode::WellKnown, Vec::new(), Vec::new()).unwrap())
}

/// Looks into this through these resolvers, on a host whose files say this.
async fn through(nameservers: &[SocketAddr], hosts: &str, resolv_conf: &str, target: &str) -> Examination {
    let directory = tempfile::tempdir().unwrap();
    let files = Files { hosts: directory.path().join("hosts"), resolv_conf: directory.path().join("resolv.conf") };
    std::fs::write(&files.hosts, hosts).unwrap();
    std::fs::write(&files.resolv_conf, resolv_conf).unwrap();
    let options = Options { nameservers: nameservers.to_vec(), last_known_good: Duration::ZERO };
    let prober = Prober::new(Resolver::with_files(options, files));
    examine(&prober, &asking(target, &nobody(), PLENTY)).await
}

fn insights(examination: &Examination) -> Vec<InsightKind> {
    examination.insights.iter().map(|insight| insight.kind).collect()
}

fn says(examination: &Examination, words: &[&str]) {
    let text = text(&Check::of(examination, None), Colour::None, None);
    for words in words {
        assert!(text.contains(words), "not said: {words:?}\n{text}");
    }
}

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn records_aliases_and_their_ttls_are_shown_as_each_resolver_has_them() {
    let backend = Backend::start(HOME, http::ok()).unwrap();
    let port = backend.address().port();
    let zone = || {
        Zone::new()
            .with("www.lab.test", Answer::alias("app.lab.test", 17))
            .with("app.lab.test", Answer::addresses([HOME], 44))
    };
    let (first, second) = (Nameserver::start(zone()).await.unwrap(), Nameserver::start(zone()).await.unwrap());
    let both = [first.address(), second.address()];
    let target = format!("http://www.lab.test:{port}/");
    let examination = through(&both, "", "", &target).await;
    assert_eq!(examination.state(), State::Healthy);
    assert_eq!((examination.addresses.as_slice(), insights(&examination)), (&[HOME][..], vec![]));
    let [one, other] = both.map(|address| format!("{address}  www.lab.test  A "));
    says(
        &examination,
        &[
            &one,
            &other,
            "www.lab.test is an alias of app.lab.test  (TTL 17 s)",
            "127.0.0.1  (TTL 44 s)",
            "AAAA    no such record",
            "✓ DNS: 1 IPv4 address\n",
        ],
    );

    second.set("www.lab.test", Answer::addresses([Ipv4Addr::new(127, 0, 0, 77)], 5));
    let examination = through(&both, "", "", &target).await;
    assert!(insights(&examination).contains(&InsightKind::ResolversDisagree), "{:?}", examination.insights);
    assert_eq!(examination.addresses.len(), 2);

    second.set("www.lab.test", Answer::ServerFailure);
    let examination = through(&both, "", "", &target).await;
    assert_eq!(insights(&examination), [InsightKind::ResolverFails], "{:?}", examination.insights);
    says(&examination, &["answered SERVFAIL (A and AAAA of www.lab.test)"]);
}

#[tokio::test]
async fn search_domains_and_the_hosts_file_are_followed_and_shown() {
    let backend = Backend::start(HOME, http::ok()).unwrap();
    let port = backend.address().port();
    let zone = Zone::new().with("app.corp.test", Answer::addresses([HOME], 60));
    let nameserver = Nameserver::start(zone).await.unwrap();
    let target = format!("http://app:{port}/");
    let search = "search lab.test corp.test\n";
    let examination = through(&[nameserver.address()], "", search, &target).await;
    assert_eq!(examination.state(), State::Healthy);
    says(
        &examination,
        &[
            "search domains: lab.test corp.test (ndots 1)",
            "app.lab.test   A       no such name (NXDOMAIN)",
            "app.corp.test  A       127.0.0.1",
        ],
    );
    assert_eq!(examination.names.as_ref().unwrap().candidates, ["app.lab.test", "app.corp.test", "app"]);

    let asked = nameserver.questions("app.corp.test");
    let examination = through(&[nameserver.address()], "127.0.0.1 app\n", search, &target).await;
    assert_eq!((examination.state(), nameserver.questions("app.corp.test")), (State::Healthy, asked));
    says(&examination, &["known without a resolver (hosts file): 127.0.0.1"]);

    let examination = through(&[nameserver.address()], "", search, &format!("http://gone.test:{port}/")).await;
    assert_eq!((examination.state(), examination.connection_status()), (State::Unknown, ConnectionStatus::Unreachable));
    says(&examination, &["no address", "Unknown, Unreachable: Name does not exist (dns_name_not_found)"]);
}

#[tokio::test]
async fn the_last_good_answer_is_looked_into_while_the_lookup_fails() {
    let backend = Backend::start(HOME, http::ok()).unwrap();
    let nameserver = Nameserver::start(Zone::new().with("app.lab.test", Answer::addresses([HOME], 0))).await.unwrap();
    let options = Options { nameservers: vec![nameserver.address()], last_known_good: Duration::from_hours(1) };
    let prober = Prober::new(Resolver::new(options));
    let question = asking(&format!("http://app.lab.test:{}/", backend.address().port()), &nobody(), PLENTY);
    assert_eq!(examine(&prober, &question).await.state(), State::Healthy);
    nameserver.set("app.lab.test", Answer::ServerFailure);
    let examination = examine(&prober, &question).await;
    assert_eq!((examination.state(), examination.is_stale), (State::Healthy, true));
    assert_eq!(examination.addresses, [HOME]);
    says(&examination, &["answered SERVFAIL", "the last good answer is used", "Remembered address in use"]);
}

#[tokio::test]
async fn an_address_that_does_not_open_is_told_from_those_that_do() {
    let backend = Backend::start(HOME, http::ok()).unwrap();
    let closed = Ipv4Addr::new(127, 31, 9, 1);
    let hosts = format!("127.0.0.1 app\n{closed} app\n");
    let target = format!("http://app:{}/", backend.address().port());
    let examination = through(&[], &hosts, "", &target).await;
    assert_eq!((examination.state(), examination.connection_status()), (State::Healthy, ConnectionStatus::Degraded));
    assert_eq!(insights(&examination), [InsightKind::PartlyReachable]);
    says(&examination, &["! TCP: 4 of 8 connections opened", "4 of 4  0 %", "0 of 4  100 %", "4 times: refused (RST)"]);
    let value = serde_json::to_value(Check::of(&examination, None)).unwrap();
    assert_eq!(value["connectionStatus"], "Degraded");
    assert_eq!((&value["probesSent"], &value["probesFailed"]), (&json!(8), &json!(4)));
    assert_eq!(value["issues"][0]["type"], "DestinationPartiallyReachable");
}

#[tokio::test]
async fn a_port_is_taken_for_tls_when_it_answers_so() {
    let pki = Pki::new().unwrap();
    let identity = pki.identity(Chain::Good, "localhost").unwrap();
    let tls = ServerTls::new(&identity).unwrap();
    let secure = Backend::start(HOME, Service::tls(&tls, http::ok())).unwrap();
    let trust = Arc::new(Trust::new(TrustMode::Configured, vec![pki.root.der()], Vec::new()).unwrap());
    let prober = Prober::new(Resolver::new(Options { nameservers: Vec::new(), last_known_good: Duration::ZERO }));
    let check = async |target: String, trust: &Arc<Trust>, protocol: &str, cause: Option<&str>| {
        let examination = examine(&prober, &asking(&target, trust, PLENTY)).await;
        let found = examination.verdict.cause.as_ref().map(|cause| cause.code.code());
        assert_eq!((examination.target.protocol().as_str(), found), (protocol, cause), "{target}");
    };
    let port = |backend: &Backend| backend.address().port();
    check(format!("localhost:{}", port(&secure)), &trust, "tls", None).await;
    check(format!("127.0.0.1:{}", port(&secure)), &nobody(), "tls", Some("cert_issuer_not_well_known")).await;
    check(format!("tcp://127.0.0.1:{}", port(&secure)), &nobody(), "tcp", None).await;
    let plain = Backend::start(HOME, http::ok()).unwrap();
    check(format!("127.0.0.1:{}", port(&plain)), &trust, "tcp", None).await;
    let banner = Backend::start(HOME, tcp::banner("220 mail.lab.test ESMTP\r\n")).unwrap();
    check(format!("127.0.0.1:{}", port(&banner)), &trust, "tcp", None).await;
    let refused = Backend::start(HOME, Behaviour::Refused).unwrap();
    check(format!("127.0.0.1:{}", port(&refused)), &trust, "tcp", Some("tcp_refused")).await;
}

#[tokio::test]
async fn nothing_but_the_probe_itself_sends_a_request_or_shows_a_certificate() {
    let pki = Pki::new().unwrap();
    let tls = ServerTls::new(&pki.identity(Chain::Good, "localhost").unwrap()).unwrap();
    let backend = Backend::start(HOME, Service::tls(&tls, http::ok())).unwrap();
    let prober = Prober::new(Resolver::new(Options { nameservers: Vec::new(), last_known_good: Duration::ZERO }));
    let target = format!("https://localhost:{}/secret-path", backend.address().port());
    let trust = Arc::new(Trust::new(TrustMode::Configured, vec![pki.root.der()], Vec::new()).unwrap());
    assert_eq!(examine(&prober, &asking(&target, &trust, PLENTY)).await.state(), State::Healthy);
    let requests = |backend: &Backend| {
        let sent = backend.requests();
        sent.iter().filter(|bytes| String::from_utf8_lossy(bytes).contains("secret-path")).count()
    };
    assert_eq!(requests(&backend), 1);
    // A server that is not trusted gets none.
    let other = Backend::start(HOME, Service::tls(&tls, http::ok())).unwrap();
    let target = format!("https://localhost:{}/secret-path", other.address().port());
    assert_eq!(examine(&prober, &asking(&target, &nobody(), PLENTY)).await.state(), State::Unhealthy);
    assert_eq!(requests(&other), 0);
    assert!(other.connections() > 10, "it was looked into all the same");
}

#[tokio::test]
async fn it_ends_in_time_and_tells_its_stages_in_order_whatever_the_server_does() {
    let prober = Prober::new(Resolver::new(Options { nameservers: Vec::new(), last_known_good: Duration::ZERO }));
    let behaviours: [Behaviour; 4] = [
        Behaviour::SilentSyn,
        tcp::holds().into(),
        http::drips_head(Duration::from_millis(20)).into(),
        http::endless_body().into(),
    ];
    for behaviour in behaviours {
        let backend = Backend::start(HOME, behaviour.clone()).unwrap();
        let address = backend.address();
        for target in [address.to_string(), format!("https://{address}"), format!("http://{address}")] {
            let told = Mutex::new(Vec::new());
            let tell = |stage: Stage| told.lock().unwrap().push(stage);
            let begun = Instant::now();
            let timeout = Duration::from_secs(3);
            let examination = troubleshoot(&prober, &asking(&target, &nobody(), timeout), &tell).await;
            let took = begun.elapsed();
            // What is more is for a machine that is busy.
            assert!(took < timeout + Duration::from_secs(4), "{target}, {behaviour:?}: {took:?}");
            let told = told.into_inner().unwrap();
            // An address needs no resolver.
            assert_eq!((told.first(), told.last()), (Some(&Stage::Probe), Some(&Stage::Done)), "{target}");
            assert!(told.is_sorted(), "{target}: {told:?}");
            says(&examination, &["Verdict"]);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_slow_for_a_moment_has_no_black_hole_before_it() {
    let backend = Backend::start(HOME, tcp::holds()).unwrap();
    let prober = Prober::new(Resolver::new(Options { nameservers: Vec::new(), last_known_good: Duration::ZERO }));
    let question = asking(&format!("http://{}/", backend.address()), &nobody(), Duration::from_secs(9));
    // It wakes up right before the small segments.
    let tell = |stage: Stage| {
        if stage == Stage::Segments {
            backend.set(http::ok()).unwrap();
        }
    };
    let examination = troubleshoot(&prober, &question, &tell).await;
    let code = |verdict: &Option<backend_health_exporter::verdict::Verdict>| {
        verdict.as_ref().map(|verdict| verdict.cause.as_ref().map(|cause| cause.code))
    };
    assert_eq!(examination.state(), State::Unhealthy);
    assert_eq!((code(&examination.in_small_segments), code(&examination.usual_again)), (Some(None), Some(None)));
    assert_eq!(insights(&examination), []);
}
