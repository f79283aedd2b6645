//! Which parts of the picture each cause and notice marks, and with which words: what its row in the table says, else what
//! follows from its stage and side.
//!
//! What our settings have to change is marked in the gateway's block, what the server has to change in the server's, what
//! is on the way on the line, and this host's own trouble at "This host". Where the evidence is in a certificate, that
//! certificate is marked, too. A failed probe marks its step on the line as well, because that is where it shows.

use crate::verdict::{Cause, Code, Notice, Side, Stage, Words};
pub(super) use crate::verdict::{Place, Saying};

/// Where a code is marked; the first place is that of the side that has to act, or the line.
pub(super) fn of(code: Code) -> Vec<(Place, Saying)> {
    let words = code.words();
    let mut places = words.marks.to_vec();
    if places.is_empty() {
        places.extend(usual(code, words).map(|place| (place, Saying::Title)));
    }
    let is_on_the_line = matches!(code, Code::Cause(_)) && words.stage != Stage::Local;
    if is_on_the_line && places.iter().all(|(place, _)| *place != Place::Line) {
        let not_accepted = Saying::Words("certificate not accepted");
        places.push((Place::Line, if code.is_about_certificates() { not_accepted } else { Saying::Title }));
    }
    places
}

/// `None`: on the line alone.
fn usual(code: Code, words: &Words) -> Option<Place> {
    Some(match (words.side, words.stage) {
        (Side::Exporter, _) | (_, Stage::Local) => Place::ThisHost,
        (Side::Network, stage) => match (code, stage) {
            (Code::Notice(_), Stage::Dns) => Place::Lookup,
            (Code::Notice(_), _) => Place::Connection,
            (Code::Cause(_), _) => return None,
        },
        (Side::Gateway | Side::Server, Stage::Dns) => Place::ServerName,
        (Side::Gateway, _) if code.is_about_certificates() => Place::Trust,
        (Side::Gateway, Stage::Tcp | Stage::Tls | Stage::Http) => Place::Protocol,
        (Side::Server, Stage::Tcp) => Place::Listener,
        (Side::Server, Stage::Tls) if code.is_about_certificates() => Place::Certificate,
        (Side::Server, Stage::Tls) => Place::Tls,
        (Side::Server, Stage::Http) => Place::Response,
    })
}

/// The cause or notice with this code.
#[must_use]
pub fn parse(code: &str) -> Option<Code> {
    let cause = Cause::ALL.iter().find(|cause| cause.code() == code).map(|cause| Code::Cause(*cause));
    cause.or_else(|| Notice::ALL.iter().find(|notice| notice.words().code == code).map(|notice| Code::Notice(*notice)))
}
