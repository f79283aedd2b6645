//! What was remembered of a chain comes to the same as verifying and reading it anew, at whatever time.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backend_health_exporter::probe::{AcceptedChains, TlsFacts, TlsSpec};
use backend_health_exporter::verdict::{Judge, PresentedChain, judge};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use rustls::pki_types::CertificateDer;

use super::workshop::{Draft, HOST, with_lists};
use super::{observation, probe, tls};

/// The start of a year.
fn year(number: i32) -> SystemTime {
    let moment = rcgen::date_time_ymd(number, 1, 1);
    SystemTime::UNIX_EPOCH + Duration::from_secs(moment.unix_timestamp().unsigned_abs())
}

/// Moments around those at which something begins, ends or is worth a warning; every certificate begins and ends with a
/// year.
fn moment() -> impl Strategy<Value = SystemTime> {
    const DAY: i64 = 86_400;
    let distance = select(vec![-400 * DAY, -22 * DAY, -21 * DAY - 1, -21 * DAY, -21 * DAY + 1, -1, 0, 1, 30 * DAY]);
    (2025..2031, distance).prop_map(|(number, seconds)| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { year(number) - distance } else { year(number) + distance }
    })
}

/// A chain of certificates with these years, and what is trusted: its root, the same root with other dates, or both, with
/// or without a list of the intermediate's.
fn world(
    years: [(i32, i32); 4],
    extra: bool,
    roots: usize,
    list: Option<(i32, i32)>,
) -> (TlsSpec, Vec<CertificateDer<'static>>) {
    let root = Draft { years: years[0], ..Draft::root("Root", 0) };
    let twin = Draft { years: years[3], serial: 8, ..root.clone() };
    let intermediate = Draft { years: years[1], ..Draft::authority("CA", 1, &root) };
    let server = Draft { years: years[2], ..Draft::server(7, &intermediate) };
    let mut chain = vec![server.made(), intermediate.made()];
    if extra {
        chain.push(twin.made());
    }
    let roots = &[vec![&root], vec![&root, &twin], vec![&twin, &root]][roots];
    let lists = list.map(|years| intermediate.list(&[99], years));
    (tls(with_lists(roots, lists.into_iter().collect()), HOST), chain)
}

#[test]
fn what_was_remembered_comes_to_the_same_as_judging_anew() {
    let years = || select(vec![(2020, 2040), (2020, 2027), (2020, 2028), (2026, 2028), (2026, 2040), (2027, 2040)]);
    let list = prop::option::weighted(0.3, select(vec![(2020, 2027), (2020, 2029), (2020, 2039)]));
    let warning = select(vec![Duration::ZERO, Duration::from_hours(21 * 24), Duration::from_hours(800 * 24)]);
    let one = ([years(), years(), years(), years()], any::<bool>(), 0..3_usize, list, warning, any::<bool>());
    let steps = prop::collection::vec((any::<Index>(), moment()), 2..24);
    let cases = (prop::collection::vec(one, 1..3), steps);
    let (recalled, accepted) = (Cell::new(0), Cell::new(0));
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases, |(worlds, steps)| {
        let worlds: Vec<_> = worlds
            .into_iter()
            .map(|(years, extra, roots, list, warning, right_name)| {
                let (mut tls, chain) = world(years, extra, roots, list);
                tls.expiry_warning = warning;
                if !right_name {
                    tls.name = backend_health_exporter::probe::VerifiedName::Dns("other.test".into());
                }
                (tls, chain)
            })
            .collect();
        let (memory, remembering) = (AcceptedChains::default(), Judge::default());
        let mut shown: Vec<Arc<PresentedChain>> = Vec::new();
        for (which, at) in steps {
            let (tls, chain) = which.get(&worlds);
            let anew = TlsFacts::of_chain(tls, chain, at);
            let again = TlsFacts::of_chain_again(&memory, tls, chain, at);
            prop_assert_eq!(&anew.path, &again.path);
            prop_assert_eq!(&anew.name, &again.name);
            prop_assert_eq!(anew.leaf_is_trusted_itself, again.leaf_is_trusted_itself);
            accepted.set(accepted.get() + usize::from(again.accepted_as.is_some()));
            let spec = probe(tls.clone(), 443);
            let remembered = remembering.judge(&spec, &observation(tls, again, at));
            prop_assert_eq!(&remembered, &judge(&spec, &observation(tls, anew, at)));
            let chain = remembered.evidence.chain.expect("certificates were sent");
            // The very same value: it was not read again.
            if shown.iter().any(|before| Arc::ptr_eq(before, &chain)) {
                recalled.set(recalled.get() + 1);
            }
            shown.push(chain);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(recalled.get() > 100 && accepted.get() > 500, "{} recalled, {} accepted", recalled.get(), accepted.get());
}
