//! Whatever is known of a row, no step and no command that anybody is shown has a gap or a word that stands for a value.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use backend_health_exporter::health::Row;
use backend_health_exporter::probe::{
    ClientCertificate, NameSource, Protocol, Request, Stage, TlsSpec, Trust, TrustMode, VerifiedName,
};
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{Case, Cause, Code, Facts, Finding, Notice, Side, Slot, Verdict, Words};
use backend_health_exporter::view::azure::{BackendHealth, Gateway, PoolOutline, SettingOutline};
use backend_health_exporter::view::exposition::Format;
use backend_health_exporter::view::page::{Place, row};
use backend_health_exporter::view::remedy::Remedy;
use backend_health_exporter::view::report::{Filter, Links, Report};
use backend_health_exporter::view::text;
use rcgen::{CertificateParams, CertificateRevocationListParams, CertifiedIssuer, KeyIdMethod, KeyPair, SerialNumber};

use crate::{metrics, sample};

/// Every row of the tables, with the case where it is one.
fn all() -> Vec<(Code, Option<Case>)> {
    let causes = Cause::ALL.iter().map(|cause| Code::Cause(*cause));
    let codes: Vec<Code> = causes.chain(Notice::ALL.iter().map(|notice| Code::Notice(*notice))).collect();
    let code_of = |case: &Case| {
        let found = codes.iter().find(|code| code.words().code == case.words().code);
        *found.expect("a case is one of a cause or a notice")
    };
    let in_case = Case::ALL.iter().map(|case| (code_of(case), Some(*case)));
    codes.iter().map(|code| (*code, None)).chain(in_case).collect()
}

fn words_of((code, case): (Code, Option<Case>)) -> &'static Words {
    case.map_or_else(|| code.words(), Case::words)
}

/// Files as a setting names them, and what is in them.
static TRUST: LazyLock<(Arc<Trust>, Arc<ClientCertificate>)> = LazyLock::new(|| {
    let mut parameters = CertificateParams::new(vec!["app.example.com".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign, rcgen::KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let own_key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
    let list = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2026, 2, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap();
    let trust = Trust::new(TrustMode::Configured, vec![issuer.der().clone()], vec![list.into()]).unwrap();
    let trust = trust.named(vec!["corp root.pem".into()]).with_list_files(vec!["lists/corp.crl".into()]);
    let client = ClientCertificate::new(vec![issuer.der().clone()], own_key).unwrap();
    (Arc::new(trust), Arc::new(client.named("client.pem", "client.key")))
});

/// Rows of every kind: what is trusted, how the server is named, what is spoken, in a configuration and without.
fn situations() -> Vec<Target> {
    let plain = |pool: &str, server: &str, protocol: Protocol| {
        let mut target = Target::clone(&sample::new_row(pool, "main", server, protocol).target);
        if pool.is_empty() {
            target.setting = "".into();
        }
        if protocol.has(Stage::Http) {
            target.probe.request = Some(Request::new("app.example.com", "/healthz"));
        }
        target
    };
    let secure = |target: Target, trust: Arc<Trust>, name: &str, client: Option<Arc<ClientCertificate>>| {
        let mut target = target;
        target.probe.tls = Some(TlsSpec {
            name: VerifiedName::of(&name.into()),
            name_source: NameSource::Server,
            trust,
            client_certificate: client,
            validate_chain: true,
            validate_name: true,
            expiry_warning: Duration::ZERO,
        });
        target
    };
    let well_known = Arc::new(Trust::new(TrustMode::WellKnown, Vec::new(), Vec::new()).unwrap());
    let (configured, client) = TRUST.clone();
    let https = |pool, server| plain(pool, server, Protocol::Https);
    vec![
        secure(https("p", "app.example.com"), configured.clone(), "app.example.com", Some(client)),
        secure(https("p", "10.0.0.4"), well_known.clone(), "app.example.com", None),
        secure(https("p", "2001:db8::7"), configured, "2001:db8::7", None),
        secure(plain("p", "mail.example.com", Protocol::Tls), well_known.clone(), "mail.example.com", None),
        plain("p", "10.0.0.6", Protocol::Http),
        plain("p", "10.0.0.7", Protocol::Tcp),
        secure(https("", "app.example.com"), well_known, "app.example.com", None),
        plain("", "10.0.0.8", Protocol::Http),
    ]
}

/// What may be known of a finding: nothing, everything, and everything in a form that no command can take.
fn knowledge() -> [Facts; 3] {
    let with = |value: fn(&Slot) -> String| {
        Slot::ALL.iter().fold(Facts::default(), |facts, slot| facts.with(*slot, value(slot)))
    };
    [Facts::default(), with(|slot| slot.example().to_owned()), with(|_| "it's `odd`".to_owned())]
}

fn fits(words: &Words, target: &Target) -> bool {
    matches!(words.stage, Stage::Local | Stage::Dns | Stage::Tcp) || target.protocol().has(words.stage)
}

/// Words in upper case that are nothing but such words: names of techniques, of things that a tool prints, and of files.
const TERMS: &[&str] = &[
    "AAAA",
    "AES",
    "AES128",
    "AESGCM",
    "ALPN",
    "AUTO",
    "CBC",
    "CDN",
    "CHACHA20",
    "CNAME",
    "CPU",
    "DEFAULT",
    "DER",
    "DNS",
    "DNSSEC",
    "ECDHE",
    "ECDSA",
    "FAILED",
    "GCM",
    "HEAD",
    "HTTP",
    "JSON",
    "HTTPS",
    "ICMP",
    "IIS",
    "INCOMPLETE",
    "MTU",
    "NXDOMAIN",
    "OUTPUT",
    "PEM",
    "PROXY",
    "REFUSED",
    "RFC",
    "RSA",
    "SCHANNEL",
    "SECLEVEL",
    "SERVFAIL",
    "SHA",
    "SNI",
    "SSL",
    "STARTTLS",
    "TCP",
    "TIME",
    "TLS",
    "TRUE",
    "UDP",
    "UNKNOWN",
    "URL",
    "VLAN",
    "WAIT",
    "CHA",
    "SHA256",
    "POST",
    "CRL",
    "ARP",
];

/// Words that stand for something: all in upper case, and no term.
fn gaps(text: &str) -> Vec<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_loud = |word: &&str| {
        let capitals = word.chars().filter(char::is_ascii_uppercase).count();
        capitals >= 3 && capitals == word.chars().filter(char::is_ascii_alphabetic).count()
    };
    words.filter(is_loud).filter(|word| !TERMS.contains(word)).collect()
}

#[track_caller]
fn assert_whole(text: &str, about: &str) {
    assert_eq!(gaps(text), [""; 0], "{about}: {text}");
    let has_slot = Slot::ALL.iter().any(|slot| text.contains(&format!("{{{}}}", slot.key())));
    assert!(!has_slot && !text.contains("``") && !text.contains("  "), "{about}: {text}");
}

#[test]
fn a_word_that_stands_for_a_value_is_found() {
    assert_eq!(gaps("`openssl crl -in CRL_FILE`: set NAME for PORT"), ["CRL_FILE", "NAME", "PORT"]);
    assert_eq!(gaps("TLS 1.3 over TCP, CN=app, the CA's ECDHE-RSA-AES128-GCM-SHA256"), [""; 0]);
}

#[test]
fn no_text_of_the_tables_has_a_word_that_stands_for_a_value() {
    for words in all().into_iter().map(words_of) {
        let steps = words.remedy.iter().flat_map(|step| [Some(step.text), step.alone, step.general]);
        for text in steps.flatten().chain(words.reproduce).chain([words.title, words.explanation]) {
            let without_slots = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
            assert_eq!(gaps(&without_slots.collect::<String>()), [""; 0], "{}: {text}", words.code);
        }
        for general in words.remedy.iter().filter_map(|step| step.general) {
            assert!(!general.contains(['{', '}']), "{}: {general}", words.code);
        }
    }
}

/// Each text whole or not there, and always something that the side at fault can do.
#[test]
fn whatever_is_known_of_a_row_its_steps_and_its_command_are_whole() {
    let (mut commands, mut without) = (BTreeSet::new(), BTreeSet::new());
    for found in all() {
        let words = words_of(found);
        for target in situations().iter().filter(|target| fits(words, target)) {
            // What is found without a configuration always has its own facts, and lists are of a configuration.
            let is_alone = target.pool.is_empty();
            for facts in knowledge().into_iter().skip(usize::from(is_alone)).take(if is_alone { 1 } else { 3 }) {
                let finding = Finding::new(found.0, "").with(facts.clone()).in_case(found.1);
                let remedy = Remedy::of(&finding, target, None);
                let about = format!("{} of {} in pool {:?}", words.code, target.server, target.pool);
                let steps = remedy.steps();
                for text in steps.iter().cloned().chain(remedy.reproduce()) {
                    assert_whole(&text, &about);
                }
                if steps.is_empty() && !(is_alone && matches!(found.0, Code::Notice(_))) {
                    without.insert(format!("{about}, {:?}: no step", found.1));
                }
                // Who looks at a server without a configuration has no settings to change.
                if !target.pool.is_empty() || words.side != Side::Gateway {
                    match remedy.first_step() {
                        Some(first) => {
                            assert!(steps.first().is_some_and(|step| step.ends_with(&first)), "{about}: {steps:?}");
                        }
                        None => drop(without.insert(format!("{about}, {:?}: none of its side", found.1))),
                    }
                }
                commands.extend(remedy.reproduce().map(|_| words.code));
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
    // The command is left out where it cannot be made, but never for everybody.
    for words in all().into_iter().map(words_of).filter(|words| words.reproduce.is_some()) {
        assert!(commands.contains(words.code), "{}", words.code);
    }
}

#[test]
fn files_of_the_settings_stand_in_steps_and_commands_by_their_names() {
    let target = situations().remove(0);
    let check = |cause: Cause, case: Option<Case>, expected: &[&str]| {
        let finding = Finding::new(cause, "").in_case(case);
        let remedy = Remedy::of(&finding, &target, None);
        let all = remedy.steps().join(" ") + &remedy.reproduce().unwrap_or_default();
        for words in expected {
            assert!(all.contains(words), "{words} in {all}");
        }
    };
    check(Cause::CertRevoked, None, &["-CAfile 'corp root.pem' -CRL lists/corp.crl", "-in lists/corp.crl`"]);
    check(Cause::CertInvalid, Some(Case::InvalidList), &["-nextupdate -in lists/corp.crl"]);
    check(Cause::CertRootMismatch, None, &["-showcerts -CAfile 'corp root.pem' </dev/null"]);
    check(Cause::TlsClientCertificateRejected, None, &["-cert client.pem -key client.key", "-in client.pem`"]);
    check(Cause::CertNameMismatch, Some(Case::NameOnlyCommon), &["subjectAltName=DNS:app.example.com`"]);
}

/// The same on every surface, where rows and words come together.
#[test]
fn no_surface_shows_a_gap() {
    let mut rows = Vec::new();
    for found in all() {
        for target in situations().into_iter().filter(|target| !target.pool.is_empty() && fits(words_of(found), target))
        {
            for facts in knowledge().into_iter().take(2) {
                rows.push(row_with(found, &target, facts, rows.len()));
            }
        }
    }
    let snapshot = sample::snapshot(rows);
    let place = Place { root: ".", metrics_path: "/metrics" };
    let links = Links { base: "https://x.test".to_owned() };
    for row in &snapshot.rows {
        let one = sample::snapshot(vec![row.clone()]);
        let about = format!("{:?}", row.cause);
        let query = format!("pool=p&setting=main&server={}", row.target.server);
        let page = row::answer(&one, Some(&query), place).page;
        let report = Report::of(&one, &Filter::default(), &links);
        let look = text::Look {
            now: sample::now(),
            width: None,
            lines: None,
            healthy: true,
            colour: text::Colour::None,
            order: text::Order::LatestChange,
        };
        let details = text::table(&report, &look);
        // The head of the table is in upper case.
        let details = details.split_once('\n').expect("a head").1;
        let mut json = String::new();
        Report::write(&one, &Filter::default(), &links, &mut json).expect("a String takes all");
        let outline =
            PoolOutline { name: "p", settings: vec![SettingOutline { name: "main", protocol: row.target.protocol() }] };
        let gateway = Gateway { subscription: String::new(), resource_group: String::new(), name: String::new() };
        let azure = format!("{:?}", BackendHealth::of(&report, &[outline], &gateway));
        let page = page.split_once("<main").expect("the page has a main part").1;
        for text in [page, details, json.as_str(), azure.as_str(), &sample::page_of(&one)] {
            assert_no_slot_word(text, &about);
        }
    }
    assert_no_slot_word(&metrics::rendered(&snapshot, Format::Text), "metrics");
}

fn row_with(found: (Code, Option<Case>), target: &Target, facts: Facts, number: usize) -> Row {
    let finding = Finding::new(found.0, "it was seen").with(facts).in_case(found.1);
    let target = Target { server: format!("s{number}.example.com").into(), ..target.clone() };
    let row = match found.0 {
        Code::Cause(cause) => {
            let cause = Finding { code: cause, detail: finding.detail, facts: finding.facts, case: finding.case };
            let row = sample::unhealthy_row("p", "main", "", target.protocol(), cause.code, "it was seen");
            let failed = Verdict { cause: Some(cause.clone()), ..sample::failure(target.protocol(), cause.code, "") };
            Row { cause: Some(Arc::new(cause)), last_probe: Some(Arc::new(failed)), ..row }
        }
        Code::Notice(_) => {
            let warned = Verdict { warnings: vec![finding], ..sample::success(target.protocol()) };
            let row = sample::healthy_row("p", "main", "", target.protocol());
            Row { last_probe: Some(Arc::new(warned)), ..row }
        }
    };
    Row { target: Arc::new(target), ..row }
}

#[track_caller]
fn assert_no_slot_word(text: &str, about: &str) {
    static LOUD: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let keys = Slot::ALL.iter().map(|slot| slot.key().to_ascii_uppercase());
        let others = ["CRL_FILE", "CERTIFICATE_FILE", "KEY_FILE", "FILE", "RESOLVER"].map(str::to_owned);
        // The page has a word for it of its own.
        keys.chain(others).filter(|word| word != "URL").collect()
    });
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let found: Vec<&str> = words.filter(|word| LOUD.contains(*word)).collect();
    assert_eq!(found, [""; 0], "{about}: {text}");
}
