//! How long a client's certificates let it in: a session that is resumed, or a connection that stays open, ends with them.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// How long all of these still hold, for ever where there are none; `None` when one of them has ended, or cannot be read.
pub(super) fn left(certificates: &[CertificateDer<'_>], now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let mut left = FOR_EVER;
    for certificate in certificates {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        // The last second belongs to it (RFC 5280, 4.1.2.5).
        let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?.checked_add(1)?;
        left = left.min(Duration::from_secs(end.checked_sub(now).filter(|left| *left > 0)?));
    }
    Some(left)
}

/// More than a process runs, and less than what a timer takes.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 10);

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn the_certificate_that_ends_first_decides() {
        let ending = |second: i64| {
            let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
            params.not_after = OffsetDateTime::from_unix_timestamp(second).unwrap();
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
        };
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let chain = [ending(2_000_000_000), ending(1_900_000_000)];
        assert_eq!(left(&chain, at(1_899_999_990)), Some(Duration::from_secs(11)));
        assert_eq!(left(&chain, at(1_900_000_000)), Some(Duration::from_secs(1)));
        assert_eq!(left(&chain, at(1_900_000_001)), None);
        assert_eq!(left(&[], at(1_900_000_001)), Some(FOR_EVER));
        assert_eq!(left(&[vec![1, 2, 3].into()], at(0)), None);
    }
}
