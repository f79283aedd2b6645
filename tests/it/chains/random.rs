//! Random chains, good ones with random changes, judged by both readings: what webpki refuses is explained, what it
//! accepts is not faulted, and the report is in order.

use backend_health_exporter::probe::{TlsFacts, TlsSpec};
use backend_health_exporter::verdict::{Cause, Code, Notice, Verdict};
use proptest::prelude::*;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose};
use rustls::pki_types::CertificateDer;

use super::workshop::{Draft, EXPIRED, FUTURE, HOST, configured, now};
use super::{tls, verdict};

/// A change to one certificate of a chain, by its place: 0 is the server's own, the last one the root.
#[derive(Clone, Debug)]
enum Change {
    Expired,
    NotYetValid,
    Authority(bool),
    PathLength(u8),
    Usage(bool),
    Permitted(&'static str),
    Excluded(&'static str),
    Names(Vec<&'static str>),
    SignedBy(usize),
    OtherKey(usize),
    Renamed(&'static str),
    WithoutKeyIdentifiers,
    UnknownCritical,
}

/// What is done to the list that is sent.
#[derive(Clone, Debug)]
enum Sending {
    Leave(usize),
    Twice(usize),
    Swap(usize, usize),
    Rotate(usize),
    /// A certificate that has nothing to do with it, or nearly so.
    Extra(usize, Change),
    /// The same subject and key, issued by somebody else.
    CrossSigned(usize, usize),
}

#[derive(Clone, Debug)]
enum Trusted {
    Root,
    RootAndOther,
    Other,
    /// The one at this place.
    Sent(usize),
    Nothing,
}

fn change() -> impl Strategy<Value = Change> {
    let names = prop::sample::select(vec!["app.example.com", "example.com", "other.test", "com"]);
    prop_oneof![
        Just(Change::Expired),
        Just(Change::NotYetValid),
        any::<bool>().prop_map(Change::Authority),
        (0..3_u8).prop_map(Change::PathLength),
        any::<bool>().prop_map(Change::Usage),
        names.clone().prop_map(Change::Permitted),
        names.clone().prop_map(Change::Excluded),
        prop::collection::vec(prop::sample::select(vec![HOST, "*.example.com", "other.test", "192.0.2.1"]), 0..3)
            .prop_map(Change::Names),
        (0..8_usize).prop_map(Change::SignedBy),
        (0..8_usize).prop_map(Change::OtherKey),
        prop::sample::select(vec!["Root", "CA 1", "CA 2", "Elsewhere"]).prop_map(Change::Renamed),
        Just(Change::WithoutKeyIdentifiers),
        Just(Change::UnknownCritical),
    ]
}

fn sending() -> impl Strategy<Value = Sending> {
    let place = 0..6_usize;
    prop_oneof![
        place.clone().prop_map(Sending::Leave),
        place.clone().prop_map(Sending::Twice),
        (place.clone(), place.clone()).prop_map(|(one, other)| Sending::Swap(one, other)),
        place.clone().prop_map(Sending::Rotate),
        (place.clone(), change()).prop_map(|(place, change)| Sending::Extra(place, change)),
        (place, 0..8_usize).prop_map(|(place, signer)| Sending::CrossSigned(place, signer)),
    ]
}

fn trusted() -> impl Strategy<Value = Trusted> {
    prop_oneof![
        6 => Just(Trusted::Root),
        1 => Just(Trusted::RootAndOther),
        1 => Just(Trusted::Other),
        1 => (0..6_usize).prop_map(Trusted::Sent),
        1 => Just(Trusted::Nothing),
    ]
}

/// The server's own certificate, `depth` intermediates, and the root.
fn good(depth: usize) -> Vec<Draft> {
    let mut chain = vec![Draft::root("Root", 0)];
    for number in 1..=depth {
        chain.push(Draft::authority(&format!("CA {number}"), number, &chain[number - 1]));
    }
    chain.push(Draft::server(7, &chain[depth]));
    chain.reverse();
    chain
}

fn changed(draft: &mut Draft, change: Change) {
    match change {
        Change::Expired => draft.years = EXPIRED,
        Change::NotYetValid => draft.years = FUTURE,
        Change::Authority(is) => draft.authority = is.then_some(BasicConstraints::Unconstrained),
        Change::PathLength(length) => draft.authority = Some(BasicConstraints::Constrained(length)),
        Change::Usage(right) => {
            draft.usages =
                vec![if right { ExtendedKeyUsagePurpose::ServerAuth } else { ExtendedKeyUsagePurpose::ClientAuth }];
        }
        Change::Permitted(name) => draft.permitted = vec![name.to_owned()],
        Change::Excluded(name) => draft.excluded = vec![name.to_owned()],
        Change::Names(names) => draft.names = names.into_iter().map(str::to_owned).collect(),
        Change::SignedBy(key) => draft.signer = key,
        Change::OtherKey(key) => draft.key = key,
        Change::Renamed(name) => name.clone_into(&mut draft.subject),
        Change::WithoutKeyIdentifiers => draft.key_identifiers = false,
        Change::UnknownCritical => draft.unknown_critical = true,
    }
}

fn sent(drafts: &[Draft], with_root: bool, sendings: Vec<Sending>) -> Vec<Draft> {
    let mut sent: Vec<Draft> = drafts[..drafts.len() - usize::from(!with_root)].to_vec();
    for sending in sendings {
        let count = sent.len();
        if count == 0 {
            break;
        }
        match sending {
            Sending::Leave(place) => {
                sent.remove(place % count);
            }
            Sending::Twice(place) => sent.push(sent[place % count].clone()),
            Sending::Swap(one, other) => sent.swap(one % count, other % count),
            Sending::Rotate(by) => sent.rotate_left(by % count),
            Sending::Extra(place, change) => {
                let mut extra = sent[place % count].clone();
                changed(&mut extra, change);
                sent.push(extra);
            }
            Sending::CrossSigned(place, signer) => {
                let twin = &sent[place % count];
                let issuer = format!("CA {}", signer % 4);
                sent.push(Draft { issuer, signer, named_signer: signer, ..twin.clone() });
            }
        }
    }
    sent
}

/// Of one of several faults: the place in the order in which it becomes the cause.
fn weight(cause: Cause) -> usize {
    match cause {
        Cause::CertLeafMissing => 0,
        Cause::CertLeafNotFirst => 1,
        Cause::CertInvalid => 2,
        Cause::CertExpired | Cause::CertNotYetValid => 3,
        Cause::CertIntermediateMissing => 4,
        Cause::CertSelfSigned
        | Cause::CertRootNotWellKnown
        | Cause::CertIssuerNotWellKnown
        | Cause::CertRootMismatch
        | Cause::CertIssuerMismatch => 5,
        Cause::CertRevoked => 6,
        Cause::CertNameMismatch => 7,
        other => panic!("{other} is no fault of a chain"),
    }
}

/// What holds for every chain, whatever it is made of.
pub fn check_invariants(tls: &TlsSpec, chain: &[CertificateDer<'static>]) -> Verdict {
    let facts = TlsFacts::of_chain(tls, chain, now());
    let strict = verdict(tls, chain, now());
    let findings: Vec<_> = strict.cause.iter().chain(&strict.also).collect();
    let (path, name) = (facts.path.unwrap(), facts.name.unwrap());

    // Refused exactly when there is a finding, and of the right kind.
    let of_the_name = findings.iter().filter(|finding| finding.code == Cause::CertNameMismatch).count();
    assert_eq!(path.is_err(), findings.len() > of_the_name, "{path:?}: {findings:#?}");
    if path.is_ok() {
        assert_eq!(name.is_err(), of_the_name == 1, "{name:?}: {findings:#?}");
    }
    // In order.
    assert!(findings.is_sorted_by_key(|finding| weight(finding.code)), "{findings:#?}");
    // Each fault of a certificate is one of the findings, and the certificate was sent.
    let presented = strict.evidence.chain.as_ref().map(|chain| chain.certificates.as_slice()).unwrap_or_default();
    for element in presented {
        assert!(element.position < chain.len());
        assert!(
            element.faults.iter().all(|fault| findings.iter().any(|finding| finding.code == *fault)),
            "{element:?}"
        );
    }
    // With the validations off all of it is warnings instead.
    let mut lax = tls.clone();
    (lax.validate_chain, lax.validate_name) = (false, false);
    let lax = verdict(&lax, chain, now());
    assert_eq!(lax.cause, None);
    let warned = lax.warnings.iter().filter(|warning| matches!(warning.code, Code::Cause(_)));
    assert!(warned.map(|warning| &warning.detail).eq(findings.iter().map(|finding| &finding.detail)));
    strict
}

/// Whether the two readings say the same, but for what only other clients mind; and that only where it is so.
fn agree(verdict: &Verdict, trusted: &[Draft], sent: &[Draft]) -> bool {
    let unexplained = |detail: &str| detail.contains("our own reading of the chain finds no fault");
    let is_bound = |draft: &Draft| matches!(draft.authority, Some(BasicConstraints::Constrained(_)));
    let is_its_own_anchor = |draft: &Draft| trusted.iter().any(|root| root.made() == draft.made());
    let minded_by_others = |detail: &str| {
        // webpki does not know the path length of a trusted certificate, whatever it is sent as.
        (detail.ends_with("other verifiers refuse that") && trusted.iter().any(is_bound))
            // Said of one that is trusted as it stands, for nobody issued that.
            || (detail.contains("is not understood")
                && sent.iter().any(|draft| draft.unknown_critical && is_its_own_anchor(draft)))
    };
    !verdict.cause.iter().any(|finding| unexplained(&finding.detail))
        && !verdict.warnings.iter().any(|warning| {
            warning.code == Code::Notice(Notice::ChainQuestionable) && !minded_by_others(&warning.detail)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(600), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_readings_of_a_random_chain_agree(
        depth in 0..4_usize,
        changes in prop::collection::vec((0..5_usize, change()), 0..4),
        with_root in any::<bool>(),
        sendings in prop::collection::vec(sending(), 0..4),
        trusted in trusted(),
    ) {
        let mut drafts = good(depth);
        for (place, change) in changes {
            let place = place % drafts.len();
            changed(&mut drafts[place], change);
        }
        let root = drafts[drafts.len() - 1].clone();
        let other = Draft::root("Other", 9);
        let sent = sent(&drafts, with_root, sendings);
        prop_assume!(!sent.is_empty());
        let trusted = match trusted {
            Trusted::Root => vec![root],
            Trusted::RootAndOther => vec![other, root],
            Trusted::Other => vec![other],
            Trusted::Sent(place) => vec![sent[place % sent.len()].clone()],
            Trusted::Nothing => Vec::new(),
        };
        let trust = configured(&trusted.iter().collect::<Vec<_>>());
        let chain: Vec<_> = sent.iter().map(Draft::made).collect();
        let verdict = check_invariants(&tls(trust, HOST), &chain);
        prop_assert!(agree(&verdict, &trusted, &sent), "{verdict:#?}");
    }
}
