//! Reads what a server answers to a ClientHello, as far as it is in clear (RFC 5246, section 7.4; RFC 8446, section 4).
//!
//! Every byte is the server's: nothing is indexed that was not measured, and what cannot be read ends the reading.

use rustls::pki_types::CertificateDer;

use crate::probe::alert_in_clear;

/// A server's first flight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    pub hello: Option<Hello>,
    /// DER, in the order sent.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The group of the server's key exchange, IANA's number.
    pub key_exchange_group: Option<u16>,
    pub client_certificate_requested: bool,
    /// The number of an alert, when one came.
    pub alert: Option<u8>,
    /// Nothing more is to come, or nothing more can be read.
    pub is_over: bool,
}

/// What a server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// `0x0301` is TLS 1.0, `0x0304` TLS 1.3.
    pub version: u16,
    /// IANA's number.
    pub suite: u16,
    /// Of a HelloRetryRequest: the group that it wants.
    pub group: Option<u16>,
}

/// A HelloRetryRequest is a ServerHello with this random (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

const TLS13: u16 = 0x0304;

/// Certificates of one flight that are kept.
const MAX_CERTIFICATES: usize = 100;

/// Reads all that can be read of `bytes`, from the first one that the server sent.
#[must_use]
pub fn read(bytes: &[u8]) -> Flight {
    let mut flight = Flight::default();
    let mut messages = Vec::new();
    let mut records = Reader(bytes);
    while let Some((kind, fragment)) = records.record() {
        match kind {
            ALERT => {
                flight.alert = fragment.get(1).copied();
                flight.is_over = true;
                break;
            }
            HANDSHAKE => messages.extend_from_slice(fragment),
            // After its ServerHello a server of TLS 1.3 goes on encrypted.
            _ => {
                flight.is_over = true;
                break;
            }
        }
    }
    if records.0.first().is_some_and(|kind| !(20..=23).contains(kind)) {
        flight.is_over = true;
    }
    let mut messages = Reader(&messages);
    while let Some((kind, body)) = messages.message() {
        flight.take(kind, body);
    }
    flight
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

impl Flight {
    fn take(&mut self, kind: u8, body: &[u8]) {
        match kind {
            2 if self.hello.is_none() => {
                self.hello = hello(body);
                self.is_over |= self.hello.is_none_or(|hello| hello.version == TLS13);
            }
            11 => self.certificates = certificates(body),
            // ECDHE: a named curve (RFC 8422, section 5.4).
            12 => {
                if let [3, high, low, ..] = body {
                    self.key_exchange_group = Some(u16::from_be_bytes([*high, *low]));
                }
            }
            13 => self.client_certificate_requested = true,
            14 => self.is_over = true,
            _ => {}
        }
    }
}

fn hello(body: &[u8]) -> Option<Hello> {
    let mut reader = Reader(body);
    let mut version = reader.number()?;
    let is_retry = reader.take(32)? == RETRY;
    let session = usize::from(reader.byte()?);
    reader.take(session)?;
    let suite = reader.number()?;
    reader.byte()?;
    let mut group = None;
    // A server before TLS 1.3 may end here, without extensions.
    if let Some(extensions) = reader.counted() {
        let mut extensions = Reader(extensions);
        while let (Some(kind), Some(body)) = (extensions.number(), extensions.counted()) {
            match (kind, body) {
                (43, [high, low]) => version = u16::from_be_bytes([*high, *low]),
                (51, [high, low, ..]) if is_retry => group = Some(u16::from_be_bytes([*high, *low])),
                _ => {}
            }
        }
    }
    Some(Hello { version, suite, group })
}

fn certificates(body: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut list = Reader(body);
    let mut found = Vec::new();
    let Some(mut list) = list.counted_in_three().map(Reader) else { return found };
    while let Some(certificate) = list.counted_in_three() {
        if found.len() == MAX_CERTIFICATES {
            break;
        }
        found.push(CertificateDer::from(certificate.to_vec()));
    }
    found
}

/// Takes bytes off the front, or nothing when there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|taken| u16::from_be_bytes([taken[0], taken[1]]))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(usize::from(count))
    }

    fn counted_in_three(&mut self) -> Option<&'a [u8]> {
        let count = self.take(3)?;
        self.take(usize::from(count[0]) << 16 | usize::from(count[1]) << 8 | usize::from(count[2]))
    }

    /// A whole record: its type and content. What is no TLS or not whole stays.
    fn record(&mut self) -> Option<(u8, &'a [u8])> {
        let (kind @ 20..=23, true) =
            (self.0.first()?, matches!(self.0, [_, 3, _, ..]) || alert_in_clear(self.0).is_some())
        else {
            return None;
        };
        let mut ahead = Reader(&self.0[3..]);
        let fragment = ahead.counted()?;
        self.0 = ahead.0;
        Some((*kind, fragment))
    }

    /// A whole handshake message: its type and body.
    fn message(&mut self) -> Option<(u8, &'a [u8])> {
        let kind = self.byte()?;
        Some((kind, self.counted_in_three()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3], &length[..], content].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn server_hello(version: [u8; 2], random: [u8; 32], suite: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = [&version[..], &random, &[0], &suite.to_be_bytes(), &[0]].concat();
        if !extensions.is_empty() {
            body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
            body.extend(extensions);
        }
        message(2, &body)
    }

    #[test]
    fn an_old_server_shows_version_suite_group_and_chain() {
        let chain = message(11, &[0, 0, 9, 0, 0, 1, 7, 0, 0, 2, 8, 9]);
        let messages =
            [server_hello([3, 1], [5; 32], 0xc013, &[]), chain, message(12, &[3, 0, 25, 0]), message(14, &[])].concat();
        let expected = Flight {
            hello: Some(Hello { version: 0x0301, suite: 0xc013, group: None }),
            certificates: vec![CertificateDer::from(vec![7]), CertificateDer::from(vec![8, 9])],
            key_exchange_group: Some(25),
            client_certificate_requested: false,
            alert: None,
            is_over: true,
        };
        assert_eq!(read(&record(22, &messages)), expected);
        // However the records cut the messages.
        for at in 1..messages.len() {
            let cut = [record(22, &messages[..at]), record(22, &messages[at..])].concat();
            assert_eq!(read(&cut), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_retry_request_names_the_group_that_a_tls_1_3_server_wants() {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 25];
        let flight = read(&record(22, &server_hello([3, 3], RETRY, 0x1302, &extensions)));
        assert_eq!(flight.hello, Some(Hello { version: TLS13, suite: 0x1302, group: Some(25) }));
        assert!(flight.is_over);
    }

    #[test]
    fn an_alert_and_what_is_no_tls_end_the_reading() {
        let flight = read(&record(21, &[2, 70]));
        assert_eq!((flight.alert, flight.is_over), (Some(70), true));
        assert!(read(b"SSH-2.0-OpenSSH").is_over);
        assert!(!read(&[22, 3, 3, 0, 90, 2]).is_over, "the rest may still come");
        assert!(!read(b"").is_over);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let flight = read(&bytes);
            prop_assert!(flight.certificates.len() <= MAX_CERTIFICATES);
            // The same bytes inside of records reach the messages.
            let _ = read(&record(22, &bytes));
            let _ = read(&record(22, &message(2, &bytes)));
            let _ = read(&record(22, &message(11, &bytes)));
        }

        #[test]
        fn more_bytes_never_unsay_what_was_read(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..200) {
            let whole = [record(22, &server_hello([3, 1], [5; 32], 0xc013, &[])), record(22, &bytes)].concat();
            let part = read(&whole[..at.min(whole.len())]);
            if part.hello.is_some() {
                prop_assert_eq!(part.hello, read(&whole).hello);
            }
        }
    }
}
