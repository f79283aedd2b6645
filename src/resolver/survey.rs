//! A close look at one name, for people who look into a fault: what every resolver says to every question along the search
//! list, with the records themselves. Nothing of it goes into the cache.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::Instant;

use super::answer::{Half, candidates};
use super::flight::qualified;
use super::nameservers::Asked;
use super::{Resolver, Unasked, without_dns};

/// What there is to know about a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Its addresses in the hosts file, or those that every host has for it; nobody is asked then.
    pub hosts: Option<Vec<IpAddr>>,
    /// Who is asked, in order.
    pub resolvers: Vec<SocketAddr>,
    /// The system's search domains, and how many dots make a name be tried as written first.
    pub search: Vec<String>,
    pub ndots: usize,
    /// The full names that may be tried, in order; those behind the first one that has addresses are not asked for.
    pub candidates: Vec<String>,
    /// In the order asked.
    pub answers: Vec<Answer>,
    /// The latest good answer of this process, and how old it is.
    pub last_known_good: Option<(Vec<IpAddr>, Duration)>,
}

/// What one resolver said to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub resolver: SocketAddr,
    /// The full name.
    pub name: String,
    pub question: Question,
    pub took: Duration,
    pub outcome: Outcome,
}

/// The kind of record that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    A,
    Aaaa,
}

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Aliases and addresses, in the answer's order; at least one address.
    Records(Vec<Record>),
    /// NXDOMAIN.
    NameNotFound,
    /// The name exists, without such a record.
    NoData,
    /// It failed; in our words.
    Failed(String),
    Silent,
    /// This host could not ask.
    NotAsked(Unasked),
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub ttl: u32,
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Address(IpAddr),
    Alias(String),
}

impl Question {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        }
    }
}

impl Outcome {
    /// The addresses among the records.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let records = match self {
            Self::Records(records) => records.as_slice(),
            Self::NameNotFound | Self::NoData | Self::Failed(_) | Self::Silent | Self::NotAsked(_) => &[],
        };
        records.iter().filter_map(|record| match record.data {
            Data::Address(address) => Some(address),
            Data::Alias(_) => None,
        })
    }
}

impl Resolver {
    /// Asks everybody for `name` (in lower case, without the final dot), until `deadline` at the latest.
    pub async fn survey(&self, name: &str, deadline: Instant) -> Survey {
        let (system, _) = self.live.current(Instant::now());
        let remembered = self.shared.state().cache.remembered(name, Instant::now());
        let dns = &system.dns;
        let mut survey = Survey {
            hosts: without_dns(&system, name),
            resolvers: dns.nameservers.addresses().collect(),
            search: dns.search.clone(),
            ndots: dns.ndots,
            candidates: Vec::new(),
            answers: Vec::new(),
            last_known_good: remembered.map(|remembered| (remembered.addresses.to_vec(), remembered.age)),
        };
        if survey.hosts.is_some() {
            return survey;
        }
        (survey.candidates, _) = candidates(name, &dns.search, dns.ndots);
        // hickory lets equal questions wait for each other, and those of a running probe may have been lost.
        let nameservers = dns.nameservers.anew();
        for candidate in &survey.candidates {
            let Some(qualified) = qualified(candidate) else { continue };
            if Instant::now() >= deadline {
                break;
            }
            let deadline = deadline.min(Instant::now() + PATIENCE);
            let (a, aaaa) = tokio::join!(
                nameservers.ask_each(&qualified, RecordType::A, deadline),
                nameservers.ask_each(&qualified, RecordType::AAAA, deadline)
            );
            let answered = |half: &Half| matches!(half, Half::Addresses(_));
            let is_found = a.iter().chain(&aaaa).any(|asked| answered(&asked.half));
            let all_silent = a.iter().chain(&aaaa).all(|asked| matches!(asked.half, Half::Silent | Half::Offline(_)));
            for (a, aaaa) in a.into_iter().zip(aaaa) {
                survey.answers.push(answer(candidate, Question::A, a));
                survey.answers.push(answer(candidate, Question::Aaaa, aaaa));
            }
            // Who does not answer this question will not answer the next one either.
            if is_found || all_silent {
                break;
            }
        }
        survey
    }
}

fn answer(name: &str, question: Question, asked: Asked) -> Answer {
    let Asked { server, took, half, lookup } = asked;
    let outcome = match half {
        Half::Addresses(_) => Outcome::Records(lookup.map(|lookup| records(&lookup)).unwrap_or_default()),
        Half::NameNotFound(_) => Outcome::NameNotFound,
        Half::NoData(_) => Outcome::NoData,
        Half::Failed(why) => Outcome::Failed(why),
        Half::Silent => Outcome::Silent,
        Half::Exhausted(unasked) | Half::Offline(unasked) => Outcome::NotAsked(unasked),
    };
    Answer { resolver: server, name: name.to_owned(), question, took, outcome }
}

fn records(lookup: &Lookup) -> Vec<Record> {
    let of_interest = lookup.answers().iter().filter_map(|record| {
        let data = match &record.data {
            RData::CNAME(target) => Data::Alias(text(&target.0.to_string())),
            other => Data::Address(other.ip_addr()?),
        };
        Some(Record { name: text(&record.name.to_string()), ttl: record.ttl, data })
    });
    of_interest.take(MAX_RECORDS).collect()
}

fn text(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// How long an answer is waited for; a dead resolver must not use up the time of everything else.
const PATIENCE: Duration = Duration::from_secs(3);

/// More records of one answer are of no use to anybody.
const MAX_RECORDS: usize = 80;
