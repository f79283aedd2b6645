//! Faults as real servers show them: whose side has to act, and what it is told to do first.

use std::sync::Arc;

use backend_health_exporter::lab::script::{Mark, Script, Step};
use backend_health_exporter::lab::tls::{Chain, ClientAuthentication, ServerTls, Terms, Versions};
use backend_health_exporter::lab::{Backend, Behaviour, Service, http, tcp, tls};
use backend_health_exporter::probe::{ClientCertificate, Protocol};
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{Cause, Side, unexplained_alert};
use backend_health_exporter::view::remedy::Remedy;

use super::{HOST, LOCALHOST, Probe, SHORT, Secure, judged, prober};

/// The cause, its side, and how the first step begins.
type Expected = (Cause, Side, &'static str);

async fn advised(what: &str, behaviour: impl Into<Behaviour>, probe: &Probe, expected: Expected) {
    let backend = Backend::start(LOCALHOST, behaviour).unwrap();
    let spec = probe.of(backend.address());
    let prober = prober();
    let (mut observation, mut verdict) = judged(&prober, &spec).await;
    if let (Some(_), Some(address)) = (unexplained_alert(&observation), observation.address) {
        observation.scan = prober.scan(&spec, address).await.map(Arc::new);
        verdict = backend_health_exporter::verdict::judge(&spec, &observation);
    }
    let target = Target { pool: "p".into(), setting: "s".into(), ..Target::single("127.0.0.1".into(), spec) };
    let cause = verdict.cause.unwrap_or_else(|| panic!("{what} is in order"));
    let step = Remedy::of(&cause, &target, verdict.evidence.address).first_step().expect("a step of its side");
    let (code, side, begins) = expected;
    assert_eq!((cause.code, cause.side()), (code, side), "{what}: {}", cause.detail);
    assert!(step.starts_with(begins), "{what}: {begins:?} in {step:?}");
}

#[tokio::test]
async fn who_is_refused_by_name_is_told_to_look_at_the_name() {
    let secure = Secure::new();
    let named = Probe::https(&secure.trust);
    let nameless = Probe::https(&secure.trust).named("127.0.0.1");
    let gateway = |cause, step| (cause, Side::Gateway, step);
    let set =
        "Set the name that the server has a certificate for: `sni_name` or `host_name` in the backend setting `s`";
    advised("40, no name", tls::alert(40), &nameless, gateway(Cause::TlsAlert, set)).await;
    advised("80, no name", tls::alert(80), &nameless, gateway(Cause::TlsAlert, set)).await;
    advised("112, no name", tls::alert(112), &nameless, gateway(Cause::TlsUnrecognizedName, set)).await;
    advised("closed, no name", tls::closes_after_hello(), &nameless, gateway(Cause::TlsClosed, set)).await;
    let check = "Check that the server knows the name app.lab.test";
    advised("40", tls::alert(40), &named, gateway(Cause::TlsAlert, check)).await;
    let known = "Set the name that the server knows:";
    advised("112", tls::alert(112), &named, gateway(Cause::TlsUnrecognizedName, known)).await;
    let log = "Read the server's TLS log at the time of the probe for the alert internal_error (80).";
    advised("80", tls::alert(80), &named, (Cause::TlsAlert, Side::Server, log)).await;
    let protocol = "Allow http/1.1 in ALPN";
    advised("120", tls::alert(120), &named, (Cause::TlsAlert, Side::Server, protocol)).await;
    let closed = "Read the server's TLS log.";
    advised("closed", tls::closes_after_hello(), &named, (Cause::TlsClosed, Side::Server, closed)).await;
}

#[tokio::test]
async fn who_lacks_the_right_client_certificate_is_told_to_set_it() {
    let secure = Secure::new();
    let identity = secure.pki.identity(Chain::Good, HOST).unwrap();
    let server = |versions, client| ServerTls::with(&identity, Terms { versions, client, ..Terms::default() }).unwrap();
    let ours = secure.pki.strange_root.issue(&backend_health_exporter::lab::tls::Profile::client("us")).unwrap();
    let ours = ClientCertificate::new(vec![ours.der()], ours.key_der()).unwrap().named("client.pem", "client.key");
    let without = [Probe::https(&secure.trust), Probe::tls(&secure.trust)];
    let with = without.clone().map(|probe| probe.showing(&Arc::new(ours.clone())));
    let set =
        (Cause::TlsClientCertificateRequired, Side::Gateway, "Set `client_certificate` in the backend setting `s`");
    let look = (
        Cause::TlsClientCertificateRejected,
        Side::Gateway,
        "Look at the file in `client_certificate` of the backend setting `s`: `openssl x509 -noout -subject -issuer -dates -purpose -in client.pem`",
    );
    for versions in [Versions::Tls12, Versions::Tls13] {
        let required = || server(versions, ClientAuthentication::Required(secure.pki.root.der()));
        for (without, with) in without.iter().zip(&with) {
            let script = if without.spec.protocol == Protocol::Https { http::ok() } else { tcp::holds() };
            advised("required", Service::tls(&required(), script.clone()), without, set).await;
            advised("another CA's", Service::tls(&required(), script), with, look).await;
        }
        // As nginx does: the handshake asks, and HTTP says what was wrong.
        let optional = || server(versions, ClientAuthentication::Optional(secure.pki.root.der()));
        for status in [400, 403, 496] {
            let asked = Service::tls(&optional(), http::status(status, "No required SSL certificate was sent"));
            advised(&format!("{status}"), asked, &without[0], set).await;
        }
        let closes = Service::tls(&optional(), tcp::closes());
        advised("closes after asking", closes, &without[1], set).await;
    }
}

#[tokio::test]
async fn who_asks_in_another_protocol_is_told_which_one_to_set() {
    let plain = Probe::http();
    let to_tls = (Cause::HttpToTlsPort, Side::Gateway, "Set `protocol: https` in the backend setting `s`");
    advised("a 400 like nginx's", http::wants_tls(), &plain, to_tls).await;
    let go = "Client sent an HTTP request to an HTTPS server.\n";
    advised("a 400 like Go's", http::status(400, go), &plain, to_tls).await;
    let alert = |version: u8| {
        Script::new([Step::Await(Mark::RequestHead), Step::send([21, 3, version, 0, 2, 2, 70]), Step::Finish])
    };
    advised("an alert", alert(1), &plain, to_tls).await;
    advised("an alert of TLS 1.2", alert(3), &plain, to_tls).await;
    // A bare close proves nothing of TLS; the steps name it all the same.
    let log = "Read the service's log at the time of the probe";
    let dropped = (Cause::TcpReset, Side::Server, log);
    advised("a close", http::closes_without_answer(), &plain, dropped).await;
    advised("a reset", http::resets_without_answer(), &plain, dropped).await;
    let steps = Cause::TcpReset.words().remedy;
    assert!(
        steps.iter().any(|step| step.side == Side::Gateway && step.text.contains("a TLS port often drops plain HTTP"))
    );
    let version = (Cause::HttpVersionMismatch, Side::Gateway, "Probe a port of the server that speaks HTTP/1.1");
    advised("h2c", http::wants_http2(), &plain, version).await;
    let not_found = (Cause::HttpStatusMismatch, Side::Server, "See on the server what there is at /healthz");
    advised("404", http::status(404, "no"), &plain, not_found).await;
    let bad = (Cause::HttpStatusMismatch, Side::Server, "Read the server's log for why /healthz");
    advised("a 400 of its own", http::status(400, "no"), &plain, bad).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_told_by_what_should_end_it() {
    let plain = Probe::http().within(SHORT);
    let length = (Cause::HttpTimeout, Side::Server, "Correct the Content-Length of /healthz");
    advised("a byte too long", http::length_too_large(), &plain, length).await;
    let far = "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\nready\n";
    let far = Script::new([Step::Await(Mark::RequestHead), Step::send(far), Step::Hold]);
    advised("many bytes too long", far, &plain, length).await;
    let end = (Cause::HttpTimeout, Side::Server, "Let the server send Content-Length or chunks");
    advised("no length", http::never_closes(), &plain, end).await;
    let silent = (Cause::HttpTimeout, Side::Server, "Measure on the server itself");
    advised("nothing", http::silent(), &plain, silent).await;
    let reset = (Cause::HttpStatusMismatch, Side::Server, "Check whether this is intended");
    advised("503, then a reset", http::status_then_reset(503), &Probe::http(), reset).await;
}
