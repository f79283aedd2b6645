//! Certificates that were made to do harm, shown by real servers: never a panic, always a cause, and whatever stands in
//! them comes out of the exporter bounded and harmless.

mod forge;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use backend_health_exporter::health::HealthTable;
use backend_health_exporter::lab::tls::{Identity, ServerTls, Terms, Versions};
use backend_health_exporter::lab::{Backend, Service, tcp};
use backend_health_exporter::probe::ProbeSpec;
use backend_health_exporter::target::Target;
use backend_health_exporter::verdict::{Cause, ProbeResult, Verdict};
use backend_health_exporter::view::exposition::Format;
use rustls::pki_types::CertificateDer;

use self::forge::{
    Draft, Forge, common_name, dates, dns, extension, generalized, integer, ip, names, part, sequence, tlv, utc,
};
use crate::faults::{HOST, LOCALHOST, Probe, Secure, judged, prober};
use crate::{exposition, metrics, sample};

/// Certificates that a server shows, and what must come of them.
struct Case {
    name: String,
    chain: Vec<CertificateDer<'static>>,
    causes: Vec<Option<Cause>>,
}

fn case(name: &str, leaf: CertificateDer<'static>, causes: &[Cause]) -> Case {
    Case { name: name.to_owned(), chain: vec![leaf], causes: causes.iter().copied().map(Some).collect() }
}

fn well(name: &str, leaf: CertificateDer<'static>) -> Case {
    Case { name: name.to_owned(), chain: vec![leaf], causes: vec![None] }
}

/// Probes each case under both versions of TLS, with validation and without.
async fn check(secure: &Secure, forge: &Forge, cases: Vec<Case>) {
    let prober = prober();
    let mut differences = Vec::new();
    for Case { name, chain, causes } in cases {
        for versions in [Versions::Tls12, Versions::Tls13] {
            let identity = Identity { chain: chain.clone(), key: forge.key() };
            let tls = ServerTls::with(&identity, Terms { versions, ..Terms::default() }).expect("a usable key");
            let backend = Backend::start(LOCALHOST, Service::tls(&tls, tcp::holds())).expect("the backend starts");
            let strict = Probe::tls(&secure.trust);
            let lax = strict.clone().with_tls(|tls| (tls.validate_chain, tls.validate_name) = (false, false));
            let begun = Instant::now();
            for (probe, is_strict) in [(strict, true), (lax, false)] {
                let spec = probe.of(backend.address());
                let (_, verdict) = judged(&prober, &spec).await;
                let found = verdict.cause.as_ref().map(|finding| finding.code);
                if is_strict && !causes.contains(&found) {
                    let detail = verdict.cause.as_ref().map_or("", |finding| &finding.detail);
                    let detail: String = detail.chars().take(300).collect();
                    differences.push(format!("{name}, {versions:?}: {found:?}, not one of {causes:?}: {detail}"));
                }
                let harm = harm(&spec, verdict).into_iter();
                differences.extend(harm.map(|harm| format!("{name}, {versions:?}, validated: {is_strict}: {harm}")));
            }
            if begun.elapsed() > SOON {
                differences.push(format!("{name}, {versions:?}: took {:?}", begun.elapsed()));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

/// What is not bounded, or leaves its place, of what is kept, what monitoring reads and what people see of a verdict.
fn harm(spec: &ProbeSpec, verdict: Verdict) -> Vec<String> {
    let mut harm = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            harm.push(what);
        }
    };
    let causes = verdict.cause.iter().chain(&verdict.also).map(|finding| &finding.detail);
    for detail in causes.chain(verdict.warnings.iter().map(|warning| &warning.detail)) {
        must(detail.len() <= MOST_OF_A_DETAIL, format!("a detail of {} bytes", detail.len()));
        let beginning: String = detail.chars().take(300).collect();
        must(!detail.contains(|character: char| character.is_control()), format!("unprintable: {beginning:?}"));
    }
    let findings = verdict.also.len() + verdict.warnings.len();
    must(findings <= MOST_FINDINGS, format!("{findings} findings"));
    let target = Arc::new(Target {
        pool: "pool".into(),
        setting: "setting".into(),
        ..Target::single("server".into(), spec.clone())
    });
    let failed = verdict.result() == ProbeResult::Failure;
    let (table, now) = (HealthTable::new(), SystemTime::now());
    table.replace(std::slice::from_ref(&target), now);
    table.record(&target, verdict, now);
    let snapshot = Arc::new(table.snapshot(now));
    for format in [Format::Text, Format::OpenMetrics] {
        let text = metrics::rendered(&snapshot, format);
        let families = exposition::read(&text, format);
        let samples = families.iter().flat_map(|family| &family.samples);
        // The texts of the cause table are ours, and longer.
        let foreign = samples.filter(|sample| sample.name != "backend_health_cause_help_info");
        for (label, value) in foreign.flat_map(|sample| &sample.labels) {
            must(value.len() <= 256, format!("the label {label} of {} bytes", value.len()));
        }
        must(text.len() < 200_000, format!("a scrape of {} bytes", text.len()));
        must(text.contains("backend_health_tls_errors_total{") == failed, "tls_errors_total".to_owned());
    }
    let page = sample::page_of(&snapshot);
    must(page.len() < 200_000, format!("a page of {} bytes", page.len()));
    for markup in ["<script>alert", "<img src=x", "<svg onload", "\"onload="] {
        must(!page.contains(markup), format!("{markup} on the page"));
    }
    harm
}

#[tokio::test]
async fn names_that_break_out_of_their_place_do_not() {
    let secure = Secure::new();
    let forge = Forge::of(&secure.pki.root);
    let mut cases = Vec::new();
    for evil in EVIL {
        let subject = common_name(forge::UTF8, evil.as_bytes());
        let good = Draft { subject, ..Draft::good(HOST) };
        cases.push(well(&format!("well, {evil:?}"), forge.issue(&good)));
        cases.push(case(&format!("expired, {evil:?}"), forge.issue(&good.clone().expired()), &[Cause::CertExpired]));
        let issuer = Some(common_name(forge::UTF8, evil.as_bytes()));
        let stranger = Draft { issuer: issuer.clone(), ..good.clone() };
        cases.push(case(
            &format!("by {evil:?}"),
            forge.issue(&stranger),
            &[Cause::CertIntermediateMissing, Cause::CertInvalid],
        ));
        let by_itself = Draft { issuer, ..good.clone() };
        cases.push(case(&format!("by itself, {evil:?}"), forge.issue(&by_itself), ANY_REFUSAL));
        // As the only name, which is not ours.
        let other = Draft { extensions: vec![names(&[dns(evil.as_bytes())])], ..good };
        cases.push(case(&format!("for {evil:?}"), forge.issue(&other), NAMELESS));
    }
    check(&secure, &forge, cases).await;
}

#[tokio::test]
async fn names_in_strange_encodings_are_read_or_shown_in_hexadecimal() {
    let secure = Secure::new();
    let forge = Forge::of(&secure.pki.root);
    let mut cases = Vec::new();
    // UTF-8 that is none, printable, teletex, BMP of odd length, universal, bit string, a sequence, NULL with content.
    for tag in [forge::UTF8, 19, 20, 30, 28, 3, 0x30, 5, 0x7f] {
        for value in [&b"\xff\xfe\xc3("[..], b"\0a\0b\0", b"", b"plain"] {
            let draft = Draft { subject: common_name(tag, value), ..Draft::good(HOST).expired() };
            cases.push(case(&format!("tag {tag}, {value:?}"), forge.issue(&draft), UNREADABLE_OR_EXPIRED));
        }
    }
    let many: Vec<u8> = (0..500).flat_map(|number: u32| part(forge::UTF8, number.to_string().as_bytes())).collect();
    let many = Draft { subject: tlv(forge::SEQUENCE, &many), ..Draft::good(HOST).expired() };
    cases.push(case("500 Common Names", forge.issue(&many), &[Cause::CertExpired]));
    let empty = Draft { subject: sequence(&[]), ..Draft::good(HOST) };
    cases.push(well("empty subject", forge.issue(&empty)));
    cases.push(case("empty subject, expired", forge.issue(&empty.clone().expired()), &[Cause::CertExpired]));
    let nameless = Draft { extensions: Vec::new(), ..empty };
    cases.push(case("no name at all", forge.issue(&nameless), &[Cause::CertNameMismatch]));
    let no_issuer = Draft { issuer: Some(sequence(&[])), ..Draft::good(HOST) };
    cases.push(case("empty issuer", forge.issue(&no_issuer), ANY_REFUSAL));
    check(&secure, &forge, cases).await;
}

#[tokio::test]
async fn certificates_of_any_size_have_a_cause_and_leave_little_behind() {
    let secure = Secure::new();
    let forge = Forge::of(&secure.pki.root);
    let filled = |size: usize| Draft::good(HOST).with(extension(forge::UNKNOWN, false, &vec![0x5a; size]));
    let long = |size: usize| Draft { subject: common_name(forge::UTF8, &vec![b'x'; size]), ..Draft::good(HOST) };
    let many = |count: usize| {
        let each: Vec<Vec<u8>> = (0..count).map(|number| dns(format!("{number:x}").as_bytes())).collect();
        Draft { extensions: vec![names(&each)], ..Draft::good(HOST) }
    };
    let addresses: Vec<Vec<u8>> = (0..8_000_u32).map(|number| ip(&number.to_be_bytes())).collect();
    let addresses = Draft { extensions: vec![names(&addresses)], ..Draft::good(HOST) };
    let long_name = Draft { extensions: vec![names(&[dns(&[b'a'; 50_000])])], ..Draft::good(HOST) };
    let serial = Draft { serial: integer(&vec![0x11; 50_000]), ..Draft::good(HOST) };
    let mut cases = vec![
        well("60 KB", forge.issue(&filled(60_000))),
        case("a subject of 60 KB", forge.issue(&long(60_000).expired()), &[Cause::CertExpired]),
        case("10,000 names", forge.issue(&many(10_000)), &[Cause::CertNameMismatch]),
        case("8,000 addresses", forge.issue(&addresses), &[Cause::CertNameMismatch]),
        case("a name of 50 KB", forge.issue(&long_name), NAMELESS),
        case("a serial of 50 KB", forge.issue(&serial.expired()), UNREADABLE_OR_EXPIRED),
    ];
    // More than 64 KiB of certificates are more than is read of a handshake message.
    for size in [65_000, 70_000, 200_000] {
        cases.push(case(&format!("{size} bytes"), forge.issue(&filled(size)), TOO_LARGE));
    }
    check(&secure, &forge, cases).await;
}

#[tokio::test]
async fn chains_of_a_hundred_certificates_end_soon() {
    let secure = Secure::new();
    let forge = Forge::of(&secure.pki.root);
    let leaf = forge.issue(&Draft::good(HOST));
    let name = |number: usize| common_name(forge::UTF8, format!("CA {number}").as_bytes());
    let authority = || extension(forge::BASIC_CONSTRAINTS, true, &sequence(&[&[1, 1, 0xff]]));
    let ca = |subject: usize, issuer: usize, serial: u8| Draft {
        serial: integer(&[1, serial]),
        subject: name(subject),
        issuer: Some(name(issuer)),
        extensions: vec![authority()],
        ..Draft::good(HOST)
    };
    let with = |first: CertificateDer<'static>, others: Vec<CertificateDer<'static>>| {
        std::iter::once(first).chain(others).collect::<Vec<_>>()
    };
    // Each issued by the next one; all of one name, so that each may be anybody's issuer; one and the same.
    let ladder = (0..99).map(|number| forge.issue(&ca(number, number + 1, 0))).collect();
    let alike = (0..99).map(|number| forge.issue(&ca(0, 0, number))).collect();
    let below = forge.issue(&Draft { issuer: Some(name(0)), ..Draft::good(HOST) });
    let any = || ANY_REFUSAL.iter().copied().map(Some).collect();
    let cases = vec![
        Case {
            name: "not needed".into(),
            chain: with(leaf.clone(), (0..99).map(|n| forge.issue(&ca(n, n, 0))).collect()),
            causes: vec![None],
        },
        Case { name: "the leaf a hundred times".into(), chain: vec![leaf; 100], causes: vec![None] },
        Case { name: "a ladder".into(), chain: with(below.clone(), ladder), causes: any() },
        Case { name: "all alike".into(), chain: with(below.clone(), alike), causes: any() },
        Case {
            name: "garbage behind it".into(),
            chain: with(below, (0..99).map(|number| vec![number; 40].into()).collect()),
            causes: any(),
        },
    ];
    check(&secure, &forge, cases).await;
}

#[tokio::test]
async fn what_is_no_certificate_or_says_nonsense_is_invalid() {
    let secure = Secure::new();
    let forge = Forge::of(&secure.pki.root);
    let good = || Draft::good(HOST);
    let leaf = forge.issue(&good());
    let cut = |length: usize| CertificateDer::from(leaf[..length].to_vec());
    let nested = (0..2_000).fold(Vec::new(), |inner, _| tlv(forge::SEQUENCE, &inner));
    let followed = CertificateDer::from([&leaf[..], b"and more"].concat());
    let draft = |draft: Draft| forge.issue(&draft);
    let cases = vec![
        case("no byte", Vec::new().into(), ANY_REFUSAL),
        case("one byte", vec![0x30].into(), ANY_REFUSAL),
        case("text", b"-----BEGIN CERTIFICATE-----".to_vec().into(), ANY_REFUSAL),
        case("a length without end", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff].into(), ANY_REFUSAL),
        case("an indefinite length", vec![0x30, 0x80, 0, 0].into(), ANY_REFUSAL),
        case("2,000 sequences within each other", nested.into(), ANY_REFUSAL),
        case("half of it", cut(leaf.len() / 2), ANY_REFUSAL),
        case("all but a byte", cut(leaf.len() - 1), ANY_REFUSAL),
        case("followed by more", followed, ANY_REFUSAL),
        case(
            "a negative serial",
            draft(Draft { serial: integer(&[0xff, 1]), ..good() }.expired()),
            UNREADABLE_OR_EXPIRED,
        ),
        // webpki takes it, and webpki decides.
        well("an empty serial", draft(Draft { serial: integer(&[]), ..good() })),
        well("a serial of 0", draft(Draft { serial: integer(&[0]), ..good() })),
        case("version 1", draft(Draft { version: Vec::new(), ..good() }), &[Cause::CertInvalid]),
        case("version 77", draft(Draft { version: tlv(0xa0, &integer(&[77])), ..good() }), ANY_REFUSAL),
        case(
            "an unknown critical extension",
            draft(good().with(extension(forge::UNKNOWN, true, &[5, 0]))),
            &[Cause::CertInvalid],
        ),
        case("an extension twice", draft(good().with(names(&[dns(b"other.test")]))), ANY_REFUSAL),
        case(
            "names that are none",
            draft(Draft { extensions: vec![extension(forge::SUBJECT_ALT_NAME, false, b"junk")], ..good() }),
            ANY_REFUSAL,
        ),
        case(
            "an address of three bytes",
            draft(Draft { extensions: vec![names(&[ip(&[127, 0, 0])])], ..good() }),
            NAMELESS,
        ),
        case("a key that is none", draft(Draft { key: Some(sequence(&[b"junk"])), ..good() }), ANY_REFUSAL),
        case(
            "a key of no kind",
            draft(Draft { key: Some(sequence(&[&sequence(&[&tlv(6, forge::UNKNOWN)]), &tlv(3, &[0, 1])])), ..good() }),
            ANY_REFUSAL,
        ),
    ];
    check(&secure, &forge, cases).await;
}

#[tokio::test]
async fn dates_at_the_ends_of_time_are_compared_and_shown() {
    let secure = Secure::new();
    let forge = Forge::of(&secure.pki.root);
    let of = |not_before: Vec<u8>, not_after: Vec<u8>| {
        forge.issue(&Draft { validity: dates(&not_before, &not_after), ..Draft::good(HOST) })
    };
    let now = || utc("200101000000Z");
    // webpki knows no time before 1970.
    let cases = vec![
        case("from 1950", of(utc("500101000000Z"), utc("491231235959Z")), &[Cause::CertInvalid]),
        well("until 9999", of(now(), generalized("99991231235959Z"))),
        case(
            "from the year 1",
            of(generalized("00010101000000Z"), generalized("99991231235959Z")),
            &[Cause::CertInvalid],
        ),
        case("until 1960", of(utc("500101000000Z"), utc("600101000000Z")), UNREADABLE_OR_EXPIRED),
        case("until the year 0", of(generalized("00000101000000Z"), generalized("00000102000000Z")), ANY_REFUSAL),
        case("until before it began", of(utc("491231235959Z"), now()), ANY_REFUSAL),
        case(
            "from 9999",
            of(generalized("99990101000000Z"), generalized("99991231235959Z")),
            &[Cause::CertNotYetValid],
        ),
        case("the 13th month", of(utc("201301000000Z"), utc("491231235959Z")), ANY_REFUSAL),
        case("the 31st of February", of(now(), utc("490231000000Z")), ANY_REFUSAL),
        case("no digits", of(now(), utc("whenever.....")), ANY_REFUSAL),
        case("no time at all", of(now(), utc("")), ANY_REFUSAL),
        case("a number", of(now(), integer(&[1])), ANY_REFUSAL),
    ];
    check(&secure, &forge, cases).await;
}

/// What a certificate's author may hope to reach with a name.
const EVIL: [&str; 14] = [
    "a\"b'c\\d",
    "line\nbreak\r\nand more",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</title><svg onload=alert(1)>",
    "\"onload='onload=",
    "$(reboot)`reboot`; reboot | tee",
    "{x=\"y\"} 1\n# HELP x y\nup 0",
    "{{ template }} %s %n ${HOME} {subject}",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\0null\0",
    "abc\u{202e}txt.exe\u{2066}",
    " leading, #and, trailing ",
    "\u{feff}\u{200b}",
];

const ANY_REFUSAL: &[Cause] = &[
    Cause::CertInvalid,
    Cause::CertLeafMissing,
    Cause::CertExpired,
    Cause::CertNotYetValid,
    Cause::CertIntermediateMissing,
    Cause::CertSelfSigned,
    Cause::CertIssuerMismatch,
    Cause::CertNameMismatch,
    Cause::TlsProtocolError,
];

const UNREADABLE_OR_EXPIRED: &[Cause] = &[Cause::CertInvalid, Cause::CertExpired, Cause::CertLeafMissing];

const NAMELESS: &[Cause] = &[Cause::CertNameMismatch, Cause::CertInvalid];

const TOO_LARGE: &[Cause] = &[Cause::TlsProtocolError, Cause::CertInvalid];

/// More than any honest detail has.
const MOST_OF_A_DETAIL: usize = 2_048;

const MOST_FINDINGS: usize = 200;

/// Two probes, on a machine that may be busy.
const SOON: Duration = Duration::from_secs(10);
