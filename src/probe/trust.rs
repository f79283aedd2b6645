//! Trust material: what a presented chain must lead to, and the certificate that we show to servers that ask for one.
//!
//! Files are not for this module: it is handed DER and says what cannot be used, and why.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{
    CertRevocationList, EndEntityCert, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::KeyUsage as KeyUsageBits;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::UnusableMaterial;
use super::clock::{Dates, dates, system_time, unchanged_until, unix_time};
use super::revocation::RevocationList;
use super::search::searchable;
use crate::words::{hex, sha256_of_parts};

/// What a certificate chain must lead to, and what was revoked. Two of them are equal when their content is, whatever
/// the names of the files that it came from, and however often or in which order they stood there.
pub struct Trust {
    mode: TrustMode,
    roots: Vec<CertificateDer<'static>>,
    /// The file that each root stands in, in the same order; none where they come from no file of the settings.
    files: Vec<Arc<str>>,
    /// Of each root, in the same order.
    dates: Vec<Dates>,
    anchors: Vec<TrustAnchor<'static>>,
    /// Of each anchor, in the same order.
    sources: Vec<Source>,
    /// The roots that may not issue certificates: index and subject.
    powerless: Vec<(usize, Vec<u8>)>,
    revocation_lists: Vec<RevocationList>,
    /// The file that each list stands in, in the order in which they were given; likewise none.
    list_files: Vec<Arc<str>>,
    digest: [u8; 32],
}

/// Where an anchor came from, and when it counts.
struct Source {
    /// Its index among the roots.
    root: usize,
    dates: Dates,
    /// Its key usage, if it has one, lets it sign revocation lists.
    signs_lists: bool,
}

/// The path that webpki accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPath {
    /// Positions in the chain as sent, from the server's own certificate up.
    pub links: Vec<usize>,
    /// The trusted certificate at its end: its index among [`Trust::roots`].
    pub root: usize,
}

/// Where trust comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustMode {
    /// The host's store of well-known CAs, or the bundled one.
    WellKnown,
    /// The setting's `trusted_root_certificates`.
    Configured,
}

impl Trust {
    /// Trust in `roots` (each one DER certificate), less what `revocation_lists` (each one DER CRL) revoke.
    ///
    /// # Errors
    /// When a certificate or a list cannot be read; says why.
    pub fn new(
        mode: TrustMode,
        roots: Vec<CertificateDer<'static>>,
        revocation_lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, UnusableMaterial> {
        let mut anchors = Vec::with_capacity(roots.len());
        let mut sources = Vec::with_capacity(roots.len());
        let mut powerless = Vec::new();
        let mut all_dates = Vec::with_capacity(roots.len());
        for (index, root) in roots.iter().enumerate() {
            let (read, anchor) = anchor_of(root)?;
            all_dates.push(dates(&read));
            if let Some(anchor) = anchor {
                let signs_lists = has_usage(&read, KeyUsageBits::crl_sign);
                anchors.push(anchor);
                sources.push(Source { root: index, dates: dates(&read), signs_lists });
            } else {
                powerless.push((index, read.subject().as_raw().to_vec()));
            }
        }
        let digest = content_digest(mode, &roots, &revocation_lists);
        let lists = revocation_lists.into_iter().enumerate().map(|(place, list)| RevocationList::read(place, &list));
        let lists = lists.collect::<Result<_, _>>()?;
        let revocation_lists = RevocationList::newest_first(lists);
        Ok(Self {
            mode,
            roots,
            files: Vec::new(),
            dates: all_dates,
            anchors,
            sources,
            powerless,
            revocation_lists,
            list_files: Vec::new(),
            digest,
        })
    }

    /// The same, with the name of the file that each root stands in, as the settings write it.
    #[must_use]
    pub fn named(self, files: Vec<Arc<str>>) -> Self {
        Self { files, ..self }
    }

    /// The same for the files of the revocation lists.
    #[must_use]
    pub fn with_list_files(self, list_files: Vec<Arc<str>>) -> Self {
        Self { list_files, ..self }
    }

    /// The file of the newest revocation list that `is_it`.
    pub fn list_file(&self, is_it: impl Fn(&CertRevocationList<'static>) -> bool) -> Option<&str> {
        let list = self.revocation_lists.iter().find(|list| is_it(&list.list))?;
        self.list_files.get(list.place).map(AsRef::as_ref)
    }

    /// The file that a root stands in, by its index.
    #[must_use]
    pub fn file(&self, root: usize) -> Option<&str> {
        self.files.get(root).map(AsRef::as_ref)
    }

    /// Whether [`Trust::new`] would take `certificate`.
    ///
    /// # Errors
    /// When it cannot be read; says why.
    pub fn check_root(certificate: &CertificateDer<'_>) -> Result<(), UnusableMaterial> {
        anchor_of(certificate).map(|_| ())
    }

    /// Whether [`Trust::new`] would take `list`.
    ///
    /// # Errors
    /// When it cannot be read; says why.
    pub fn check_revocation_list(list: &CertificateRevocationListDer<'_>) -> Result<(), UnusableMaterial> {
        RevocationList::read(0, list).map(|_| ())
    }

    #[must_use]
    pub fn mode(&self) -> TrustMode {
        self.mode
    }

    /// Every trusted certificate, DER, in the order given. A server's own certificate that is byte-equal to one of
    /// these is its own anchor.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The first and the last moment at which one of the roots is valid, by its index.
    #[must_use]
    pub fn root_dates(&self, root: usize) -> Option<(SystemTime, SystemTime)> {
        self.dates.get(root).map(|(not_before, not_after)| (system_time(*not_before), system_time(*not_after)))
    }

    /// Those of the roots that may issue certificates. A server's certificate that was configured is none of them:
    /// its key must not be able to vouch for other names.
    #[must_use]
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The anchors that are within their dates at `now`: a root outside them breaks the paths through it, which webpki
    /// leaves to its caller.
    #[must_use]
    pub fn anchors_at(&self, now: UnixTime) -> Cow<'_, [TrustAnchor<'static>]> {
        if self.sources.iter().all(|source| source.holds(now)) {
            return Cow::Borrowed(&self.anchors);
        }
        let valid = self.anchors.iter().zip(&self.sources).filter(|(_, source)| source.holds(now));
        Cow::Owned(valid.map(|(anchor, _)| anchor.clone()).collect())
    }

    /// Until when, from `at` on, the anchors stay the same; `None`: for ever.
    #[must_use]
    pub fn anchors_unchanged_until(&self, at: SystemTime) -> Option<SystemTime> {
        let dates = self.sources.iter().map(|source| source.dates);
        unchanged_until(dates, unix_time(at)).map(system_time)
    }

    /// The trusted certificates with this subject (DER, with its tag): the index of each among the roots, and whether it
    /// may issue certificates.
    pub fn roots_named(&self, subject: &[u8]) -> impl Iterator<Item = (usize, bool)> {
        self.anchors
            .iter()
            .zip(&self.sources)
            // An anchor's subject stands there without its tag and length.
            .filter(move |(anchor, _)| content(subject) == Some(&*anchor.subject))
            .map(|(_, source)| (source.root, true))
            .chain(self.powerless.iter().filter(move |(_, name)| name == subject).map(|(root, _)| (*root, false)))
    }

    /// webpki's verdict on the path from `leaf` through `intermediates` to an anchor, at `now`: signatures, dates, usage,
    /// constraints and revocation, but not the name. The work is bounded, whatever was sent.
    ///
    /// # Errors
    /// The first fault in webpki's own order.
    pub fn verify_path(
        &self,
        leaf: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<AcceptedPath, webpki::Error> {
        let searchable = searchable(leaf, intermediates, now)?;
        let lists: Vec<&CertRevocationList<'_>> = self.revocation_lists.iter().map(|list| &list.list).collect();
        // A list speaks of its own issuer's certificates only: those of others have no status, which is no fault.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
            builder.with_depth(RevocationCheckDepth::Chain).with_status_policy(UnknownStatusPolicy::Allow).build()
        });
        let anchors = self.anchors_at(now);
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let path =
            leaf.verify_for_usage(algorithms, &anchors, &searchable, now, KeyUsage::server_auth(), revocation, None)?;
        let position = |der: &CertificateDer<'_>| intermediates.iter().position(|sent| sent == der);
        let above = path.intermediate_certificates().filter_map(|issuer| Some(position(&issuer.der())? + 1));
        let links = std::iter::once(0).chain(above).collect();
        let source = self.anchors.iter().zip(&self.sources);
        let mut source = source.filter(|(anchor, source)| *anchor == path.anchor() && source.holds(now));
        let Some((anchor, source)) = source.next() else { return Err(webpki::Error::UnknownIssuer) };
        // webpki asks this of intermediates, but knows no more than name and key of an anchor.
        if !source.signs_lists && lists.iter().any(|list| list.issuer() == &*anchor.subject) {
            return Err(webpki::Error::IssuerNotCrlSigner);
        }
        Ok(AcceptedPath { links, root: source.root })
    }

    /// Empty: revocation is not checked.
    #[must_use]
    pub fn revocation_lists(&self) -> impl ExactSizeIterator<Item = &CertRevocationList<'static>> {
        self.revocation_lists.iter().map(|list| &list.list)
    }

    /// The lists for which a newer one should be there at `at`, and since when.
    pub fn stale_revocation_lists(
        &self,
        at: SystemTime,
    ) -> impl Iterator<Item = (&CertRevocationList<'static>, SystemTime)> {
        self.revocation_lists.iter().filter_map(move |list| Some((&list.list, list.stale_since(at)?)))
    }

    /// Until when, from `at` on, no further list becomes stale; `None`: for ever.
    #[must_use]
    pub fn lists_unchanged_until(&self, at: SystemTime) -> Option<SystemTime> {
        self.revocation_lists.iter().filter_map(RevocationList::due).filter(|due| *due >= at).min()
    }

    /// SHA-256 over mode, roots and lists.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mode,
            roots,
            files: _,
            dates: _,
            anchors,
            sources: _,
            powerless: _,
            revocation_lists,
            list_files: _,
            digest,
        } = self;
        f.debug_struct("Trust")
            .field("mode", mode)
            .field("roots", &roots.len())
            .field("anchors", &anchors.len())
            .field("revocation_lists", &revocation_lists.len())
            .field("digest", &hex(digest))
            .finish()
    }
}

/// The certificate that we show to servers that ask for one, with its key. Equal when the certificates are: the key
/// belongs to the first of them, so it cannot differ.
#[derive(Clone)]
pub struct ClientCertificate {
    certified_key: Arc<CertifiedKey>,
    /// The names of the files that certificate and key came from.
    files: Option<[Arc<str>; 2]>,
    digest: [u8; 32],
}

impl ClientCertificate {
    /// `chain`: our own certificate first, then its issuers.
    ///
    /// # Errors
    /// When the key cannot be used or does not belong to the first certificate.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, UnusableMaterial> {
        let digest = sha256_of_parts(chain.iter().map(AsRef::as_ref));
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(certified_key) => Ok(Self { certified_key: Arc::new(certified_key), files: None, digest }),
            Err(rustls::Error::NoCertificatesPresented) => {
                Err(UnusableMaterial("there is no certificate for the private key".to_owned()))
            }
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(UnusableMaterial("the private key does not belong to the first certificate".to_owned()))
            }
            Err(rustls::Error::InvalidCertificate(_)) => {
                Err(UnusableMaterial("the first certificate is not a readable X.509 certificate".to_owned()))
            }
            // What is left is the provider's refusal of the key. Its words are not passed on, so that nothing of the
            // key can be.
            Err(_) => Err(UnusableMaterial(
                "the private key cannot be used; RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) and Ed25519 can"
                    .to_owned(),
            )),
        }
    }

    /// The same, with the names of the files that the certificate and its key stand in, as the settings write them.
    #[must_use]
    pub fn named(self, certificate: &str, private_key: &str) -> Self {
        Self { files: Some([certificate.into(), private_key.into()]), ..self }
    }

    /// The names of the files of the certificate and of its key.
    #[must_use]
    pub fn files(&self) -> Option<[&str; 2]> {
        self.files.as_ref().map(|[certificate, private_key]| [&**certificate, &**private_key])
    }

    #[must_use]
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified_key
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ClientCertificate {}

/// Never shows anything of the key.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("digest", &hex(&self.digest)).finish_non_exhaustive()
    }
}

/// The certificate, read, and the anchor that it makes; `None` when it issues nothing.
fn anchor_of<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<(X509Certificate<'a>, Option<TrustAnchor<'static>>), UnusableMaterial> {
    let Some((_, read)) = X509Certificate::from_der(certificate).ok().filter(|(rest, _)| rest.is_empty()) else {
        return Err(UnusableMaterial("this is not a readable X.509 certificate".to_owned()));
    };
    let anchor = webpki::anchor_from_trusted_cert(certificate).ok().filter(|_| may_issue(&read));
    Ok((read, anchor.map(|anchor| anchor.to_owned())))
}

impl Source {
    fn holds(&self, now: UnixTime) -> bool {
        let (not_before, not_after) = self.dates;
        not_before <= now && now <= not_after
    }
}

/// Whether a certificate may sign others (RFC 5280, sections 4.2.1.3 and 4.2.1.9). Version 1 has no extensions to say
/// so; it is only a trusted certificate that this is asked of.
fn may_issue(certificate: &X509Certificate<'_>) -> bool {
    let is_ca = certificate.version() == X509Version::V1 || certificate.is_ca();
    is_ca && has_usage(certificate, KeyUsageBits::key_cert_sign)
}

/// A certificate without key usage is for everything.
fn has_usage(certificate: &X509Certificate<'_>, usage: fn(&KeyUsageBits) -> bool) -> bool {
    certificate.key_usage().is_ok_and(|found| found.is_none_or(|found| usage(found.value)))
}

/// What is within the outermost tag and length of `der`.
fn content(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, any)| any.data)
}

/// Mode, roots and lists as sets: order and repetition do not change what is trusted.
fn content_digest(
    mode: TrustMode,
    roots: &[CertificateDer<'_>],
    revocation_lists: &[CertificateRevocationListDer<'_>],
) -> [u8; 32] {
    let as_set = |parts: Vec<&[u8]>| {
        let mut digests: Vec<[u8; 32]> = parts.into_iter().map(|part| sha256_of_parts([part])).collect();
        digests.sort_unstable();
        digests.dedup();
        sha256_of_parts(digests.iter().map(<[u8; 32]>::as_slice))
    };
    let mode: &[u8] = match mode {
        TrustMode::WellKnown => b"well_known",
        TrustMode::Configured => b"configured",
    };
    let roots = as_set(roots.iter().map(AsRef::as_ref).collect());
    let lists = as_set(revocation_lists.iter().map(AsRef::as_ref).collect());
    sha256_of_parts([mode, &roots, &lists])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod,
        KeyPair, KeyUsagePurpose, SerialNumber,
    };

    use super::*;

    fn key() -> KeyPair {
        KeyPair::generate().expect("a key pair")
    }

    fn parameters() -> CertificateParams {
        CertificateParams::new(vec!["app.example.com".to_owned()]).expect("parameters")
    }

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        CertifiedIssuer::self_signed(parameters, key()).expect("an authority")
    }

    fn self_signed_leaf() -> CertificateDer<'static> {
        parameters().self_signed(&key()).expect("a certificate").into()
    }

    fn revocation_list(
        issuer: &CertifiedIssuer<'static, KeyPair>,
        number: u64,
    ) -> CertificateRevocationListDer<'static> {
        CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 1, 1),
            next_update: rcgen::date_time_ymd(2046, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(issuer)
        .expect("a revocation list")
        .into()
    }

    fn private_key(key: &KeyPair) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8")
    }

    #[test]
    fn equal_content_is_equal_trust_whatever_its_order() {
        let (one, two) = (authority(), authority());
        let (one_der, two_der) = (one.der().clone(), two.der().clone());
        let trust = |mode, roots: &[&CertificateDer<'static>], lists: Vec<CertificateRevocationListDer<'static>>| {
            Trust::new(mode, roots.iter().map(|root| (*root).clone()).collect(), lists).expect("usable")
        };
        let configured = |roots: &[&CertificateDer<'static>]| trust(TrustMode::Configured, roots, Vec::new());
        let both = configured(&[&one_der, &two_der]);
        assert_eq!(both, configured(&[&two_der, &one_der]));
        assert_eq!(both, configured(&[&one_der, &two_der, &one_der]));
        assert_ne!(both, configured(&[&one_der]));
        assert_ne!(configured(&[&one_der]), configured(&[&two_der]));
        assert_ne!(configured(&[&one_der]), trust(TrustMode::WellKnown, &[&one_der], Vec::new()));
        let list = revocation_list(&one, 1);
        let with_list = trust(TrustMode::Configured, &[&one_der], vec![list.clone()]);
        assert_ne!(with_list, configured(&[&one_der]));
        assert_eq!(with_list, trust(TrustMode::Configured, &[&one_der], vec![list.clone(), list]));
        assert_ne!(with_list, trust(TrustMode::Configured, &[&one_der], vec![revocation_list(&one, 2)]));
        assert_eq!(with_list.revocation_lists().len(), 1);
    }

    #[test]
    fn only_certificates_that_may_issue_become_anchors() {
        let leaf = self_signed_leaf();
        let authority = authority();
        let trust = Trust::new(TrustMode::Configured, vec![leaf.clone(), authority.der().clone()], Vec::new())
            .expect("both are readable");
        assert_eq!(trust.roots(), [leaf, authority.der().clone()]);
        assert_eq!(trust.mode(), TrustMode::Configured);
        let named = |certificate: &CertificateDer<'_>| {
            let (_, read) = X509Certificate::from_der(certificate).expect("readable");
            trust.roots_named(read.subject().as_raw()).collect::<Vec<_>>()
        };
        // Both have rcgen's usual name.
        assert_eq!(named(authority.der()), [(1, true), (0, false)]);
        // Neither the key usage nor the CA flag alone is enough.
        for (is_ca, usage) in [
            (IsCa::NoCa, KeyUsagePurpose::KeyCertSign),
            (IsCa::Ca(BasicConstraints::Unconstrained), KeyUsagePurpose::CrlSign),
        ] {
            let mut parameters = CertificateParams::default();
            (parameters.is_ca, parameters.key_usages) = (is_ca, vec![usage]);
            let root = parameters.self_signed(&key()).expect("a certificate").into();
            let trust = Trust::new(TrustMode::Configured, vec![root], Vec::new()).expect("readable");
            assert_eq!(trust.anchors(), []);
        }
        let expected = webpki::anchor_from_trusted_cert(authority.der()).expect("an anchor").to_owned();
        assert_eq!(trust.anchors(), [expected]);
    }

    #[test]
    fn a_root_outside_its_dates_is_no_anchor_then() {
        let (lasting, mut parameters) = (authority(), CertificateParams::new(Vec::new()).expect("parameters"));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let short = CertifiedIssuer::self_signed(parameters, key()).expect("an authority");
        let trust = Trust::new(TrustMode::Configured, vec![lasting.der().clone(), short.der().clone()], Vec::new());
        let trust = trust.expect("usable");
        let anchors_in = |year| {
            let at = rcgen::date_time_ymd(year, 6, 1).unix_timestamp();
            trust.anchors_at(UnixTime::since_unix_epoch(Duration::from_secs(at.unsigned_abs()))).len()
        };
        assert_eq!([2019, 2020, 2021].map(anchors_in), [1, 2, 1]);
    }

    #[test]
    fn what_cannot_be_read_says_what_it_should_be() {
        let mut cut = authority().der().to_vec();
        cut.pop();
        for bytes in [cut, b"hello".to_vec(), Vec::new()] {
            let refused = Trust::new(TrustMode::Configured, vec![bytes.clone().into()], Vec::new());
            assert_eq!(refused, Err(UnusableMaterial("this is not a readable X.509 certificate".to_owned())));
            let refused = Trust::new(TrustMode::Configured, Vec::new(), vec![bytes.into()]);
            let UnusableMaterial(why) = refused.expect_err("no revocation list");
            assert!(why.starts_with("this is not a usable X.509 revocation list"), "{why}");
        }
    }

    #[test]
    fn a_client_certificate_needs_its_own_key() {
        let (own, foreign) = (key(), key());
        let certificate = parameters().self_signed(&own).expect("a certificate").der().clone();
        let ours = ClientCertificate::new(vec![certificate.clone()], private_key(&own)).expect("a pair");
        assert_eq!(ours.certified_key().cert, std::slice::from_ref(&certificate));
        assert_eq!(Ok(ours.clone()), ClientCertificate::new(vec![certificate.clone()], private_key(&own)));
        let other = parameters().self_signed(&own).expect("a certificate").der().clone();
        assert_ne!(Ok(ours), ClientCertificate::new(vec![certificate.clone(), other], private_key(&own)));

        let refused = |chain, key, fragment: &str| {
            let UnusableMaterial(why) = ClientCertificate::new(chain, key).expect_err(fragment);
            assert!(why.contains(fragment), "{why}");
        };
        refused(vec![certificate.clone()], private_key(&foreign), "does not belong to the first certificate");
        refused(Vec::new(), private_key(&own), "no certificate");
        refused(vec![b"junk".to_vec().into()], private_key(&own), "not a readable X.509 certificate");
        let broken_key = PrivateKeyDer::Pkcs8(b"junk".to_vec().into());
        refused(vec![certificate], broken_key, "the private key cannot be used");
    }

    #[test]
    fn debug_output_holds_nothing_of_the_key() {
        let own = key();
        let certificate = parameters().self_signed(&own).expect("a certificate").der().clone();
        let shown = format!("{:?}", ClientCertificate::new(vec![certificate], private_key(&own)));
        assert!(shown.starts_with("Ok(ClientCertificate { digest: \"") && shown.len() < 120, "{shown}");
    }
}
