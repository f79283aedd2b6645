//! What the answers of the resolvers mean together: two halves (A and AAAA) make one answer for a name, the answers
//! along the search list make one for the name as written. Pure.

use std::net::IpAddr;
use std::time::Duration;

use super::{DnsFault, Unasked};

/// What one question, for A or for AAAA, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// Never empty; the shortest TTL of the records that led there, aliases included.
    Addresses(Found),
    /// NXDOMAIN; of the name that an alias leads to, if there is one.
    NameNotFound(Alias),
    /// The name exists, without a record of this type; or the name that an alias leads to does.
    NoData(Alias),
    /// Any other answer, or a broken one: who did what, in our words.
    Failed(String),
    /// No answer.
    Silent,
    /// The question could not be asked, for want of a descriptor, a port or memory here.
    Exhausted(Unasked),
    /// The question could not be asked, because this host's network cannot send to the resolver.
    Offline(Unasked),
}

/// The last name that aliases led to.
pub(super) type Alias = Option<String>;

/// Addresses, and for how long they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// The answer for `name` out of its two halves.
///
/// One half with addresses is enough. Without one, a half that failed must not pass for "no address". Only NXDOMAIN to
/// the question for A stands by itself: it is said of the name, not of the type; said to AAAA alone it is a known
/// defect of some servers (RFC 4074, section 4.2). A half that this host had not the means to ask for could have been
/// anything.
///
/// # Errors
/// Why there is no address.
pub(super) fn combine(name: &str, a: Half, aaaa: Half) -> Result<Found, DnsFault> {
    use Half::{Addresses, Exhausted, Failed, NameNotFound, NoData, Offline, Silent};
    match (a, aaaa) {
        (Addresses(mut a), Addresses(aaaa)) => {
            a.ttl = a.ttl.min(aaaa.ttl);
            a.addresses.extend(aaaa.addresses);
            Ok(a)
        }
        (Addresses(found), NameNotFound(_) | NoData(_)) | (NameNotFound(_) | NoData(_), Addresses(found)) => Ok(found),
        (Addresses(mut found), Failed(_) | Silent | Exhausted(_) | Offline(_))
        | (Failed(_) | Silent | Exhausted(_) | Offline(_), Addresses(mut found)) => {
            found.ttl = found.ttl.min(PARTIAL_TTL);
            Ok(found)
        }
        (NameNotFound(alias), NameNotFound(_) | Failed(_) | Silent | Exhausted(_) | Offline(_)) => {
            Err(alias.map_or(DnsFault::NameNotFound, DnsFault::AliasNotFound))
        }
        (NameNotFound(_) | NoData(_), NoData(alias)) | (NoData(alias), NameNotFound(_)) => {
            Err(alias.map_or(DnsFault::NoAddress, DnsFault::AliasWithoutAddress))
        }
        (Exhausted(why), _) | (_, Exhausted(why)) => Err(DnsFault::LocalExhausted(why)),
        (Failed(a), Failed(aaaa)) if a == aaaa => Err(DnsFault::ServerFailure(format!("{a} (A and AAAA of {name})"))),
        (Failed(a), Failed(aaaa)) => {
            Err(DnsFault::ServerFailure(format!("{a} (A of {name}); {aaaa} (AAAA of {name})")))
        }
        (Failed(a), rest @ (NameNotFound(_) | NoData(_) | Silent | Offline(_))) => {
            Err(DnsFault::ServerFailure(format!("{a} (A of {name}; AAAA: {})", rest.word())))
        }
        (rest @ (NoData(_) | Silent | Offline(_)), Failed(aaaa)) => {
            Err(DnsFault::ServerFailure(format!("{aaaa} (AAAA of {name}; A: {})", rest.word())))
        }
        (Offline(why), _) | (_, Offline(why)) => Err(DnsFault::LocalNetwork(why)),
        (Silent, NameNotFound(_) | NoData(_) | Silent) | (NoData(_), Silent) => Err(DnsFault::Timeout),
    }
}

impl Half {
    /// In a sentence about the other half.
    fn word(&self) -> &'static str {
        match self {
            Self::Addresses(_) => "answered",
            Self::NameNotFound(_) => "NXDOMAIN",
            Self::NoData(_) => "no record",
            Self::Failed(_) => "failed",
            Self::Silent => "no answer",
            Self::Exhausted(_) | Self::Offline(_) => "not asked",
        }
    }

    /// Whether the other half can only add to this one.
    pub(super) fn is_conclusive_as_a(&self) -> bool {
        matches!(self, Self::Addresses(_) | Self::NameNotFound(_))
    }

    /// See [`Self::is_conclusive_as_a`].
    pub(super) fn is_conclusive_as_aaaa(&self) -> bool {
        matches!(self, Self::Addresses(_))
    }
}

/// Which of several resolvers' answers to the same question counts, by its index; `answers` in the configured order,
/// none: not there yet. Addresses count whoever found them. Anything else counts in the configured order, as a later
/// resolver need not know the names that an earlier one knows.
pub(super) fn decisive(answers: &[Option<Half>], earlier: Earlier) -> Option<usize> {
    let found = answers.iter().position(|answer| matches!(answer, Some(Half::Addresses(_))));
    if found.is_some() {
        return found;
    }
    for (index, answer) in answers.iter().enumerate() {
        match (answer, earlier) {
            (Some(Half::Addresses(_) | Half::NameNotFound(_) | Half::NoData(_)), _) => return Some(index),
            (None, Earlier::Awaited) => return None,
            (Some(Half::Failed(_) | Half::Silent | Half::Exhausted(_) | Half::Offline(_)), _)
            | (None, Earlier::Overdue) => {}
        }
    }
    if answers.iter().any(Option::is_none) {
        return None;
    }
    // All have failed. One that could not be asked might have known; one that says how it failed says more than one that
    // says nothing; one that can never be reached says least.
    let rank = |answer: &Option<Half>| match answer {
        Some(Half::Exhausted(_)) => 0,
        Some(Half::Failed(_)) => 1,
        Some(Half::Offline(_)) => 3,
        Some(Half::Silent | Half::Addresses(_) | Half::NameNotFound(_) | Half::NoData(_)) | None => 2,
    };
    (0..answers.len()).min_by_key(|index| rank(&answers[*index]))
}

/// Whether a resolver that has not answered yet keeps a later one's "no such name" from counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    Awaited,
    Overdue,
}

/// The fault of a search, out of those of all the names tried, in order; `direct`: the place of the name as written.
///
/// As the system does, the name as written speaks for the search if it was tried first. Otherwise a failure comes
/// first (the address may be behind it), then a name that exists.
pub(super) fn settle(faults: Vec<DnsFault>, direct: Direct) -> DnsFault {
    let rank = |fault: &DnsFault| match fault {
        DnsFault::LocalExhausted(_) | DnsFault::LocalNetwork(_) => 0,
        DnsFault::Timeout => 1,
        DnsFault::ServerFailure(_) => 2,
        DnsFault::NoAddress | DnsFault::AliasWithoutAddress(_) | DnsFault::Unusable(_) => 3,
        DnsFault::NameNotFound | DnsFault::AliasNotFound(_) => 4,
    };
    let mut faults = faults.into_iter();
    let fault = match direct {
        Direct::First => faults.next(),
        Direct::Last => faults.min_by_key(rank),
    };
    fault.unwrap_or(DnsFault::NameNotFound)
}

/// Where the name as written stands in the search list (resolv.conf(5), `ndots`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direct {
    First,
    Last,
}

/// The names to ask for, in order, all fully qualified and without the final dot.
pub(super) fn candidates(name: &str, search: &[String], ndots: usize) -> (Vec<String>, Direct) {
    let mut names: Vec<String> = search.iter().map(|domain| format!("{name}.{domain}")).collect();
    if name.bytes().filter(|&byte| byte == b'.').count() >= ndots {
        names.insert(0, name.to_owned());
        (names, Direct::First)
    } else {
        names.push(name.to_owned());
        (names, Direct::Last)
    }
}

/// How long an answer holds of which one half is missing: it may come back sooner than the other's TTL ends.
const PARTIAL_TTL: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    fn found(last: u8, seconds: u64) -> Half {
        Half::Addresses(Found { addresses: vec![IpAddr::from([10, 0, 0, last])], ttl: Duration::from_secs(seconds) })
    }

    fn failed() -> Half {
        Half::Failed("192.0.2.53:53 answered SERVFAIL".into())
    }

    fn unasked(error: Errno) -> Unasked {
        Unasked { server: ([192, 0, 2, 53], 53).into(), error }
    }

    fn failure(text: &str) -> DnsFault {
        DnsFault::ServerFailure(text.into())
    }

    #[track_caller]
    fn check(a: Half, aaaa: Half, expected: Result<(&[u8], u64), DnsFault>) {
        let expected = expected.map(|(last, seconds)| Found {
            addresses: last.iter().map(|&last| IpAddr::from([10, 0, 0, last])).collect(),
            ttl: Duration::from_secs(seconds),
        });
        assert_eq!(combine("app.example.com", a, aaaa), expected);
    }

    #[test]
    fn one_half_with_addresses_is_enough() {
        check(found(1, 300), found(2, 60), Ok((&[1, 2], 60)));
        check(found(1, 300), Half::NoData(None), Ok((&[1], 300)));
        check(Half::NoData(None), found(2, 300), Ok((&[2], 300)));
        check(found(1, 300), Half::NameNotFound(None), Ok((&[1], 300)));
        check(Half::NameNotFound(None), found(2, 300), Ok((&[2], 300)));
    }

    #[test]
    fn addresses_with_a_failed_half_hold_for_half_a_minute() {
        check(found(1, 300), failed(), Ok((&[1], 30)));
        check(found(1, 300), Half::Silent, Ok((&[1], 30)));
        check(failed(), found(2, 300), Ok((&[2], 30)));
        check(Half::Silent, found(2, 10), Ok((&[2], 10)));
    }

    #[test]
    fn a_failed_half_never_passes_for_no_address() {
        let said = "192.0.2.53:53 answered SERVFAIL";
        check(Half::NoData(None), failed(), Err(failure(&format!("{said} (AAAA of app.example.com; A: no record)"))));
        check(failed(), Half::NoData(None), Err(failure(&format!("{said} (A of app.example.com; AAAA: no record)"))));
        check(
            failed(),
            Half::NameNotFound(None),
            Err(failure(&format!("{said} (A of app.example.com; AAAA: NXDOMAIN)"))),
        );
        check(Half::Silent, failed(), Err(failure(&format!("{said} (AAAA of app.example.com; A: no answer)"))));
        check(failed(), failed(), Err(failure(&format!("{said} (A and AAAA of app.example.com)"))));
        check(
            Half::Failed("x answered REFUSED".into()),
            failed(),
            Err(failure(&format!("x answered REFUSED (A of app.example.com); {said} (AAAA of app.example.com)"))),
        );
        check(Half::NoData(None), Half::Silent, Err(DnsFault::Timeout));
        check(Half::Silent, Half::NoData(None), Err(DnsFault::Timeout));
        check(Half::Silent, Half::NameNotFound(None), Err(DnsFault::Timeout));
        check(Half::Silent, Half::Silent, Err(DnsFault::Timeout));
    }

    #[test]
    fn what_this_host_could_not_ask_is_never_the_resolvers_fault() {
        let exhausted = || Half::Exhausted(unasked(Errno::EMFILE));
        let offline = || Half::Offline(unasked(Errno::ENETUNREACH));
        let no_descriptor = || Err(DnsFault::LocalExhausted(unasked(Errno::EMFILE)));
        let no_route = || Err(DnsFault::LocalNetwork(unasked(Errno::ENETUNREACH)));
        check(found(1, 300), exhausted(), Ok((&[1], 30)));
        check(offline(), found(2, 300), Ok((&[2], 30)));
        check(Half::NameNotFound(None), exhausted(), Err(DnsFault::NameNotFound));
        check(exhausted(), exhausted(), no_descriptor());
        check(exhausted(), Half::NoData(None), no_descriptor());
        check(failed(), exhausted(), no_descriptor());
        check(Half::Silent, exhausted(), no_descriptor());
        check(offline(), offline(), no_route());
        check(offline(), Half::Silent, no_route());
        check(Half::NoData(None), offline(), no_route());
        check(
            offline(),
            failed(),
            Err(failure("192.0.2.53:53 answered SERVFAIL (AAAA of app.example.com; A: not asked)")),
        );
    }

    #[test]
    fn nxdomain_to_the_question_for_a_is_said_of_the_name() {
        check(Half::NameNotFound(None), Half::NameNotFound(None), Err(DnsFault::NameNotFound));
        check(Half::NameNotFound(None), failed(), Err(DnsFault::NameNotFound));
        check(Half::NameNotFound(None), Half::Silent, Err(DnsFault::NameNotFound));
    }

    #[test]
    fn the_end_of_an_alias_is_named() {
        let alias = || Some("cdn.example.com".to_owned());
        let gone = || Err(DnsFault::AliasNotFound("cdn.example.com".to_owned()));
        let empty = || Err(DnsFault::AliasWithoutAddress("cdn.example.com".to_owned()));
        check(Half::NameNotFound(alias()), Half::NameNotFound(alias()), gone());
        check(Half::NameNotFound(alias()), failed(), gone());
        check(Half::NoData(alias()), Half::NoData(alias()), empty());
        check(Half::NoData(alias()), Half::NameNotFound(alias()), empty());
        check(Half::NameNotFound(alias()), Half::NoData(alias()), empty());
        check(found(1, 300), Half::NameNotFound(alias()), Ok((&[1], 300)));
        let faults = vec![DnsFault::NameNotFound, DnsFault::AliasNotFound("cdn.example.com".to_owned())];
        assert_eq!(settle(faults, Direct::Last), DnsFault::NameNotFound);
    }

    #[test]
    fn a_name_that_one_half_knows_exists() {
        check(Half::NoData(None), Half::NoData(None), Err(DnsFault::NoAddress));
        check(Half::NameNotFound(None), Half::NoData(None), Err(DnsFault::NoAddress));
        check(Half::NoData(None), Half::NameNotFound(None), Err(DnsFault::NoAddress));
    }

    #[test]
    fn the_resolvers_count_in_their_order_but_addresses_count_at_once() {
        use Earlier::{Awaited, Overdue};
        type Row<'a> = (&'a [Option<Half>], Earlier, Option<usize>);
        let exhausted = || Half::Exhausted(unasked(Errno::EMFILE));
        let offline = || Half::Offline(unasked(Errno::ENETUNREACH));
        let rows: [Row; 17] = [
            (&[None, None], Awaited, None),
            (&[None, Some(found(1, 1))], Awaited, Some(1)),
            (&[None, Some(Half::NameNotFound(None))], Awaited, None),
            (&[None, Some(Half::NameNotFound(None))], Overdue, Some(1)),
            (&[Some(Half::NameNotFound(None)), None], Awaited, Some(0)),
            (&[Some(failed()), None], Awaited, None),
            (&[Some(failed()), None], Overdue, None),
            (&[Some(failed()), Some(Half::NoData(None))], Awaited, Some(1)),
            (&[Some(Half::Silent), Some(failed())], Awaited, Some(1)),
            (&[Some(Half::Silent), Some(Half::Silent)], Awaited, Some(0)),
            (&[Some(Half::NameNotFound(None)), Some(found(1, 1))], Awaited, Some(1)),
            (&[None, Some(Half::Silent), Some(Half::NoData(None))], Overdue, Some(2)),
            (&[Some(failed()), Some(exhausted())], Awaited, Some(1)),
            (&[Some(exhausted()), Some(Half::NameNotFound(None))], Awaited, Some(1)),
            (&[Some(offline()), Some(Half::Silent)], Awaited, Some(1)),
            (&[Some(offline()), Some(failed())], Awaited, Some(1)),
            (&[Some(offline()), Some(offline())], Awaited, Some(0)),
        ];
        for (answers, earlier, expected) in rows {
            assert_eq!(decisive(answers, earlier), expected, "{answers:?} {earlier:?}");
        }
    }

    #[test]
    fn the_name_as_written_speaks_for_the_search_when_it_came_first() {
        use DnsFault::{NameNotFound, NoAddress};
        let servfail = || failure("SERVFAIL");
        assert_eq!(settle(vec![NameNotFound, servfail(), NoAddress], Direct::First), NameNotFound);
        assert_eq!(settle(vec![NoAddress, servfail(), NameNotFound], Direct::Last), servfail());
        assert_eq!(settle(vec![NoAddress, NameNotFound], Direct::Last), NoAddress);
        assert_eq!(settle(vec![NameNotFound, NameNotFound], Direct::Last), NameNotFound);
    }

    #[test]
    fn search_domains_come_before_or_after_the_name_as_ndots_says() {
        let search = ["corp.example".to_owned(), "example".to_owned()];
        let rows: [(&str, usize, &[&str], Direct); 4] = [
            ("app", 1, &["app.corp.example", "app.example", "app"], Direct::Last),
            ("app.test", 1, &["app.test", "app.test.corp.example", "app.test.example"], Direct::First),
            ("app.test", 5, &["app.test.corp.example", "app.test.example", "app.test"], Direct::Last),
            ("app", 0, &["app", "app.corp.example", "app.example"], Direct::First),
        ];
        for (name, ndots, expected, direct) in rows {
            let (names, place) = candidates(name, &search, ndots);
            assert_eq!(names, expected);
            assert_eq!(place, direct);
        }
        assert_eq!(candidates("app", &[], 1), (vec!["app".to_owned()], Direct::Last));
    }
}
