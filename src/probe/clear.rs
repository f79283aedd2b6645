//! What the first bytes of an answer are, read in clear.

/// The content type of an alert record (RFC 8446, section 5.1).
pub(super) const ALERT: u8 = 21;

/// The number of the alert that the first bytes are, whatever version its record has.
#[must_use]
pub(crate) fn alert_in_clear(first: &[u8]) -> Option<u8> {
    match first {
        [ALERT, _, _, 0, 2, 1 | 2, alert, ..] => Some(*alert),
        _ => None,
    }
}

/// Whether the first bytes are the head of a TLS record: a known content type and a version 3.x; an alert may have any.
#[must_use]
pub(crate) fn looks_like_tls(first: &[u8]) -> bool {
    match first {
        _ if alert_in_clear(first).is_some() => true,
        [] => true,
        [kind] => (20..=23).contains(kind),
        [kind, major, ..] => (20..=23).contains(kind) && *major == 3,
    }
}
