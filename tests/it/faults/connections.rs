//! Connections that do not open, break off, or are not wanted with a PROXY line.

use std::net::TcpListener;
use std::time::Duration;

use socket2::SockRef;

use backend_health_exporter::lab::script::{Mark, Step};
use backend_health_exporter::lab::tls::{Chain, ClientAuthentication, ServerTls, Terms};
use backend_health_exporter::lab::{Backend, Behaviour, Script, Service, http, tcp, tls};
use backend_health_exporter::verdict::{Cause, Role};

use super::{HOST, LOCALHOST, Part, Probe, Row, SHORT, Secure, check, fails, judged, prober, row, succeeds, told};

/// The same behaviour for each protocol.
fn for_all(
    name: &str,
    behaviour: &Behaviour,
    secure: &Secure,
    expected: impl Fn(&Probe) -> super::Expected,
) -> Vec<Row> {
    let probes = [Probe::tcp(), Probe::http(), Probe::tls(&secure.trust), Probe::https(&secure.trust)];
    probes.into_iter().map(|probe| row(name, behaviour.clone(), probe.clone(), expected(&probe))).collect()
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_refuses_every_protocol() {
    let secure = Secure::new();
    check(for_all("refused", &Behaviour::Refused, &secure, |_| {
        fails(Cause::TcpRefused, Part::Connect).saying("127.0.0.1:").saying("refused the connection")
    }))
    .await;
}

#[tokio::test]
async fn a_syn_that_nobody_answers_is_a_tcp_timeout_for_every_protocol() {
    let secure = Secure::new();
    let rows = for_all("silent SYN", &Behaviour::SilentSyn, &secure, |_| {
        fails(Cause::TcpTimeout, Part::Connect).saying("no answer from 127.0.0.1:").saying("within 1 s")
    });
    check(rows.into_iter().map(|row| Row { probe: row.probe.within(SHORT), ..row })).await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_booked_on_the_stage_it_had_come_to() {
    let secure = Secure::new();
    let http_reset = || fails(Cause::TcpReset, Part::FirstByte);
    let tls_closed = || fails(Cause::TlsClosed, Part::Tls);
    let trust = &secure.trust;
    let mut rows = Vec::new();
    // Often, because a reset may come before or after the probe has seen that it is connected.
    for _ in 0..20 {
        rows.push(row("RST at once", tcp::resets(), Probe::tcp(), succeeds()));
        rows.push(row(
            "RST at once",
            tcp::resets(),
            Probe::http(),
            http_reset().saying("reset the connection before the response"),
        ));
        rows.push(row("RST at once", tcp::resets(), Probe::tls(trust), tls_closed().saying("reset")));
        rows.push(row("RST at once", tcp::resets(), Probe::https(trust), tls_closed().saying("reset")));
        let rejected = fails(Cause::ProxyProtocolRejected, Part::Connect).saying("reset");
        rows.push(row("RST at once", tcp::resets(), Probe::tcp().with_proxy_line(), rejected));
        let rejected = fails(Cause::ProxyProtocolRejected, Part::Tls).saying("reset");
        rows.push(row("RST at once", tcp::resets(), Probe::tls(trust).with_proxy_line(), rejected));
    }
    check(rows).await;
    check([
        row("FIN at once", tcp::closes(), Probe::tcp(), succeeds()),
        row(
            "FIN at once",
            tcp::closes(),
            Probe::http(),
            http_reset().saying("closed the connection without a response"),
        ),
        row(
            "FIN at once",
            tcp::closes(),
            Probe::tls(trust),
            tls_closed().saying("closed").saying("in answer to our ClientHello"),
        ),
        row("FIN at once", tcp::closes(), Probe::https(trust), tls_closed()),
        row("silent after accept", tcp::holds(), Probe::tcp(), succeeds()),
        row("a banner", tcp::ssh_banner(), Probe::tcp(), succeeds()),
        row("RST after the request", http::resets_without_answer(), Probe::http(), http_reset()),
        row(
            "FIN after the request",
            http::closes_without_answer(),
            Probe::http(),
            http_reset().saying("closed the connection without a response"),
        ),
        row(
            "FIN within the head",
            http::closes_in_head(),
            Probe::http(),
            fails(Cause::TcpReset, Part::Transfer).saying("closed").saying("27 bytes of an incomplete head"),
        ),
        row(
            "RST within the body",
            http::resets_in_body(),
            Probe::http(),
            fails(Cause::TcpReset, Part::Transfer).saying("within the response's body").status(200),
        ),
        row(
            "RST within the head",
            Script::new([
                Step::Await(Mark::RequestHead),
                Step::send("HTTP/1.1 200 OK\r\nContent-Le"),
                Step::Pause(Duration::from_millis(50)),
                Step::Reset,
            ]),
            Probe::http(),
            fails(Cause::TcpReset, Part::Transfer).saying("within the response's head"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_inside_tls_is_a_tcp_reset_too() {
    let secure = Secure::new();
    let tls = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    let https = |name, script, expected: super::Expected| {
        let expected = expected.chain(&[Role::Leaf, Role::Intermediate]);
        row(name, Service::tls(&tls, script), Probe::https(&secure.trust), expected)
    };
    check([
        https("RST after the handshake", tcp::resets(), fails(Cause::TcpReset, Part::FirstByte)),
        https("FIN after the handshake", tcp::closes(), fails(Cause::TcpReset, Part::FirstByte).saying("closed")),
        https("RST after the request", http::resets_without_answer(), fails(Cause::TcpReset, Part::FirstByte)),
        https("FIN after the request", http::closes_without_answer(), fails(Cause::TcpReset, Part::FirstByte)),
        https("FIN within the head", http::closes_in_head(), fails(Cause::TcpReset, Part::Transfer)),
        https("RST within the body", http::resets_in_body(), fails(Cause::TcpReset, Part::Transfer).status(200)),
        https("short body", http::short_body(), fails(Cause::HttpMalformed, Part::Transfer).status(200)),
        https("cut without a farewell", http::close_delimited_and_cut(), succeeds().status(200)),
    ])
    .await;
}

#[tokio::test]
async fn a_proxy_line_is_taken_or_rejected() {
    let secure = Secure::new();
    let good = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    let tls = || Probe::tls(&secure.trust).with_proxy_line();
    let tcp = || Probe::tcp().with_proxy_line();
    let rejected = |part, words: &str| fails(Cause::ProxyProtocolRejected, part).saying(words);
    let after_line =
        |steps: &[Step]| Script::new(std::iter::once(Step::Await(Mark::ProxyLine)).chain(steps.iter().cloned()));
    // A warning that is a farewell: close_notify (RFC 8446, section 6.1).
    let farewell = after_line(&[Step::send([21, 3, 3, 0, 2, 1, 0]), Step::Finish]);
    check([
        row("taken", tcp::accepts_proxy_line(), tcp(), succeeds()),
        row("taken by a server that greets", after_line(&[Step::send("220 ready\r\n"), Step::Hold]), tcp(), succeeds()),
        row(
            "closed",
            tcp::closes_on_proxy_line(),
            tcp(),
            rejected(Part::Connect, "closed the connection after the PROXY line"),
        ),
        row(
            "reset",
            tcp::resets_on_proxy_line(),
            tcp(),
            rejected(Part::Connect, "reset the connection after the PROXY line"),
        ),
        row("complains and closes", tcp::complains_about_proxy_line(), tcp(), rejected(Part::Connect, "closed")),
        row("closes at once", tcp::closes(), tcp(), rejected(Part::Connect, "closed")),
        row(
            "taken",
            Service::tls(&good, tcp::holds()).behind_proxy_line(),
            tls(),
            succeeds().chain(&[Role::Leaf, Role::Intermediate]),
        ),
        row("closed", tcp::closes_on_proxy_line(), tls(), rejected(Part::Tls, "closed")),
        row("reset", tcp::resets_on_proxy_line(), tls(), rejected(Part::Tls, "reset")),
        row("complains", tcp::complains_about_proxy_line(), tls(), rejected(Part::Tls, "500 5.5.1 Unknown command")),
        row("plain TLS: an alert", Service::tls(&good, tcp::holds()), tls(), rejected(Part::Tls, "the TLS alert")),
        row(
            "an alert",
            after_line(&[Step::send([21, 3, 3, 0, 2, 2, 80]), Step::Finish]),
            tls(),
            rejected(Part::Tls, "internal_error (80)"),
        ),
        row("a farewell", farewell, tls(), rejected(Part::Tls, "closed")),
        // What comes after the server has begun to speak TLS is not the PROXY line's fault.
        row(
            "taken, and then a wrong certificate",
            Service::tls(&ServerTls::new(&secure.pki.identity(Chain::Expired, HOST).unwrap()).unwrap(), tcp::holds())
                .behind_proxy_line(),
            tls(),
            fails(Cause::CertExpired, Part::Tls).chain(&[Role::Leaf, Role::Intermediate]),
        ),
        row(
            "taken, and then silence",
            tcp::accepts_proxy_line(),
            tls().within(SHORT),
            fails(Cause::TlsTimeout, Part::Tls),
        ),
        // Without the line these are other faults.
        row(
            "no line",
            tcp::complains_about_proxy_line(),
            Probe::tls(&secure.trust),
            fails(Cause::TlsClosed, Part::Tls),
        ),
        row("no line", tls::answers_plain_http(), Probe::tls(&secure.trust), fails(Cause::TlsNotTls, Part::Tls)),
    ])
    .await;
}

#[tokio::test]
async fn a_short_timeout_shortens_the_wait_for_a_rejection() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let terms = Terms { client: ClientAuthentication::Optional(secure.pki.root.der()), ..Terms::default() };
    let asking = ServerTls::with(&identity, terms).unwrap();
    let chain = [Role::Leaf, Role::Intermediate];
    let short = Duration::from_millis(200);
    check([row("PROXY line", tcp::accepts_proxy_line(), Probe::tcp().with_proxy_line().within(short), succeeds())])
        .await;
    check([row(
        "client certificate asked for",
        Service::tls(&asking, tcp::holds()),
        Probe::tls(&secure.trust).within(short),
        succeeds().chain(&chain),
    )])
    .await;
}

#[tokio::test]
async fn the_wait_for_a_rejection_is_not_booked_on_the_connection_or_the_handshake() {
    let window = Duration::from_millis(250);
    let prober = prober();
    let backend = Backend::start(LOCALHOST, tcp::accepts_proxy_line()).unwrap();
    let (observation, _) = judged(&prober, &Probe::tcp().with_proxy_line().of(backend.address())).await;
    assert!(observation.duration >= window + observation.phases.connect, "{observation:?}");

    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let terms = Terms { client: ClientAuthentication::Optional(secure.pki.root.der()), ..Terms::default() };
    let asking = Service::tls(&ServerTls::with(&identity, terms).unwrap(), tcp::holds());
    let backend = Backend::start(LOCALHOST, asking).unwrap();
    let (observation, _) = judged(&prober, &Probe::tls(&secure.trust).of(backend.address())).await;
    assert!(observation.duration >= window + observation.phases.tls, "{observation:?}");
}

/// Resets each of so many connections as soon as it is accepted, from a thread of its own.
fn resetting(count: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind((LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for _ in 0..count {
            let (stream, _) = listener.accept().expect("a connection");
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_may_come_before_the_probe_has_looked() {
    const COUNT: usize = 300;
    let secure = Secure::new();
    let prober = prober();
    let table = [
        (Probe::tcp(), None),
        (Probe::tcp().with_proxy_line(), Some(Cause::ProxyProtocolRejected)),
        (Probe::http(), Some(Cause::TcpReset)),
        (Probe::tls(&secure.trust), Some(Cause::TlsClosed)),
        (Probe::tls(&secure.trust).with_proxy_line(), Some(Cause::ProxyProtocolRejected)),
    ];
    for (probe, cause) in table {
        let address = resetting(COUNT);
        let mut others = Vec::new();
        for _ in 0..COUNT {
            let (_, verdict) = judged(&prober, &probe.of(address)).await;
            if verdict.cause.as_ref().map(|finding| finding.code) != cause {
                others.push(told(&verdict));
            }
        }
        assert!(others.is_empty(), "{}: {} of {COUNT}: {:?}", probe.spec.protocol, others.len(), others[0]);
    }
}
