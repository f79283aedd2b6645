//! The wall clock that probes are dated and certificates are judged by: the host's, or one that a test sets.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

/// A source of the time of day.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The host's clock.
    #[must_use]
    pub fn of_the_host() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that stands still.
    #[must_use]
    pub fn fixed(at: SystemTime) -> Self {
        Self(Arc::new(move || at))
    }

    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.now()))
    }
}

/// In the whole seconds that certificates have; 1970 for what is before it.
pub(super) fn unix_time(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn system_time(at: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.as_secs())).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The first and the last moment at which a certificate is valid.
pub(super) type Dates = (UnixTime, UnixTime);

pub(super) fn dates(certificate: &X509Certificate<'_>) -> Dates {
    let at = |time: ASN1Time| UnixTime::since_unix_epoch(Duration::from_secs(seconds(time)));
    (at(certificate.validity().not_before), at(certificate.validity().not_after))
}

/// Until when, from `now` on, none of these dates begins or ends; `None`: for ever.
pub(super) fn unchanged_until(dates: impl Iterator<Item = Dates>, now: UnixTime) -> Option<UnixTime> {
    let next = |(not_before, not_after): Dates| {
        let before_it_begins = UnixTime::since_unix_epoch(Duration::from_secs(not_before.as_secs().saturating_sub(1)));
        [before_it_begins, not_after].into_iter().filter(|moment| *moment >= now).min()
    };
    dates.filter_map(next).min()
}

/// Since 1970; none before.
pub(super) fn seconds(time: ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}
