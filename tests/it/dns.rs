//! The resolver against a real name server: what each answer comes to, what is cached, and what is remembered.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;

use backend_health_exporter::lab::dns::{Answer, Nameserver, Zone};
use backend_health_exporter::resolver::{Addresses, DnsFault, Files, Options, Resolver};

const NAME: &str = "app.test";
const V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

/// Enough for any answer that comes at all.
const PLENTY: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_hours(1);

fn resolver(nameservers: &[SocketAddr], last_known_good: Duration) -> Resolver {
    Resolver::new(Options { nameservers: nameservers.to_vec(), last_known_good })
}

/// A name server that knows one name, and a resolver that asks it.
async fn pair(answer: Answer, last_known_good: Duration) -> (Nameserver, Resolver) {
    let server = Nameserver::start(Zone::new().with(NAME, answer)).await.unwrap();
    let resolver = resolver(&[server.address()], last_known_good);
    (server, resolver)
}

/// A port that was free a moment ago.
async fn closed_port() -> SocketAddr {
    Nameserver::start(Zone::new()).await.unwrap().address()
}

fn good(ttl: u32) -> Answer {
    Answer::addresses([V4], ttl)
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what a lookup returns")]
fn fresh(addresses: &[IpAddr]) -> Result<Addresses, DnsFault> {
    Ok(Addresses { addresses: addresses.to_vec(), stale: None })
}

/// Waits for `condition`, which takes a moment or some.
async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + PLENTY;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

enum Expected {
    Found(Vec<IpAddr>),
    Fault(DnsFault),
    /// With this text, in which `SERVER` stands for the server's address.
    Failure(&'static str),
}

async fn check(answer: Answer, expected: Expected) {
    let (server, resolver) = pair(answer.clone(), HOUR).await;
    let expected = match expected {
        Expected::Found(addresses) => fresh(&addresses),
        Expected::Fault(fault) => Err(fault),
        Expected::Failure(text) => Err(DnsFault::ServerFailure(text.replace("SERVER", &server.address().to_string()))),
    };
    // Silence has to be waited for, the rest is there at once.
    let budget = if expected == Err(DnsFault::Timeout) { Duration::from_millis(100) } else { PLENTY };
    assert_eq!(resolver.lookup(NAME, budget).await, expected, "{answer:?}");
}

#[tokio::test]
async fn each_answer_comes_to_its_addresses_or_its_fault() {
    use Expected::{Failure, Fault, Found};
    check(good(60), Found(vec![V4.into()])).await;
    check(Answer::addresses([V6], 60), Found(vec![V6.into()])).await;
    check(Answer::addresses([V4, V4], 60), Found(vec![V4.into()])).await;
    check(good(60).truncated(), Found(vec![V4.into()])).await;
    check(good(60).delayed(Duration::from_millis(50)), Found(vec![V4.into()])).await;
    check(Answer::NameNotFound, Fault(DnsFault::NameNotFound)).await;
    check(Answer::NoData, Fault(DnsFault::NoAddress)).await;
    check(Answer::Silent, Fault(DnsFault::Timeout)).await;
    check(Answer::ServerFailure, Failure("SERVER answered SERVFAIL (A and AAAA of app.test)")).await;
    check(Answer::Refused, Failure("SERVER answered REFUSED (A and AAAA of app.test)")).await;
    check(Answer::NotImplemented, Failure("SERVER answered NOTIMP (A and AAAA of app.test)")).await;
    check(Answer::Garbage, Failure("SERVER sent an answer that cannot be decoded (A and AAAA of app.test)")).await;
}

#[tokio::test]
async fn a_failing_half_neither_hides_the_other_nor_passes_for_no_address() {
    use Expected::{Failure, Fault, Found};
    let half = Answer::halves;
    let v6 = || Answer::addresses([V6], 60);
    check(half(good(60), Answer::ServerFailure), Found(vec![V4.into()])).await;
    check(half(Answer::ServerFailure, v6()), Found(vec![V6.into()])).await;
    check(half(good(60), Answer::NameNotFound), Found(vec![V4.into()])).await;
    check(half(good(60), Answer::Garbage), Found(vec![V4.into()])).await;
    check(half(good(60), Answer::Silent), Found(vec![V4.into()])).await;
    check(half(Answer::Silent, v6()), Found(vec![V6.into()])).await;
    check(half(Answer::NoData, Answer::NameNotFound), Fault(DnsFault::NoAddress)).await;
    check(half(Answer::NameNotFound, Answer::Silent), Fault(DnsFault::NameNotFound)).await;
    check(half(Answer::NoData, Answer::Silent), Fault(DnsFault::Timeout)).await;
    check(
        half(Answer::NoData, Answer::ServerFailure),
        Failure("SERVER answered SERVFAIL (AAAA of app.test; A: no record)"),
    )
    .await;
    check(half(Answer::Refused, Answer::NoData), Failure("SERVER answered REFUSED (A of app.test; AAAA: no record)"))
        .await;
}

#[tokio::test]
async fn aliases_are_followed_and_their_ends_told_apart() {
    let rows = [
        (good(60), fresh(&[V4.into()])),
        (Answer::NameNotFound, Err(DnsFault::AliasNotFound("cdn.test".to_owned()))),
        (Answer::NoData, Err(DnsFault::AliasWithoutAddress("cdn.test".to_owned()))),
    ];
    for (answer, expected) in rows {
        let (server, resolver) = pair(Answer::alias("cdn.test", 60), HOUR).await;
        server.set("CDN.test", answer.clone());
        assert_eq!(resolver.lookup(NAME, PLENTY).await, expected, "{answer:?}");
        // The last name of a chain is the one that is missing.
        let (server, resolver) = pair(Answer::alias("www.test", 60), HOUR).await;
        server.set("www.test", Answer::alias("cdn.test", 60));
        server.set("cdn.test", answer.clone());
        assert_eq!(resolver.lookup(NAME, PLENTY).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_name_that_dns_cannot_carry_does_not_exist() {
    let (_server, resolver) = pair(good(60), HOUR).await;
    let label = "a".repeat(64);
    for name in [format!("{label}.test"), "a..test".to_owned()] {
        assert_eq!(resolver.lookup(&name, PLENTY).await, Err(DnsFault::NameNotFound), "{name}");
    }
}

#[tokio::test]
async fn names_with_underscores_are_names() {
    let (server, resolver) = pair(good(60), HOUR).await;
    for name in ["_app.test", "my_app.test", "app_.test"] {
        server.set(name, good(60));
        assert_eq!(resolver.lookup(name, PLENTY).await, fresh(&[V4.into()]), "{name}");
    }
}

#[tokio::test]
async fn an_answer_too_large_for_udp_comes_whole_over_tcp_and_is_bounded() {
    for (count, expected) in [(60, 60), (100, 64)] {
        let many: Vec<Ipv4Addr> = (1..=count).map(|last| Ipv4Addr::new(127, 0, 1, last)).collect();
        let (_server, resolver) = pair(Answer::addresses(many.iter().copied(), 60), HOUR).await;
        let found = resolver.lookup(NAME, PLENTY).await.unwrap().addresses;
        let many: Vec<IpAddr> = many.into_iter().map(Into::into).take(expected).collect();
        assert_eq!(found, many);
    }
}

fn many(count: u8) -> Answer {
    Answer::addresses((1..=count).map(|last| Ipv4Addr::new(127, 0, 1, last)), 60)
}

#[tokio::test]
async fn an_answer_that_is_longer_than_udp_allows_is_asked_for_again_over_tcp() {
    // 28 addresses are the last that fit 512 bytes.
    for count in [28, 32, 40, 60] {
        let (_server, resolver) = pair(many(count).oversized(), HOUR).await;
        let found = resolver.lookup(NAME, PLENTY).await.unwrap().addresses;
        assert_eq!(found.len(), usize::from(count));
    }
    let (_server, resolver) = pair(Answer::transports(Answer::Garbage, good(60)), HOUR).await;
    assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]), "what cannot be decoded is asked again, too");
}

#[tokio::test]
async fn a_resolver_that_has_no_tcp_is_told_from_one_that_is_silent() {
    for (answer, said) in [
        (good(60).truncated(), "its answer over UDP is truncated"),
        (many(40).oversized(), "its answer over UDP cannot be decoded"),
    ] {
        let server = Nameserver::start_without_tcp(Zone::new().with(NAME, answer.clone())).await.unwrap();
        let fault = resolver(&[server.address()], HOUR).lookup(NAME, PLENTY).await.unwrap_err().to_string();
        assert!(fault.contains("refused") && fault.contains(said), "{answer:?}: {fault}");
    }
}

#[tokio::test]
async fn a_slow_answer_over_tcp_holds_up_nobody_else() {
    let slow = good(60).delayed(Duration::from_secs(30));
    let (server, resolver) = pair(Answer::transports(good(60).truncated(), slow), HOUR).await;
    server.set("quick.test", good(60).truncated());
    let waiting = resolver.lookup(NAME, PLENTY);
    tokio::pin!(waiting);
    // Asked over UDP for both halves, and then over TCP.
    let asked = until("the questions over TCP", || async { server.questions(NAME) >= 4 });
    tokio::select! {
        found = &mut waiting => panic!("the slow one is not there yet: {found:?}"),
        () = asked => {}
    }
    let begun = Instant::now();
    assert_eq!(resolver.lookup("quick.test", PLENTY).await, fresh(&[V4.into()]));
    assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
}

/// A resolver that reads a resolv.conf of its own.
fn reading(resolv_conf: &str, nameservers: &[SocketAddr]) -> (Resolver, TempDir) {
    let directory = TempDir::new().unwrap();
    let files = Files { hosts: directory.path().join("hosts"), resolv_conf: directory.path().join("resolv.conf") };
    std::fs::write(&files.resolv_conf, resolv_conf).unwrap();
    let options = Options { nameservers: nameservers.to_vec(), last_known_good: HOUR };
    (Resolver::with_files(options, files), directory)
}

#[tokio::test]
async fn use_vc_asks_over_tcp_only() {
    let over_tcp_only = Answer::transports(Answer::Silent, good(60));
    let over_udp_only = Answer::transports(good(60), Answer::Silent);
    let server =
        Nameserver::start(Zone::new().with(NAME, over_tcp_only).with("udp.test", over_udp_only)).await.unwrap();
    let (tcp, _directory) = reading("options ndots:1 use-vc\n", &[server.address()]);
    assert_eq!(tcp.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
    assert_eq!(server.questions(NAME), 2, "nothing is asked over UDP");
    let short = Duration::from_millis(300);
    assert_eq!(tcp.lookup("udp.test", short).await, Err(DnsFault::Timeout));
    let (udp, _directory) = reading("options ndots:1\n", &[server.address()]);
    assert_eq!(udp.lookup("udp.test", PLENTY).await, fresh(&[V4.into()]));
    assert_eq!(udp.lookup(NAME, short).await, Err(DnsFault::Timeout));

    let closed = closed_port().await;
    let (resolver, _directory) = reading("options use-vc\n", &[closed]);
    let fault = resolver.lookup(NAME, PLENTY).await.unwrap_err().to_string();
    assert!(fault.contains(&closed.to_string()) && fault.contains("refused"), "{fault}");
}

#[tokio::test]
async fn without_a_resolver_in_resolv_conf_this_host_is_asked() {
    // Where port 53 of this host may be had: the suite's own network, and machines without a resolver.
    let Ok(server) = Nameserver::start_at(([127, 0, 0, 1], 53).into(), Zone::new().with(NAME, good(60))).await else {
        return;
    };
    for resolv_conf in ["", "search corp.test\noptions ndots:1\n", "# nameserver 192.0.2.53\n"] {
        let (resolver, _directory) = reading(resolv_conf, &[]);
        assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]), "{resolv_conf:?}");
    }
    drop(server);
    let (resolver, _directory) = reading("", &[]);
    let begun = Instant::now();
    let fault = resolver.lookup(NAME, PLENTY).await.unwrap_err().to_string();
    assert!(fault.starts_with("no resolver is configured, and none runs on this host (127.0.0.1:53)"), "{fault}");
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
}

#[tokio::test]
async fn an_answer_is_asked_for_once_while_its_ttl_lasts() {
    let (server, resolver) = pair(good(300), HOUR).await;
    for _ in 0..10 {
        assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
    }
    assert_eq!(server.questions(NAME), 2, "one for A, one for AAAA");
}

#[tokio::test]
async fn an_answer_with_ttl_0_is_asked_for_each_time() {
    let (server, resolver) = pair(good(0), HOUR).await;
    for lookups in 1..=3 {
        assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
        assert_eq!(server.questions(NAME), 2 * lookups);
    }
}

#[tokio::test]
async fn the_shortest_ttl_on_the_way_counts() {
    let (server, resolver) = pair(Answer::alias("cdn.test", 0), HOUR).await;
    server.set("cdn.test", good(300));
    for lookups in 1..=3 {
        assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
        assert_eq!(server.questions(NAME), 2 * lookups);
    }
}

#[tokio::test]
async fn a_changed_address_shows_when_the_ttl_is_over() {
    let (server, resolver) = pair(good(1), HOUR).await;
    assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
    let moved = Ipv4Addr::new(127, 0, 0, 10);
    server.set(NAME, Answer::addresses([moved], 300));
    until("the new address", || async { resolver.lookup(NAME, PLENTY).await == fresh(&[moved.into()]) }).await;
}

#[tokio::test]
async fn a_mended_name_shows_with_the_next_lookup() {
    for broken in [Answer::NameNotFound, Answer::NoData, Answer::ServerFailure, Answer::Refused, Answer::Garbage] {
        let (server, resolver) = pair(broken.clone(), HOUR).await;
        resolver.lookup(NAME, PLENTY).await.unwrap_err();
        server.set(NAME, good(60));
        assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]), "{broken:?}");
    }
}

#[tokio::test]
async fn a_mended_resolver_shows_while_an_old_question_is_still_waiting() {
    let (server, resolver) = pair(Answer::Silent, HOUR).await;
    let short = Duration::from_millis(200);
    assert_eq!(resolver.lookup(NAME, short).await, Err(DnsFault::Timeout));
    // Both questions and their repetitions are lost; what comes now has to be asked anew.
    until("all repetitions", || async { server.questions(NAME) >= 6 }).await;
    server.set(NAME, good(60));
    let mended = Instant::now();
    until("the answer", || async { resolver.lookup(NAME, short).await.is_ok() }).await;
    assert!(mended.elapsed() < Duration::from_secs(3), "took {:?}", mended.elapsed());
}

#[tokio::test]
async fn the_last_known_good_addresses_are_used_and_the_fault_is_told() {
    let rows = [
        (Answer::NameNotFound, DnsFault::NameNotFound),
        (Answer::NoData, DnsFault::NoAddress),
        (Answer::Silent, DnsFault::Timeout),
    ];
    for (broken, fault) in rows {
        let (server, resolver) = pair(good(0), HOUR).await;
        assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
        server.set(NAME, broken);
        let found = resolver.lookup(NAME, Duration::from_secs(1)).await.unwrap();
        let stale = found.stale.expect("remembered addresses say so");
        assert_eq!((found.addresses, stale.fault), (vec![V4.into()], fault));
        assert!(stale.age < PLENTY);

        server.set(NAME, good(300));
        until("fresh addresses", || async { resolver.lookup(NAME, PLENTY).await == fresh(&[V4.into()]) }).await;
    }
}

#[tokio::test]
async fn the_last_known_good_addresses_are_given_up_after_their_time() {
    let (server, resolver) = pair(good(0), Duration::from_millis(300)).await;
    assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
    server.set(NAME, Answer::NameNotFound);
    until("the fault", || async { resolver.lookup(NAME, PLENTY).await == Err(DnsFault::NameNotFound) }).await;
}

#[tokio::test]
async fn nothing_is_remembered_when_that_is_switched_off() {
    let (server, resolver) = pair(good(0), Duration::ZERO).await;
    assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
    server.set(NAME, Answer::NameNotFound);
    assert_eq!(resolver.lookup(NAME, PLENTY).await, Err(DnsFault::NameNotFound));
}

#[tokio::test]
async fn a_resolver_that_is_dead_or_fails_is_passed_over() {
    let good = Nameserver::start(Zone::from([(NAME, good(0))])).await.unwrap();
    let budget = Duration::from_secs(2);

    let closed = closed_port().await;
    assert_eq!(resolver(&[closed, good.address()], HOUR).lookup(NAME, budget).await, fresh(&[V4.into()]), "closed");

    for broken in [Answer::Silent, Answer::ServerFailure, Answer::Refused, Answer::Garbage] {
        let first = Nameserver::start(Zone::from([(NAME, broken.clone())])).await.unwrap();
        let resolver = resolver(&[first.address(), good.address()], HOUR);
        assert_eq!(resolver.lookup(NAME, budget).await, fresh(&[V4.into()]), "{broken:?}");
    }
}

#[tokio::test]
async fn the_first_resolvers_word_on_a_name_counts() {
    for (word, fault) in [(Answer::NameNotFound, DnsFault::NameNotFound), (Answer::NoData, DnsFault::NoAddress)] {
        // Slower than the second one is asked, so that both have answered.
        let first = Zone::from([(NAME, good(60).delayed(Duration::from_millis(400)))]);
        let first = Nameserver::start(first).await.unwrap();
        let second = Nameserver::start(Zone::from([(NAME, word.clone())])).await.unwrap();
        let found = resolver(&[first.address(), second.address()], HOUR).lookup(NAME, PLENTY).await;
        assert_eq!(found, fresh(&[V4.into()]), "{word:?} from the second");
        assert_eq!(second.questions(NAME), 2);

        first.set(NAME, word);
        second.set(NAME, good(60));
        let found = resolver(&[first.address(), second.address()], HOUR).lookup(NAME, PLENTY).await;
        assert_eq!(found, Err(fault), "from the first");
        assert_eq!(second.questions(NAME), 2, "the second is not asked");
    }
}

#[tokio::test]
async fn the_second_resolvers_word_counts_when_the_first_is_dead() {
    let second = Nameserver::start(Zone::new()).await.unwrap();
    let resolver = resolver(&[closed_port().await, second.address()], HOUR);
    assert_eq!(resolver.lookup(NAME, Duration::from_secs(3)).await, Err(DnsFault::NameNotFound));
}

#[tokio::test]
async fn a_closed_port_is_no_answer() {
    let resolver = resolver(&[closed_port().await], HOUR);
    assert_eq!(resolver.lookup(NAME, Duration::from_millis(100)).await, Err(DnsFault::Timeout));
}

#[tokio::test]
async fn localhost_asks_nobody() {
    let (server, resolver) = pair(good(60), HOUR).await;
    let found = resolver.lookup("localhost", PLENTY).await.unwrap();
    assert!(found.addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{found:?}");
    assert_eq!(server.questions("localhost"), 0);
}

#[tokio::test]
async fn names_are_searched_for_as_the_system_does() {
    let address = |last| Ipv4Addr::new(127, 0, 0, last);
    let server = Nameserver::start(Zone::from([
        ("db.corp.test", Answer::addresses([address(1)], 60)),
        ("mail.lan.test", Answer::addresses([address(2)], 60)),
        // The halves of one name belong together: the search ends where the first of them is found.
        ("web.corp.test", Answer::addresses([address(3)], 60)),
        ("web.lan.test", Answer::addresses([V6], 60)),
        ("api.example", Answer::addresses([address(4)], 60)),
        ("api.example.corp.test", Answer::addresses([address(5)], 60)),
        ("eu.db", Answer::NameNotFound),
        ("eu.db.lan.test", Answer::addresses([address(6)], 60)),
        ("half.corp.test", Answer::ServerFailure),
        ("empty.lan.test", Answer::NoData),
    ]))
    .await
    .unwrap();
    let etc = TempDir::new().unwrap();
    let files = Files { hosts: etc.path().join("hosts"), resolv_conf: etc.path().join("resolv.conf") };
    std::fs::write(&files.hosts, "127.0.0.7 short\n").unwrap();
    std::fs::write(&files.resolv_conf, "search corp.test lan.test\noptions ndots:1\n").unwrap();
    let options = Options { nameservers: vec![server.address()], last_known_good: HOUR };
    let resolver = Resolver::with_files(options, files);
    for (name, last) in [("db", 1), ("mail", 2), ("web", 3), ("api.example", 4), ("eu.db", 6), ("short", 7)] {
        assert_eq!(resolver.lookup(name, PLENTY).await, fresh(&[address(last).into()]), "{name}");
    }
    let failure = format!("{} answered SERVFAIL (A and AAAA of half.corp.test)", server.address());
    for (name, fault) in [
        ("nowhere", DnsFault::NameNotFound),
        ("no.where", DnsFault::NameNotFound),
        ("empty", DnsFault::NoAddress),
        ("half", DnsFault::ServerFailure(failure)),
    ] {
        assert_eq!(resolver.lookup(name, PLENTY).await, Err(fault), "{name}");
    }
    assert_eq!(server.questions("short.corp.test"), 0, "the hosts file comes first");
}

#[tokio::test]
async fn lookups_of_one_name_at_a_time_ask_once() {
    let (server, resolver) = pair(good(0).delayed(Duration::from_millis(50)), HOUR).await;
    let resolver = std::sync::Arc::new(resolver);
    let mut lookups = JoinSet::new();
    for _ in 0..100 {
        let resolver = resolver.clone();
        lookups.spawn(async move { resolver.lookup(NAME, PLENTY).await });
    }
    for found in lookups.join_all().await {
        assert_eq!(found, fresh(&[V4.into()]));
    }
    assert_eq!(server.questions(NAME), 2);
}

#[tokio::test]
async fn a_thousand_names_at_a_time_are_all_answered() {
    let names: Vec<String> = (0..1000).map(|number| format!("app-{number}.test")).collect();
    let zone = names.iter().fold(Zone::new(), |zone, name| zone.with(name, good(60)));
    let server = Nameserver::start(zone).await.unwrap();
    let resolver = std::sync::Arc::new(resolver(&[server.address()], HOUR));
    let mut lookups = JoinSet::new();
    for name in names {
        let resolver = resolver.clone();
        lookups.spawn(async move { resolver.lookup(&name, PLENTY).await });
    }
    for found in lookups.join_all().await {
        assert_eq!(found, fresh(&[V4.into()]));
    }
}

#[tokio::test]
async fn the_budget_is_kept() {
    let (_server, resolver) = pair(Answer::Silent, HOUR).await;
    let begun = Instant::now();
    assert_eq!(resolver.lookup(NAME, Duration::from_millis(300)).await, Err(DnsFault::Timeout));
    let took = begun.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_millis(600)).contains(&took), "took {took:?}");
}

#[tokio::test]
async fn remembered_addresses_leave_half_of_the_budget() {
    let (server, resolver) = pair(good(0), HOUR).await;
    assert_eq!(resolver.lookup(NAME, PLENTY).await, fresh(&[V4.into()]));
    server.set(NAME, Answer::Silent);
    for (budget, at_most) in [(600, 500), (60_000, 3_000)] {
        let begun = Instant::now();
        let found = resolver.lookup(NAME, Duration::from_millis(budget)).await.unwrap();
        let took = begun.elapsed();
        assert_eq!(found.stale.map(|stale| stale.fault), Some(DnsFault::Timeout));
        assert!(took < Duration::from_millis(at_most), "{budget} ms: took {took:?}");
    }
}

#[tokio::test]
async fn half_an_answer_is_used_when_the_budget_ends() {
    let (_server, resolver) = pair(Answer::halves(good(60), Answer::Silent), HOUR).await;
    let begun = Instant::now();
    assert_eq!(resolver.lookup(NAME, Duration::from_millis(200)).await, fresh(&[V4.into()]));
    assert!(begun.elapsed() < Duration::from_millis(400));
}

#[tokio::test]
async fn a_lookup_that_was_given_up_fills_the_cache() {
    let (server, resolver) = pair(good(300).delayed(Duration::from_millis(200)), HOUR).await;
    assert_eq!(resolver.lookup(NAME, Duration::from_millis(20)).await, Err(DnsFault::Timeout));
    until("the answer", || async { resolver.lookup(NAME, Duration::ZERO).await == fresh(&[V4.into()]) }).await;
    assert_eq!(server.questions(NAME), 2);
}

#[tokio::test]
async fn names_that_nobody_answers_for_do_not_hold_up_the_others() {
    let dead: Vec<String> = (0..400).map(|number| format!("dead-{number}.test")).collect();
    let zone = dead.iter().fold(Zone::new(), |zone, name| zone.with(name, Answer::Silent)).with(NAME, good(60));
    let server = Nameserver::start(zone).await.unwrap();
    let resolver = std::sync::Arc::new(resolver(&[server.address()], HOUR));
    let mut lookups = JoinSet::new();
    for name in dead {
        let resolver = resolver.clone();
        lookups.spawn(async move { resolver.lookup(&name, PLENTY).await });
    }
    until("the dead names are asked for", || async { server.questions("dead-0.test") > 0 }).await;
    assert_eq!(resolver.lookup(NAME, Duration::from_secs(3)).await, fresh(&[V4.into()]));
}
