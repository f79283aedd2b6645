//! Slow and endless servers: every probe ends at its timeout, and keeps no more than it needs.

use std::time::Duration;

use backend_health_exporter::lab::script::{Mark, Step};
use backend_health_exporter::lab::tls::{Chain, ServerTls};
use backend_health_exporter::lab::{Backend, Behaviour, Script, Service, http, tcp, tls};
use backend_health_exporter::verdict::{Cause, Role};

use super::{
    Expected, GRACE, HOST, LOCALHOST, Part, Probe, SHORT, Secure, check, fails, judged, prober, row, succeeds,
};

fn late(part: Part, words: &str) -> Expected {
    fails(Cause::HttpTimeout, part).saying(words).saying("within 1 s")
}

fn after_request(steps: &[Step]) -> Script {
    Script::new(std::iter::once(Step::Await(Mark::RequestHead)).chain(steps.iter().cloned()))
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_timeout() {
    let secure = Secure::new();
    let good = ServerTls::new(&secure.pki.identity(Chain::Good, HOST).unwrap()).unwrap();
    let pause = Duration::from_millis(20);
    let http = |name, script, expected| row(name, script, Probe::http().within(SHORT), expected);
    let https = |name, script, expected: Expected| {
        let expected = expected.chain(&[Role::Leaf, Role::Intermediate]);
        row(name, Service::tls(&good, script), Probe::https(&secure.trust).within(SHORT), expected)
    };
    let nothing = || late(Part::FirstByte, "not a byte of the response");
    let some_head = || late(Part::Transfer, "bytes of an incomplete head");
    let some_body = || late(Part::Transfer, "the body came").status(200);
    let silent_tls = || fails(Cause::TlsTimeout, Part::Tls).saying("not a byte").saying("within 1 s");
    check([
        http("silent after accept", tcp::holds(), nothing()),
        http("silent after the request", http::silent(), nothing()),
        http("too late", http::ok_after(5 * SHORT), nothing()),
        http("dripping head", http::drips_head(pause), some_head()),
        http("dripping body", http::drips_body(pause), some_body()),
        http(
            "interim, then silence",
            after_request(&[Step::send("HTTP/1.1 103 Early Hints\r\n\r\n"), Step::Hold]),
            some_head(),
        ),
        http(
            "a chunk, then silence",
            after_request(&[Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"), Step::Hold]),
            some_body(),
        ),
        http(
            "until close, and open",
            after_request(&[Step::send("HTTP/1.1 200 OK\r\n\r\nready"), Step::Hold]),
            some_body(),
        ),
        https("silent after the request", http::silent(), nothing()),
        https("dripping head", http::drips_head(pause), some_head()),
        https("dripping body", http::drips_body(pause), some_body()),
        row("silent after accept", tcp::holds(), Probe::tls(&secure.trust).within(SHORT), silent_tls()),
        row("silent after accept", tcp::holds(), Probe::https(&secure.trust).within(SHORT), silent_tls()),
        row("stalls after the hello", tls::stalls_after_hello(), Probe::tls(&secure.trust).within(SHORT), silent_tls()),
        row(
            "a dripping handshake",
            Script::new([
                Step::Await(Mark::ClientHello),
                Step::send([22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc]),
                Step::repeat([3], Duration::from_millis(20)),
            ]),
            Probe::https(&secure.trust).within(SHORT),
            fails(Cause::TlsTimeout, Part::Tls).saying("no complete handshake"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_that_is_late_but_in_time_counts() {
    let delay = Duration::from_millis(300);
    check([row("late", http::ok_after(delay), Probe::http(), succeeds().status(200))]).await;
    let backend = Backend::start(LOCALHOST, http::ok_after(delay)).unwrap();
    let (observation, _) = judged(&prober(), &Probe::http().of(backend.address())).await;
    assert!(observation.phases.first_byte >= delay, "{observation:?}");
    assert!(observation.duration >= delay + observation.phases.connect, "{observation:?}");
}

#[tokio::test]
async fn a_probe_waits_for_the_timeout_and_not_longer() {
    let prober = prober();
    for (behaviour, probe) in [
        (Behaviour::from(http::silent()), Probe::http()),
        (Behaviour::SilentSyn, Probe::tcp()),
        (http::drips_body(Duration::from_millis(1)).into(), Probe::http()),
    ] {
        let backend = Backend::start(LOCALHOST, behaviour).unwrap();
        let (observation, _) = judged(&prober, &probe.within(SHORT).of(backend.address())).await;
        assert!((SHORT..SHORT + GRACE).contains(&observation.duration), "{observation:?}");
    }
}

#[tokio::test]
async fn endless_heads_are_malformed_long_before_the_timeout() {
    let malformed = |words| fails(Cause::HttpMalformed, Part::Transfer).saying(words);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless = |start: &str, more: &str| after_request(&[Step::send(start), Step::repeat(more, Duration::ZERO)]);
    check([
        row("endless headers", http::endless_headers(), Probe::http(), malformed("larger than 64 KiB")),
        row("a header of 1 MiB", http::huge_header(), Probe::http(), malformed("larger than 64 KiB")),
        row(
            "endless 100",
            http::endless_interim(100),
            Probe::http(),
            malformed("more than 16 interim (1xx) responses"),
        ),
        row(
            "endless 103",
            http::endless_interim(103),
            Probe::http(),
            malformed("more than 16 interim (1xx) responses"),
        ),
        row("17 interim responses", http::interim_then_ok(103, 17), Probe::http(), malformed("more than 16 interim")),
        row("endless empty lines", endless("", &"\r\n".repeat(512)), Probe::http(), malformed("larger than 64 KiB")),
        row("an endless chunk size", endless(chunked, &"1".repeat(512)), Probe::http(), malformed("chunk").status(200)),
        row(
            "an endless chunk extension",
            endless(&format!("{chunked}1;"), &"x".repeat(512)),
            Probe::http(),
            malformed("size line does not end").status(200),
        ),
        row(
            "endless small chunks with large extensions",
            endless(chunked, &format!("1;{}\r\na\r\n", "x".repeat(4000))),
            Probe::http(),
            malformed("larger than 1 MiB").status(200),
        ),
        row(
            "endless trailers",
            endless(&format!("{chunked}0\r\n"), &"A: b\r\n".repeat(100)),
            Probe::http(),
            malformed("larger than 64 KiB").status(200),
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_endless_body_counts_by_its_first_64_kib() {
    let found = || succeeds().status(200);
    let missing = || fails(Cause::HttpBodyMismatch, Part::Transfer).status(200);
    check([
        row("endless body", http::endless_body(), Probe::http(), found()),
        row("endless body, matched", http::endless_body(), Probe::http().wanting_body("more and"), found()),
        row("endless body, not matched", http::endless_body(), Probe::http().wanting_body("ready"), missing()),
        row("endless chunks", http::endless_chunks(), Probe::http(), found()),
        row("endless chunks, matched", http::endless_chunks(), Probe::http().wanting_body("ccc"), found()),
        row("endless chunks, not matched", http::endless_chunks(), Probe::http().wanting_body("ready"), missing()),
    ])
    .await;
    let prober = prober();
    for script in [http::endless_body(), http::endless_chunks()] {
        let backend = Backend::start(LOCALHOST, script).unwrap();
        let (observation, verdict) = judged(&prober, &Probe::http().of(backend.address())).await;
        assert_eq!(observation.response.expect("a response").body.len(), 64 * 1024);
        assert_eq!(verdict.evidence.response.expect("a response").body_excerpt.len(), 256);
    }
}

#[tokio::test]
async fn more_than_64_kib_are_enough_and_64_kib_are_not() {
    let sending = |count: usize, then: Step| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
        after_request(&[Step::send(head), Step::send(vec![b'.'; count]), Step::Pause(Duration::from_millis(50)), then])
    };
    let kept = 64 * 1024;
    let short = || Probe::http().within(SHORT);
    check([
        row("one byte more, and silence", sending(kept + 1, Step::Hold), Probe::http(), succeeds().status(200)),
        row("one byte more, and RST", sending(kept + 1, Step::Reset), Probe::http(), succeeds().status(200)),
        row(
            "64 KiB, and silence",
            sending(kept, Step::Hold),
            short(),
            late(Part::Transfer, "65536 of 1000000 bytes").status(200),
        ),
        row(
            "64 KiB, and FIN",
            sending(kept, Step::Finish),
            Probe::http(),
            fails(Cause::HttpMalformed, Part::Transfer).saying("65536 of 1000000").status(200),
        ),
        row(
            "64 KiB, and RST",
            sending(kept, Step::Reset),
            Probe::http(),
            fails(Cause::TcpReset, Part::Transfer).status(200),
        ),
    ])
    .await;
}
