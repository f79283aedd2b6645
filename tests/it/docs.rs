//! The table of causes: that it is the contract's, that its texts are sound and stay so whatever is filled into them, and
//! that `docs/troubleshooting.md` is made of it. `BLESS=1 cargo test --test it docs` writes that file anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use backend_health_exporter::health::Row;
use backend_health_exporter::lab::Demo;
use backend_health_exporter::lab::demo::CONFIG_FILE;
use backend_health_exporter::probe::{NameSource, Prober, Protocol, Request, TlsSpec, Trust, TrustMode, VerifiedName};
use backend_health_exporter::resolver::Resolver;
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{
    Case, Cause, Code, Facts, Finding, Notice, Side, Slot, Stage, Verdict, Words, judge, unexplained_alert,
};
use backend_health_exporter::view::remedy::Remedy;
use backend_health_exporter::{app, resolver};

use crate::sample;

/// What users build on: every cause, where it shows, and who acts.
const CONTRACT: &[(&str, &str, &str)] = &[
    ("not_probed_yet", "local", "exporter"),
    ("local_exhausted", "local", "exporter"),
    ("local_overloaded", "local", "exporter"),
    ("local_network", "local", "exporter"),
    ("dns_name_not_found", "dns", "gateway"),
    ("dns_no_address", "dns", "gateway"),
    ("dns_unusable_address", "dns", "gateway"),
    ("dns_server_failure", "dns", "network"),
    ("dns_timeout", "dns", "network"),
    ("tcp_refused", "tcp", "server"),
    ("tcp_timeout", "tcp", "network"),
    ("tcp_unreachable", "tcp", "network"),
    ("tcp_reset", "tcp", "server"),
    ("proxy_protocol_rejected", "tcp", "server"),
    ("tls_not_tls", "tls", "gateway"),
    ("tls_version_mismatch", "tls", "server"),
    ("tls_cipher_mismatch", "tls", "server"),
    ("tls_client_certificate_required", "tls", "gateway"),
    ("tls_client_certificate_rejected", "tls", "gateway"),
    ("tls_unrecognized_name", "tls", "gateway"),
    ("tls_alert", "tls", "server"),
    ("tls_closed", "tls", "server"),
    ("tls_timeout", "tls", "server"),
    ("tls_protocol_error", "tls", "server"),
    ("cert_leaf_missing", "tls", "server"),
    ("cert_leaf_not_first", "tls", "server"),
    ("cert_invalid", "tls", "server"),
    ("cert_expired", "tls", "server"),
    ("cert_not_yet_valid", "tls", "server"),
    ("cert_intermediate_missing", "tls", "server"),
    ("cert_self_signed", "tls", "server"),
    ("cert_root_not_well_known", "tls", "gateway"),
    ("cert_issuer_not_well_known", "tls", "gateway"),
    ("cert_root_mismatch", "tls", "gateway"),
    ("cert_issuer_mismatch", "tls", "gateway"),
    ("cert_revoked", "tls", "server"),
    ("cert_name_mismatch", "tls", "gateway"),
    ("http_timeout", "http", "server"),
    ("http_status_mismatch", "http", "server"),
    ("http_body_mismatch", "http", "server"),
    ("http_header_mismatch", "http", "server"),
    ("http_json_mismatch", "http", "server"),
    ("http_malformed", "http", "server"),
    ("http_to_tls_port", "http", "gateway"),
    ("http_version_mismatch", "http", "gateway"),
];

/// The rows of both tables.
fn all_words() -> Vec<&'static Words> {
    let causes = Cause::ALL.iter().map(|cause| cause.words());
    causes.chain(Notice::ALL.iter().map(|notice| notice.words())).collect()
}

/// The rows of both tables, and those of the cases of their causes.
fn all_texts() -> Vec<&'static Words> {
    all_words().into_iter().chain(Case::ALL.iter().map(|case| case.words())).collect()
}

/// Every text of a row that has slots.
fn templates(words: &'static Words) -> Vec<&'static str> {
    let steps = words.remedy.iter().flat_map(|step| [Some(step.text), step.alone, step.general]).flatten();
    steps.chain(words.reproduce).collect()
}

/// The keys between the braces of a text.
fn keys(template: &str) -> Vec<&str> {
    let after = template.split('{').skip(1);
    after.map(|after| after.split_once('}').expect("a brace is closed").0).collect()
}

#[test]
fn the_causes_are_those_that_users_were_promised() {
    let found: BTreeSet<_> =
        Cause::ALL.iter().map(|cause| (cause.code(), cause.stage().as_str(), cause.side().as_str())).collect();
    assert_eq!(found, CONTRACT.iter().copied().collect());
    assert_eq!(Cause::ALL.len(), CONTRACT.len());
}

#[test]
fn codes_and_titles_tell_rows_apart() {
    let words = all_words();
    for field in [|words: &Words| words.code, |words: &Words| words.title] {
        let different: BTreeSet<_> = words.iter().map(|words| field(words)).collect();
        assert_eq!(different.len(), words.len());
    }
    for Words { code, title, explanation, .. } in words {
        assert!((2..=5).contains(&title.split(' ').count()), "{code}: {title}");
        assert!(explanation.ends_with('.') && !explanation.trim_end_matches('.').contains(". "), "{code}");
        assert!(code.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{code}");
    }
}

#[test]
fn a_remedy_is_a_few_steps_and_begins_with_the_side_at_fault() {
    for Words { code, side, remedy, .. } in all_texts() {
        assert!((1..=5).contains(&remedy.len()), "{code} has {} steps", remedy.len());
        assert_eq!(remedy[0].side, *side, "{code}");
        let sides: Vec<Side> = remedy.iter().map(|step| step.side).collect();
        let mut runs = sides.clone();
        runs.dedup();
        let different: BTreeSet<_> = sides.iter().map(|side| side.as_str()).collect();
        assert_eq!(runs.len(), different.len(), "{code} goes back and forth between sides: {sides:?}");
        for step in *remedy {
            assert!(step.text.len() > 20 && step.text.trim() == step.text, "{code}: {:?}", step.text);
            assert!(step.text.ends_with(['.', '`', '}']), "{code}: {:?}", step.text);
            assert!(!step.text.contains('\n') && step.text.matches('`').count() % 2 == 0, "{code}: {:?}", step.text);
        }
    }
}

#[test]
fn every_slot_in_the_texts_is_known_and_every_slot_is_used() {
    let mut used = BTreeSet::new();
    for words in all_texts() {
        for template in templates(words) {
            for key in keys(template) {
                used.insert(Slot::parse(key).unwrap_or_else(|| panic!("{}: {key} is no slot", words.code)));
            }
        }
    }
    assert_eq!(used, Slot::ALL.iter().copied().collect());
}

#[test]
fn every_tls_fault_has_a_command_that_shows_it() {
    for words in all_texts() {
        // A revocation list or a trusted certificate is a file of ours.
        let shows = words.reproduce.is_some_and(|command| {
            ["openssl s_client", "openssl crl", "openssl x509"].iter().any(|tool| command.contains(tool))
        });
        assert!(shows || words.stage != Stage::Tls, "{}", words.code);
    }
}

#[test]
fn commands_hold_nothing_that_a_backend_chose_and_no_slot_between_quotes() {
    for words in all_texts() {
        let code = templates(words).into_iter().flat_map(|template| template.split('`').skip(1).step_by(2));
        for command in code.chain(words.reproduce) {
            let quoted = command.split(['\'', '"']).skip(1).step_by(2);
            assert!(quoted.flat_map(keys).next().is_none(), "{}: {command}", words.code);
            for slot in keys(command).into_iter().filter_map(Slot::parse) {
                assert!(!OF_THE_FINDING.contains(&slot), "{}: {slot:?} in {command}", words.code);
            }
        }
    }
}

/// Slots whose values may come from a certificate or a backend.
const OF_THE_FINDING: &[Slot] = &[
    Slot::Subject,
    Slot::Issuer,
    Slot::Serial,
    Slot::Fingerprint,
    Slot::NotBefore,
    Slot::NotAfter,
    Slot::IssuerUrl,
    Slot::Expected,
    Slot::Received,
    Slot::Alert,
];

#[test]
fn every_command_is_one_that_a_shell_can_read() {
    for words in all_texts() {
        if let Some(command) = Remedy::example(words).reproduce() {
            assert_shell_reads(&command);
        }
    }
}

fn assert_shell_reads(command: &str) {
    let shell = Command::new("sh").args(["-n", "-c", command]).output().unwrap();
    assert!(shell.status.success(), "{command}: {}", String::from_utf8_lossy(&shell.stderr));
}

/// A row of the sample, probed over https under a name.
fn secure_target(server: &str, name: VerifiedName, host: &str, path: &str) -> Target {
    let Row { target, .. } = sample::new_row("web", "https-443", server, Protocol::Https);
    let mut target = Arc::unwrap_or_clone(target);
    let trust = Trust::new(TrustMode::Configured, Vec::new(), Vec::new()).unwrap();
    target.probe.request = Some(Request::new(host, path));
    target.probe.tls = Some(TlsSpec {
        name,
        name_source: NameSource::ProbeHost,
        trust: Arc::new(trust),
        client_certificate: None,
        validate_chain: true,
        validate_name: true,
        expiry_warning: std::time::Duration::ZERO,
    });
    target
}

#[test]
fn commands_carry_the_rows_own_values() {
    fn check(cause: Cause, server: &str, name: &str, path: &str, expected: &str) {
        let target = secure_target(server, VerifiedName::of(&name.into()), "api.example.com", path);
        let finding = Finding::new(cause, "");
        assert_eq!(Remedy::of(&finding, &target, None).reproduce().as_deref(), Some(expected));
    }
    let name = "app.example.com";
    check(Cause::TcpRefused, "10.0.0.4", name, "/", "nc -vz -w 5 10.0.0.4 8080");
    check(Cause::DnsNameNotFound, "app.lan", name, "/", "dig app.lan A");
    check(
        Cause::TlsClosed,
        "10.0.0.4",
        name,
        "/",
        "openssl s_client -connect 10.0.0.4:8080 -servername app.example.com </dev/null",
    );
    check(
        Cause::TlsClosed,
        "2001:db8::7",
        "2001:db8::7",
        "/",
        "openssl s_client -connect '[2001:db8::7]:8080' -noservername </dev/null",
    );
    check(
        Cause::CertNameMismatch,
        "10.0.0.4",
        "10.0.0.4",
        "/",
        "openssl s_client -connect 10.0.0.4:8080 -noservername </dev/null | openssl x509 -noout -subject -ext subjectAltName -checkip 10.0.0.4",
    );
    check(
        Cause::HttpStatusMismatch,
        "10.0.0.4",
        name,
        "/healthz?a=1&b=2",
        "curl -gvk --http1.1 --connect-to ::10.0.0.4:8080 -H Host:api.example.com 'https://app.example.com:8080/healthz?a=1&b=2'",
    );
}

#[test]
fn the_address_at_fault_stands_before_the_one_that_answered() {
    let facts = Facts::default().with(Slot::Address, "2001:db8::9");
    let finding = Finding::new(Notice::AddressFailed, "").with(facts);
    let Row { target, .. } = sample::new_row("p", "s", "app.lan", Protocol::Tcp);
    let answered = Some(SocketAddr::from(([10, 0, 0, 1], 8080)));
    let command = Remedy::of(&finding, &target, answered).reproduce();
    assert_eq!(command.as_deref(), Some("nc -vz -w 5 2001:db8::9 8080"));
}

#[test]
fn steps_say_whose_they_are_only_when_sides_differ() {
    fn check(cause: Cause, expected: &[&str]) {
        let steps = Remedy::example(cause.words()).steps();
        let sides: Vec<&str> = steps
            .iter()
            .map(|step| step.split_once(": ").map_or("", |(side, _)| side))
            .map(|side| if ["Server", "Gateway", "Network", "Exporter"].contains(&side) { side } else { "" })
            .collect();
        assert_eq!(sides, expected, "{steps:#?}");
    }
    check(Cause::CertLeafNotFirst, &["", ""]);
    check(Cause::TlsUnrecognizedName, &["Gateway", "Server"]);
    check(Cause::CertExpired, &["Server", "Server", "Gateway", "Exporter"]);
}

#[test]
fn a_step_without_one_of_its_values_is_put_in_general_or_left_out() {
    fn check(cause: Cause, slot: Slot, value: &str, in_general: Option<&str>) {
        let target = secure_target("10.0.0.1", VerifiedName::of(&"app.example.com".into()), "h", "/");
        let all = Slot::ALL.iter().filter(|known| **known != slot);
        let facts = all.fold(Facts::default(), |facts, slot| facts.with(*slot, slot.example()));
        let (without, with) = (facts.clone(), facts.with(slot, value));
        let steps = |facts: Facts| Remedy::of(&Finding::new(cause, "").with(facts), &target, None).steps();
        let (shown, shown_without) = (steps(with), steps(without));
        assert_eq!(shown.iter().filter(|step| step.contains(value)).count(), 1, "{shown:#?}");
        let missing = usize::from(in_general.is_none());
        assert_eq!(shown_without.len(), shown.len() - missing, "{shown_without:#?}");
        assert!(in_general.is_none_or(|words| shown_without[0].contains(words)), "{shown_without:#?}");
    }
    check(Cause::CertIntermediateMissing, Slot::IssuerUrl, "http://ca.example.com/issuing.der", None);
    check(Cause::TlsAlert, Slot::Alert, "internal_error (80)", Some("the alert that the detail names"));
    check(Cause::TlsClientCertificateRejected, Slot::Alert, "unknown_ca (48)", None);
}

/// What an attacker would put into a certificate, a response or a redirect.
const HOSTILE: &[&str] = &[
    "'; touch /tmp/owned; '",
    "\"; touch /tmp/owned; \"",
    "$(touch /tmp/owned)",
    "`touch /tmp/owned`",
    "a\ntouch /tmp/owned\n",
    "x\r\0\u{1b}]0;owned\u{7}",
    "-oProxyCommand=touch",
    "</code><script>alert(1)</script>",
    "\u{202e}txet\u{2066}",
    "{address} {subject}",
    "\\",
];

#[test]
fn hostile_values_stay_inert_in_commands_and_sentences() {
    for hostile in HOSTILE {
        let facts = Slot::ALL.iter().fold(Facts::default(), |facts, slot| facts.with(*slot, *hostile));
        let target = secure_target("10.0.0.1", VerifiedName::Dns((*hostile).into()), hostile, hostile);
        for words in all_words() {
            let code = code_of(words);
            let finding = Finding::new(code, "").with(facts.clone());
            let remedy = Remedy::of(&finding, &target, None);
            assert!(remedy.reproduce().is_none_or(|command| !is_hostile(&command)), "{:?}", remedy.reproduce());
            for step in remedy.steps() {
                assert!(!step.contains(char::is_control), "{step:?}");
                assert!(!step.contains(['\u{202e}', '\u{2066}']), "{step:?}");
                // What is code and what is not stays the same, and nothing hostile gets into the code.
                assert!(step.matches('`').count() % 2 == 0, "{step}");
                let mut code = step.split('`').skip(1).step_by(2);
                assert!(code.all(|code| !is_hostile(code)), "{step}");
            }
        }
    }
}

/// Whether something of [`HOSTILE`] is in it. Some of its characters stand in our own commands too.
fn is_hostile(code: &str) -> bool {
    let signs = ["owned", "script>", "txet", "ProxyCommand", "{address}", "{subject}", "\u{1b}", "\\\\"];
    signs.iter().any(|sign| code.contains(sign))
}

#[test]
fn a_shell_does_nothing_but_the_command_whatever_the_rows_values_are() {
    // Stand-ins, so that the commands reach nobody.
    const STUBS: &str = "openssl() { :; }; curl() { :; }; nc() { :; }; dig() { :; }; ip() { :; }; ss() { :; }; \
                         tracepath() { :; }; timeout() { :; }; time() { :; }; sleep() { :; }\n";
    let directory = tempfile::tempdir().unwrap();
    let owned = |text: &str| text.replace("/tmp/owned", "owned");
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell.current_dir(&directory).args(["-c", &format!("{STUBS}{command}")]).output().unwrap();
        directory.path().join("owned").exists()
    };
    for hostile in HOSTILE.iter().map(|hostile| owned(hostile)) {
        let target = secure_target(&hostile, VerifiedName::Dns(hostile.as_str().into()), &hostile, &hostile);
        for words in all_words() {
            let finding = Finding::new(code_of(words), "");
            let remedy = Remedy::of(&finding, &target, None);
            let steps = remedy.steps();
            let commands = steps.iter().flat_map(|step| step.split('`').skip(1).step_by(2)).filter(|code| {
                ["openssl s_client ", "time ", "curl ", "nc ", "dig ", "ip ", "ss ", "tracepath "]
                    .iter()
                    .any(|tool| code.starts_with(tool))
            });
            let commands = commands.map(str::to_owned).chain(remedy.reproduce());
            let script = commands.collect::<Vec<_>>().join("\n");
            assert_shell_reads(&script);
            assert!(!run(&script), "{script}");
        }
    }
    assert!(run("touch owned"), "the test would see it");
}

#[test]
fn hostile_values_of_a_finding_are_text_on_the_page() {
    let hostile = "</code><script>alert(1)</script>";
    let facts = Facts::default().with(Slot::Subject, hostile).with(Slot::Serial, hostile).with(Slot::NotAfter, hostile);
    let finding = Finding::new(Cause::CertExpired, "ended").with(facts);
    let row = sample::unhealthy_row("p", "s", "10.0.0.1", Protocol::Https, Cause::CertExpired, "ended");
    let page = sample::page(vec![Row { cause: Some(Arc::new(finding)), ..row }]);
    assert_eq!(page.matches("<script").count(), 1, "our own: {page}");
    assert!(page.matches("&lt;/code&gt;&lt;script&gt;").count() >= 2, "{page}");
}

/// Every row of the demo with its verdict, which is the expected one.
async fn demo_verdicts(demo: &Demo) -> Vec<(Arc<Target>, Verdict)> {
    let (_, targets) = app::check(&demo.directory().join(CONFIG_FILE)).unwrap();
    let nameservers = vec![demo.nameserver()];
    let options = resolver::Options { nameservers, last_known_good: resolver::DEFAULT_LAST_KNOWN_GOOD };
    let prober = Arc::new(Prober::new(Resolver::new(options)));
    let running: Vec<_> = targets
        .iter()
        .map(|target| {
            let expected = demo
                .expected()
                .iter()
                .find(|row| (row.pool, row.setting, row.server) == (&*target.pool, &*target.setting, &*target.server));
            let cause = expected.expect("every row has its expectation").cause;
            tokio::spawn(verdict(prober.clone(), target.clone(), cause))
        })
        .collect();
    let mut verdicts = Vec::new();
    for (target, probe) in targets.into_iter().zip(running) {
        verdicts.push((target, probe.await.unwrap()));
    }
    verdicts
}

#[tokio::test]
async fn every_remedy_of_the_demo_has_all_its_names_addresses_and_dates() {
    let demo = Demo::start().await.unwrap();
    let mut seen = BTreeSet::new();
    for (target, verdict) in demo_verdicts(&demo).await {
        let address = verdict.evidence.address;
        for finding in verdict.cause.iter().chain(&verdict.also) {
            check_remedy(Code::Cause(finding.code), &Remedy::of(finding, &target, address), &finding.facts);
            seen.insert(finding.code.code());
            if finding.code == Cause::CertExpired && *target.server == *"127.20.6.3" {
                let detail = &finding.detail;
                let expected =
                    "the certificate of payments.lab.test (CN=payments.lab.test,O=Lab) ended 10 days ago, on 2";
                assert!(detail.starts_with(expected), "{detail}");
            }
        }
        for finding in &verdict.warnings {
            check_remedy(finding.code, &Remedy::of(finding, &target, address), &finding.facts);
            seen.insert(finding.code.words().code);
        }
    }
    assert!(seen.len() > 35, "{seen:?}");
    assert!(seen.contains("cert_expires_soon"), "{seen:?}");
    assert!(!seen.contains("address_failed"), "no name of the demo has two addresses: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_for_tls_show_the_same_fault() {
    let demo = Demo::start().await.unwrap();
    let directory = demo.directory().to_owned();
    let mut seen = BTreeSet::new();
    for (target, verdict) in demo_verdicts(&demo).await {
        let Some(finding) = verdict.cause.filter(|finding| finding.code.stage() == Stage::Tls) else { continue };
        let code = finding.code.code();
        let command = Remedy::of(&finding, &target, verdict.evidence.address).reproduce().unwrap();
        let Some((_, signs)) = SIGNS.iter().find(|(of, _)| *of == code) else { continue };
        let run = Command::new("timeout").current_dir(&directory).args(["20", "sh", "-c", &command]).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(signs.iter().any(|sign| said.contains(sign)), "{code}: {command}\n{said}");
        if code == "cert_expired" {
            // openssl stops before it looks at the dates of an intermediate, but prints them.
            let end = openssl_date(finding.facts.get(Slot::NotAfter).unwrap());
            assert!(said.contains(&format!("NotAfter: {end}")), "{end}: {command}\n{said}");
        }
        seen.insert(code);
    }
    assert_eq!(seen, SIGNS.iter().map(|(code, _)| *code).collect(), "each of them ran");
}

/// `2026-11-12T17:11:50Z` as `Nov 12 17:11:50 2026 GMT`.
fn openssl_date(rfc3339: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, time) = rfc3339.trim_end_matches('Z').split_once('T').unwrap();
    let parts: Vec<usize> = date.split('-').map(|part| part.parse().unwrap()).collect();
    format!("{} {:>2} {time} {} GMT", MONTHS[parts[1] - 1], parts[2], parts[0])
}

/// What openssl says, in one way or another, about the fault of a cause.
const SIGNS: &[(&str, &[&str])] = &[
    ("tls_not_tls", &["wrong version number", "packet length too long"]),
    ("tls_version_mismatch", &["alert protocol version"]),
    ("tls_cipher_mismatch", &["alert handshake failure"]),
    ("tls_client_certificate_required", &["alert certificate required"]),
    ("tls_client_certificate_rejected", &["alert unknown ca"]),
    ("tls_unrecognized_name", &["unrecognized name"]),
    ("tls_alert", &["alert internal error"]),
    ("tls_closed", &["unexpected eof", "errno=104"]),
    ("tls_protocol_error", &["length mismatch", "decode_error"]),
    ("cert_leaf_missing", &[" 0 s:O = Lab, CN = Lab Intermediate CA", " 0 s:O=Lab, CN=Lab Intermediate CA"]),
    ("cert_leaf_not_first", &[" 0 s:O = Lab, CN = Lab Intermediate CA", " 0 s:O=Lab, CN=Lab Intermediate CA"]),
    ("cert_invalid", &["SSL server : No", "1024 (bit)"]),
    ("cert_expired", &["NotAfter: "]),
    ("cert_not_yet_valid", &["certificate is not yet valid"]),
    ("cert_intermediate_missing", &["unable to verify the first certificate"]),
    ("cert_self_signed", &["self-signed certificate"]),
    ("cert_root_not_well_known", &["self-signed certificate in certificate chain"]),
    ("cert_issuer_not_well_known", &["unable to get local issuer certificate"]),
    ("cert_root_mismatch", &["self-signed certificate in certificate chain"]),
    ("cert_issuer_mismatch", &["unable to get local issuer certificate"]),
    ("cert_revoked", &["certificate revoked"]),
    ("cert_name_mismatch", &["does NOT match certificate"]),
];

/// Probes until it shows what it must: this host may be busy.
async fn verdict(prober: Arc<Prober>, target: Arc<Target>, cause: Option<&'static str>) -> Verdict {
    for _ in 0..20 {
        let mut observation = prober.probe(&target.probe).await;
        if let (Some(_), Some(address)) = (unexplained_alert(&observation), observation.address) {
            observation.scan = prober.scan(&target.probe, address).await.map(Arc::new);
        }
        let verdict = judge(&target.probe, &observation);
        if verdict.cause.as_ref().map(|finding| finding.code.code()) == cause {
            return verdict;
        }
    }
    panic!("{} of {} never shows {cause:?}", target.server, target.pool);
}

fn check_remedy(code: Code, remedy: &Remedy<'_>, facts: &Facts) {
    let words = code.words();
    let steps = remedy.steps();
    for text in steps.iter().cloned().chain(remedy.reproduce()) {
        assert!(!text.contains(['{', '}']), "{}: {text}", words.code);
    }
    if let Some(command) = remedy.reproduce() {
        assert_shell_reads(&command);
    }
    if words.code.starts_with("cert_") {
        let subject = facts.get(Slot::Subject).unwrap_or_else(|| panic!("{} has no subject", words.code));
        assert!(subject.contains("CN="), "{subject}");
    }
    assert!(remedy.first_step().is_some_and(|step| steps[0].ends_with(&step)), "{}", words.code);
}

const MARK: &str = "<!-- From here on rendered from src/verdict/cause.rs: change the words there, then run BLESS=1 cargo test --test it docs -->\n";

#[test]
fn the_troubleshooting_page_is_made_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let text = fs::read_to_string(&path).unwrap();
    let (introduction, found) = text.split_once(MARK).expect("the mark is in the file");
    let rendered = rendered();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{introduction}{MARK}{rendered}")).unwrap();
        return;
    }
    let differs = found.lines().zip(rendered.lines()).find(|(found, rendered)| found != rendered);
    assert!(found == rendered, "run BLESS=1 cargo test --test it docs; the first difference: {differs:?}");
}

#[test]
fn every_cause_and_notice_has_its_anchor_once_and_every_link_leads_to_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let introduction =
        fs::read_to_string(path).unwrap().split_once(MARK).expect("the mark is in the file").0.to_owned();
    let text = introduction + &rendered();
    for Words { code, .. } in all_words() {
        assert_eq!(text.matches(&format!("<a id=\"{code}\"></a>")).count(), 1, "{code}");
    }
    let codes: BTreeSet<&str> = all_words().iter().map(|words| words.code).collect();
    let links = text.split("](#").skip(1).map(|rest| rest.split_once(')').expect("a link ends").0);
    let linked: BTreeSet<&str> = links.collect();
    assert_eq!(linked, codes);
}

/// Everything behind the mark.
fn rendered() -> String {
    let mut text = String::new();
    let causes: Vec<_> = Cause::ALL.iter().map(|cause| cause.words()).collect();
    let notices: Vec<_> = Notice::ALL.iter().map(|notice| notice.words()).collect();
    text.push_str("\n## All causes\n\nStage `local` and `dns` make a row Unknown, every other stage Unhealthy.\n\n");
    index(&mut text, &causes);
    text.push_str("\nWarnings, which leave the state alone:\n\n");
    index(&mut text, &notices);
    text.push_str("\n## Causes\n");
    for cause in causes {
        let query = format!("backend_health_cause_info{{cause=\"{}\"}}", cause.code);
        section(&mut text, cause, Some(&query));
    }
    text.push_str("\n## Warnings\n");
    for notice in Notice::ALL {
        section(&mut text, notice.words(), query(*notice));
    }
    text
}

fn index(text: &mut String, rows: &[&Words]) {
    text.push_str("| code | title | stage | side |\n|---|---|---|---|\n");
    for Words { code, title, stage, side, .. } in rows {
        let (stage, side) = (stage.as_str(), side.as_str());
        writeln!(text, "| [`{code}`](#{code}) | {title} | {stage} | {side} |").unwrap();
    }
}

fn section(text: &mut String, words: &'static Words, query: Option<&str>) {
    let Words { code, title, explanation, stage, side, .. } = words;
    let (stage, side) = (stage.as_str(), side.as_str());
    write!(text, "\n<a id=\"{code}\"></a>\n\n### {title} (`{code}`)\n\n").unwrap();
    write!(text, "Stage `{stage}`, side `{side}`. {explanation}\n\n").unwrap();
    let alerts: Vec<String> =
        alerts(code_of(words)).iter().map(|(when, alert)| format!("{when}[`{alert}`](alerts.md#{alert})")).collect();
    if !alerts.is_empty() {
        write!(text, "Alerts: {}.\n\n", alerts.join("; ")).unwrap();
    }
    let generic = Remedy::example(words);
    if let Some(command) = generic.reproduce() {
        write!(text, "See it:\n\n```sh\n{command}\n```\n\n").unwrap();
    }
    text.push_str("What to do:\n\n");
    steps(text, words);
    for case in Case::ALL.iter().map(|case| case.words()).filter(|case| case.code == *code) {
        write!(text, "\n**{}** Side `{}`.", case.explanation, case.side.as_str()).unwrap();
        if let Some(command) =
            Remedy::example(case).reproduce().filter(|command| Some(command) != generic.reproduce().as_ref())
        {
            write!(text, " See it:\n\n```sh\n{command}\n```\n").unwrap();
        } else {
            text.push('\n');
        }
        text.push('\n');
        steps(text, case);
    }
    if let Some(query) = query {
        write!(text, "\nRows with it:\n\n```promql\n{query}\n```\n").unwrap();
    }
}

/// What to do, numbered.
fn steps(text: &mut String, words: &'static Words) {
    for (number, (step, of)) in (1..).zip(Remedy::example(words).steps().iter().zip(words.remedy)) {
        let side = match of.side {
            Side::Network => "Network",
            Side::Gateway => "Gateway",
            Side::Server => "Server",
            Side::Exporter => "Exporter",
        };
        let step = step.strip_prefix(&format!("{side}: ")).unwrap_or(step);
        writeln!(text, "{number}. **{side}:** {step}").unwrap();
    }
}

/// The alerts that it can lead to, and when: as the rules have it, by the state that its stage makes.
fn alerts(code: Code) -> Vec<(&'static str, &'static str)> {
    const POOL: (&str, &str) = ("when no server of the pool is healthy ", "BackendHealthPoolNoHealthyServer");
    let cause = match code {
        Code::Notice(Notice::CertExpiresSoon) => {
            return vec![
                ("", "BackendHealthCertificateExpiresSoon"),
                ("later ", "BackendHealthCertificateExpiresVerySoon"),
            ];
        }
        Code::Notice(_) => return Vec::new(),
        Code::Cause(cause) => cause,
    };
    let unhealthy = ("", "BackendHealthServerUnhealthy");
    let unknown = ("", "BackendHealthServerUnknown");
    match (cause.stage(), cause) {
        (Stage::Local, Cause::NotProbedYet) => vec![unknown],
        (Stage::Local, _) => vec![unknown, ("on most rows of an exporter ", "BackendHealthExporterBlind")],
        (Stage::Dns, _) => vec![unknown, POOL],
        (Stage::Tcp | Stage::Http, _) => vec![unhealthy, POOL],
        (Stage::Tls, _) => {
            let ended = (cause == Cause::CertExpired).then_some(("", "BackendHealthCertificateExpired"));
            let now_and_then = ("when it comes and goes ", "BackendHealthPoolTlsErrorsRising");
            ended.into_iter().chain([unhealthy, POOL, now_and_then]).collect()
        }
    }
}

#[test]
fn every_cause_names_alerts_that_there_are() {
    let known = crate::alerts::alert_names();
    for words in all_words() {
        let alerts = alerts(code_of(words));
        assert!(!alerts.is_empty() || matches!(code_of(words), Code::Notice(_)), "{}", words.code);
        for (_, alert) in alerts {
            assert!(known.contains(alert), "{alert}");
        }
    }
}

/// What comes nearest in the metrics, which have no warnings.
fn query(notice: Notice) -> Option<&'static str> {
    match notice {
        Notice::CertExpiresSoon => {
            Some("backend_health_certificate_not_after_timestamp_seconds{on_path=\"true\"} - time() < 21 * 86400")
        }
        Notice::ChainExtraCertificate => Some(
            "backend_health_certificate_not_after_timestamp_seconds{on_path=\"false\"} < time()\n  and on (pool, setting, server, port) backend_health_state{state=\"healthy\"} == 1",
        ),
        Notice::StaleAddress
        | Notice::AddressFailed
        | Notice::ChainOutOfOrder
        | Notice::ChainQuestionable
        | Notice::HttpOddHeader
        | Notice::NotHealthyYet
        | Notice::RevocationListStale => None,
    }
}

fn code_of(words: &'static Words) -> Code {
    let cause = Cause::ALL.iter().find(|cause| cause.code() == words.code).map(|cause| Code::Cause(*cause));
    let notice = || Notice::ALL.iter().find(|notice| notice.words().code == words.code);
    cause.unwrap_or_else(|| Code::Notice(*notice().expect("a row of one of the tables")))
}
