//! One thing that was found, and the values that are particular to it: what the texts of the cause table have slots for.

use super::certificate::Certificate;
use super::chain::fingerprint;
use super::{Case, Code, IssueType, Side, Words};
use crate::words::{cut, rfc3339, visible};

/// One thing that was found, with what is particular to this case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<C> {
    pub code: C,
    /// One sentence with the actual names, numbers and times; never the backend's own words unquoted. At most 2 KiB, and
    /// without control characters, whatever stands in a certificate.
    pub detail: String,
    /// For the slots in the code's texts.
    pub facts: Facts,
    /// What the facts make of it, where that is another side's, or asks for other steps, than the code alone.
    pub case: Option<Case>,
}

impl<C> Finding<C> {
    #[must_use]
    pub fn new(code: C, detail: impl Into<String>) -> Self {
        let detail = cut(&visible(&detail.into()), MAX_DETAIL).into_owned();
        Self { code, detail, facts: Facts::default(), case: None }
    }

    #[must_use]
    pub fn with(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// With what the facts make of it.
    #[must_use]
    pub fn in_case(self, case: impl Into<Option<Case>>) -> Self {
        Self { case: case.into(), ..self }
    }

    /// The same, by another type's name for the code.
    #[must_use]
    pub fn into_code<D>(self) -> Finding<D>
    where
        C: Into<D>,
    {
        let Self { code, detail, facts, case } = self;
        Finding { code: code.into(), detail, facts, case }
    }
}

impl<C: Copy + Into<Code>> Finding<C> {
    /// All that is said about it: the case's words, else the code's.
    #[must_use]
    pub fn words(&self) -> &'static Words {
        self.case.map_or_else(|| self.code.into().words(), Case::words)
    }

    /// Who has to act.
    #[must_use]
    pub fn side(&self) -> Side {
        self.words().side
    }

    /// What Azure's connection troubleshoot calls it.
    #[must_use]
    pub fn issue(&self) -> IssueType {
        self.facts.issue.unwrap_or_else(|| self.code.into().issue())
    }
}

/// The most bytes of a detail.
const MAX_DETAIL: usize = 2048;

/// The values of a finding, at most one for each slot. They may come from a certificate or from a backend: bounded, but
/// not made harmless; that is for whoever shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    values: Vec<(Slot, String)>,
    /// Azure's type, where the fault itself says more than its code.
    issue: Option<IssueType>,
}

impl Facts {
    /// The most that is kept of a value.
    const MAX_BYTES: usize = 256;

    /// A value more; one that is known already stays.
    #[must_use]
    pub fn with(mut self, slot: Slot, value: impl Into<String>) -> Self {
        let value: String = value.into();
        if self.get(slot).is_some() || value.is_empty() {
            return self;
        }
        self.values.push((slot, cut(&value, Self::MAX_BYTES).into_owned()));
        self
    }

    /// All of both; where both know a value, this one's.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        let issue = self.issue.or(others.issue);
        others.values.into_iter().fold(Self { issue, ..self }, |facts, (slot, value)| facts.with(slot, value))
    }

    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == slot).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub(super) fn of_issue(issue: Option<IssueType>) -> Self {
        Self { issue, ..Self::default() }
    }

    /// What a certificate says of itself.
    pub(super) fn of(certificate: &Certificate<'_>) -> Self {
        let facts = Self::default()
            .with(Slot::Subject, certificate.known_as())
            .with(Slot::Issuer, certificate.issuer())
            .with(Slot::Serial, certificate.serial())
            .with(Slot::Fingerprint, fingerprint(certificate))
            .with(Slot::NotBefore, rfc3339(certificate.not_before()).to_string())
            .with(Slot::NotAfter, rfc3339(certificate.not_after()).to_string());
        match certificate.issuer_url() {
            Some(url) => facts.with(Slot::IssuerUrl, url),
            None => facts,
        }
    }
}

macro_rules! slots {
    ($(#[doc = $doc:literal] $variant:ident $key:literal $example:literal)+) => {
        /// A value that a text of the cause table has a place for, written `{server}`. The set is closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Slot { $(#[doc = $doc] $variant),+ }

        impl Slot {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As in the texts, without the braces.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),+ }
            }

            /// Of the server that the documentation's steps and commands are written for.
            #[must_use]
            pub fn example(self) -> &'static str {
                match self { $(Self::$variant => $example),+ }
            }
        }
    };
}

slots! {
    /// As written in the pool.
    Server "server" "app.example.com"
    /// The IP address that was probed.
    Address "address" "10.0.0.4"
    /// The port that was probed.
    Port "port" "8443"
    /// Address and port, an IPv6 address in brackets.
    Endpoint "endpoint" "10.0.0.4:8443"
    /// The pool's name.
    Pool "pool" "web"
    /// The backend setting's name.
    Setting "setting" "https-8443"
    /// The Host header.
    Host "host" "app.example.com"
    /// The path of the request.
    Path "path" "/healthz"
    /// What curl is to fetch.
    Url "url" "https://app.example.com:8443/healthz"
    /// What the certificate must be for.
    Name "name" "app.example.com"
    /// The key of our configuration that the name comes from.
    NameSource "name_source" "host of the probe"
    /// openssl's option that sends the name, or sends none.
    Servername "servername" "app.example.com"
    /// openssl's option that checks the name, or the address.
    CheckName "check_name" "app.example.com"
    /// The name, or the address, as openssl's configuration has an alternative name.
    AltName "alt_name" "DNS:app.example.com"
    /// The probe's timeout.
    ProbeTimeout "probe_timeout" "30s"
    /// Of the certificate at fault, as all dates and names that follow.
    Subject "subject" "CN=app.example.com"
    /// Who issued it.
    Issuer "issuer" "CN=Example CA"
    /// Its serial number, in hexadecimal.
    Serial "serial" "5f3a9c01"
    /// Its SHA-256, in hexadecimal.
    Fingerprint "fingerprint" "d1b9f2a37c4e5806d1b9f2a37c4e5806d1b9f2a37c4e5806d1b9f2a37c4e5806"
    /// When it begins.
    NotBefore "not_before" "2026-09-01T00:00:00Z"
    /// When it ends.
    NotAfter "not_after" "2026-12-01T00:00:00Z"
    /// Where it says that its issuer's certificate can be had.
    IssuerUrl "issuer_url" "http://ca.example.com/ca.crt"
    /// What would have been right.
    Expected "expected" "200-399"
    /// What came instead.
    Received "received" "404"
    /// The file of ours that holds the trusted certificate at fault.
    RootFile "root_file" "corp-root.pem"
    /// openssl's option that trusts that file; nothing where the well-known CAs are trusted.
    CaFile "ca_file" "corp-root.pem"
    /// The file of ours that holds the revocation list at fault.
    ListFile "list_file" "corp.crl"
    /// The file of ours that holds the client certificate.
    ClientFile "client_file" "client.pem"
    /// The file of ours that holds its private key.
    ClientKeyFile "client_key_file" "client.key"
    /// Name and number of the TLS alert.
    Alert "alert" "handshake_failure (40)"
}

impl Slot {
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|slot| slot.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::*;

    #[test]
    fn a_detail_is_one_line_of_bounded_length_whatever_it_is_made_of() {
        let check = |detail: &str, shown: &str| assert_eq!(Finding::new((), detail).detail, shown);
        check("CN=ä, \"quoted\" \\ <b>", "CN=ä, \"quoted\" \\ <b>");
        check("two\nlines\r\0\u{1b}[2J", "two\\nlines\\r\\u{0}\\u{1b}[2J");
        check(&"a".repeat(2048), &"a".repeat(2048));
        check(&"a".repeat(2049), &format!("{}…", "a".repeat(2045)));
        // Neither a character nor the bound is cut through.
        check(&"ä".repeat(60_000), &format!("{}…", "ä".repeat(1022)));
        check(&"\n".repeat(2000), &format!("{}\\…", "\\n".repeat(1022)));
    }

    #[test]
    fn values_are_bounded_and_the_first_one_stays() {
        let facts = Facts::default().with(Slot::Subject, "ü".repeat(300)).with(Slot::Subject, "later");
        let subject = facts.get(Slot::Subject).expect("it is there");
        assert_eq!(subject, format!("{}…", "ü".repeat(126)), "at most 256 bytes");
        assert_eq!(facts.get(Slot::Issuer), None);
        assert_eq!(Facts::default().with(Slot::Issuer, "").get(Slot::Issuer), None, "nothing is no value");
    }

    /// A certificate whose authority information access names `url` under the last arc of the method.
    fn certificate_with_access(method: u8, url: &str) -> CertificateDer<'static> {
        let mut access = vec![0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method, 0x86];
        access.push(u8::try_from(url.len()).expect("short"));
        access.extend_from_slice(url.as_bytes());
        let sequence = |content: Vec<u8>| {
            let length = u8::try_from(content.len()).expect("short");
            [vec![0x30, length], content].concat()
        };
        let content = sequence(sequence(access));
        let mut parameters = rcgen::CertificateParams::new(vec!["app.example.com".to_owned()]).expect("a good name");
        parameters.custom_extensions =
            vec![rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)];
        let key = rcgen::KeyPair::generate().expect("a key");
        parameters.self_signed(&key).expect("a certificate").der().clone()
    }

    #[test]
    fn the_issuers_web_address_is_taken_when_it_is_nothing_else() {
        fn check(method: u8, url: &str, expected: Option<&str>) {
            let der = certificate_with_access(method, url);
            let certificate = Certificate::read(&der).expect("it is readable");
            assert_eq!(Facts::of(&certificate).get(Slot::IssuerUrl), expected, "{url}");
        }
        check(2, "http://ca.example.com/issuing.der", Some("http://ca.example.com/issuing.der"));
        check(2, "https://ca.example.com/a?b=c", Some("https://ca.example.com/a?b=c"));
        check(1, "http://ocsp.example.com/", None);
        check(2, "ldap:///CN=Issuing CA", None);
        check(2, "http://ca.example.com/$(reboot)", None);
        check(2, "http://ca.example.com/`id`", None);
        check(2, "http://ca.example.com/\n", None);
    }

    #[test]
    fn a_certificate_without_a_subject_goes_by_its_name() {
        let mut parameters = rcgen::CertificateParams::new(vec!["app.example.com".to_owned()]).expect("a good name");
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        let key = rcgen::KeyPair::generate().expect("a key");
        let der = parameters.self_signed(&key).expect("a certificate").der().clone();
        let certificate = Certificate::read(&der).expect("it is readable");
        assert_eq!(Facts::of(&certificate).get(Slot::Subject), Some("app.example.com (with an empty subject)"));
        assert_eq!(certificate.described(true), "the certificate of app.example.com");
    }

    #[test]
    fn every_slot_is_found_by_its_key() {
        for slot in Slot::ALL {
            assert_eq!(Slot::parse(slot.key()), Some(*slot));
            assert!(!slot.example().is_empty(), "{slot:?}");
        }
        assert_eq!(Slot::parse("SERVER"), None);
    }
}
