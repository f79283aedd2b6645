//! Revocation lists from files, in the order in which they count.

use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::oid_registry::OID_X509_EXT_CRL_NUMBER;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::UnusableMaterial;
use super::clock::seconds;

/// A revocation list, and until when its issuer promised that it would be the newest.
pub(super) struct RevocationList {
    pub(super) list: CertRevocationList<'static>,
    /// Its place among the lists as they were given.
    pub(super) place: usize,
    issued: u64,
    next_update: Option<u64>,
}

impl RevocationList {
    pub(super) fn read(place: usize, der: &CertificateRevocationListDer<'_>) -> Result<Self, UnusableMaterial> {
        let list = OwnedCertRevocationList::from_der(der).map(CertRevocationList::from).map_err(unusable)?;
        let Ok((_, read)) = CertificateRevocationList::from_der(der) else {
            return Err(unusable(webpki::Error::BadDer));
        };
        // RFC 5280, section 5.2.3; webpki does not insist on it.
        match read.extensions().iter().find(|extension| extension.oid == OID_X509_EXT_CRL_NUMBER) {
            Some(number) if !number.critical => {}
            Some(_) => {
                return Err(UnusableMaterial("the number of this revocation list is marked critical".to_owned()));
            }
            None => return Err(UnusableMaterial("this revocation list has no number (CRL Number)".to_owned())),
        }
        Ok(Self { list, place, issued: seconds(read.last_update()), next_update: read.next_update().map(seconds) })
    }

    /// The newest first: webpki asks the first one of each issuer, and an old file left beside a new one must not hide
    /// what was revoked since.
    pub(super) fn newest_first(mut lists: Vec<Self>) -> Vec<Self> {
        lists.sort_by_key(|list| std::cmp::Reverse(list.issued));
        lists
    }

    /// When a newer list should be there, at the latest.
    pub(super) fn due(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(self.next_update?))
    }

    /// Since when a newer list should be there.
    pub(super) fn stale_since(&self, at: SystemTime) -> Option<SystemTime> {
        self.due().filter(|due| *due < at)
    }
}

fn unusable(error: webpki::Error) -> UnusableMaterial {
    UnusableMaterial(match error {
        webpki::Error::UnsupportedCrlVersion => {
            "this is a revocation list of version 1; only version 2 is supported".to_owned()
        }
        webpki::Error::UnsupportedDeltaCrl => {
            "this is a delta revocation list; only complete ones are supported".to_owned()
        }
        webpki::Error::UnsupportedIndirectCrl => {
            "this is an indirect revocation list; only lists by the certificates' own issuer are supported".to_owned()
        }
        error => format!("this is not a usable X.509 revocation list ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};

    use super::*;

    fn list(this_year: i32) -> CertificateRevocationListDer<'static> {
        let mut issuer = rcgen::CertificateParams::default();
        issuer.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key pair");
        CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(this_year, 1, 1),
            next_update: rcgen::date_time_ymd(this_year + 1, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&Issuer::new(issuer, key))
        .expect("a revocation list")
        .into()
    }

    #[test]
    fn the_newest_list_comes_first_and_is_stale_after_its_next_update() {
        let lists = [2024, 2026, 2025].map(|year| RevocationList::read(0, &list(year)).expect("usable"));
        let sorted = RevocationList::newest_first(lists.into());
        let year = |year: i32| {
            let seconds = rcgen::date_time_ymd(year, 1, 1).unix_timestamp().unsigned_abs();
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        };
        let due: Vec<_> = sorted.iter().map(|list| list.stale_since(year(2040))).collect();
        assert_eq!(due, [2027, 2026, 2025].map(|due| Some(year(due))));
        assert_eq!(sorted[0].stale_since(year(2027)), None);
    }

    #[test]
    fn a_list_without_a_number_is_refused() {
        let mut list = list(2026).to_vec();
        let number = [0x06, 3, 0x55, 0x1d, 0x14];
        let place = list.windows(number.len()).position(|window| window == number).expect("rcgen numbers its lists");
        list[place + 4] = 0x63;
        let refused = RevocationList::read(0, &list.into()).err();
        assert_eq!(refused, Some(UnusableMaterial("this revocation list has no number (CRL Number)".to_owned())));
    }
}
