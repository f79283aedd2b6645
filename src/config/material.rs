//! The files that a configuration names: read once, checked, and shared by every setting that names the same content.

use std::collections::{BTreeMap, HashMap};
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::libc;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem};
use rustls_native_certs::CertificateResult;

use super::NamedFile;
use super::value::quote;
use crate::probe::{ClientCertificate, Trust, TrustMode, UnusableMaterial};

/// Reads and shares trust material for one load of a configuration.
pub(super) struct Material {
    /// What relative names start from.
    directory: PathBuf,
    files: BTreeMap<PathBuf, NamedFile>,
    certificates: HashMap<String, Result<Arc<[CertificateDer<'static>]>, String>>,
    revocation_lists: HashMap<String, Result<Arc<[CertificateRevocationListDer<'static>]>, String>>,
    trusts: HashMap<(Vec<String>, Vec<String>), Arc<Trust>>,
    trusts_by_content: HashMap<([u8; 32], Vec<String>), Arc<Trust>>,
    client_certificates: HashMap<(String, String), Arc<ClientCertificate>>,
    well_known: Option<WellKnown>,
}

impl Material {
    /// For a configuration file in `directory`.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: BTreeMap::new(),
            certificates: HashMap::new(),
            revocation_lists: HashMap::new(),
            trusts: HashMap::new(),
            trusts_by_content: HashMap::new(),
            client_certificates: HashMap::new(),
            well_known: None,
        }
    }

    /// The certificates of a PEM or DER file: at least one, each of them readable.
    pub(super) fn certificates(&mut self, name: &str) -> Result<Arc<[CertificateDer<'static>]>, String> {
        if let Some(known) = self.certificates.get(name) {
            return known.clone();
        }
        let shown = self.shown(name);
        let read = self
            .read(name)
            .map_err(|why| format!("cannot read {shown}: {why}"))
            .and_then(|bytes| certificates(&bytes).map_err(|why| format!("{shown} {why}")));
        self.certificates.insert(name.to_owned(), read.clone());
        read
    }

    /// The revocation lists of a PEM or DER file: at least one, each of them usable.
    pub(super) fn revocation_lists(
        &mut self,
        name: &str,
    ) -> Result<Arc<[CertificateRevocationListDer<'static>]>, String> {
        if let Some(known) = self.revocation_lists.get(name) {
            return known.clone();
        }
        let shown = self.shown(name);
        let read = self
            .read(name)
            .map_err(|why| format!("cannot read {shown}: {why}"))
            .and_then(|bytes| revocation_lists(&bytes).map_err(|why| format!("{shown} {why}")));
        self.revocation_lists.insert(name.to_owned(), read.clone());
        read
    }

    /// Trust in the certificates of `roots` (none: the well-known CAs), less what `lists` revoke. Settings that trust
    /// the same share one value.
    pub(super) fn trust(&mut self, roots: Vec<String>, lists: Vec<String>) -> Result<Arc<Trust>, String> {
        let names = (roots, lists);
        if let Some(trust) = self.trusts.get(&names) {
            return Ok(trust.clone());
        }
        let mut files = Vec::new();
        let (mode, certificates) = if names.0.is_empty() {
            (TrustMode::WellKnown, self.well_known.get_or_insert_with(WellKnown::load).certificates.clone())
        } else {
            let mut certificates = Vec::new();
            for name in &names.0 {
                certificates.extend(self.certificates(name)?.iter().cloned());
                files.resize(certificates.len(), Arc::from(name.as_str()));
            }
            (TrustMode::Configured, certificates)
        };
        let (mut revocation_lists, mut list_files) = (Vec::new(), Vec::new());
        for name in &names.1 {
            revocation_lists.extend(self.revocation_lists(name)?.iter().cloned());
            list_files.resize(revocation_lists.len(), Arc::from(name.as_str()));
        }
        let trust = Trust::new(mode, certificates, revocation_lists).map_err(|why| why.to_string())?;
        let trust = Arc::new(trust.named(files).with_list_files(list_files));
        let trust = self.trusts_by_content.entry((*trust.digest(), names.0.clone())).or_insert(trust).clone();
        self.trusts.insert(names, trust.clone());
        Ok(trust)
    }

    /// The certificates of one file with the private key of another (or the same); `None` when the certificates are
    /// not usable, for then only the key is checked. The error is about the key.
    pub(super) fn client_certificate(
        &mut self,
        certificate: Option<&str>,
        private_key: &str,
    ) -> Result<Option<Arc<ClientCertificate>>, String> {
        let names = (certificate.unwrap_or_default().to_owned(), private_key.to_owned());
        if let Some(known) = self.client_certificates.get(&names) {
            return Ok(Some(known.clone()));
        }
        // What stands at the key is not shown: it could be the key itself, put there by mistake.
        let key = self
            .read(private_key)
            .map_err(|why| format!("cannot read the file of the private key: {why}"))
            .and_then(|bytes| key(&bytes).map_err(|why| format!("the file of the private key {why}")))?;
        let Some(Ok(chain)) = certificate.map(|name| self.certificates(name)) else {
            return Ok(None);
        };
        let pair = ClientCertificate::new(chain.to_vec(), key).map_err(|why| why.to_string())?;
        let pair = pair.named(&names.0, private_key);
        Ok(Some(self.client_certificates.entry(names).or_insert(Arc::new(pair)).clone()))
    }

    /// Every file that was looked at, and why the bundled roots are used, if they are.
    pub(super) fn finish(self) -> (Vec<NamedFile>, Option<String>) {
        (self.files.into_values().collect(), self.well_known.and_then(|well_known| well_known.fallback))
    }

    /// The path of a file that the configuration names, for commands that people run elsewhere.
    pub(super) fn shown_path(&self, name: &str) -> Arc<str> {
        self.directory.join(name).display().to_string().into()
    }

    /// The content of a file that the configuration names.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        self.read_path(self.directory.join(name))
    }

    /// The content of a file.
    pub(super) fn read_path(&mut self, path: PathBuf) -> Result<Vec<u8>, String> {
        let content = read_named(&path);
        self.files.entry(path.clone()).or_insert_with(|| NamedFile::new(path, content.as_deref().ok()));
        content
    }

    fn shown(&self, name: &str) -> String {
        quote(&self.directory.join(name).to_string_lossy())
    }
}

/// The well-known CAs: the host's, or the bundled ones.
struct WellKnown {
    certificates: Vec<CertificateDer<'static>>,
    /// Why the bundled ones.
    fallback: Option<String>,
}

impl WellKnown {
    fn load() -> Self {
        Self::of(rustls_native_certs::load_native_certs())
    }

    fn of(found: CertificateResult) -> Self {
        // A store may hold certificates that nobody can read; they are no reason to refuse the others.
        let certificates: Vec<_> =
            found.certs.into_iter().filter(|certificate| Trust::check_root(certificate).is_ok()).collect();
        if !certificates.is_empty() {
            return Self { certificates, fallback: None };
        }
        let why = match found.errors.as_slice() {
            [] => "none was found".to_owned(),
            [error, ..] => error.to_string(),
        };
        let message =
            format!("this host has no usable store of CA certificates ({why}); the bundled Mozilla roots are used");
        Self { certificates: webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec(), fallback: Some(message) }
    }
}

/// Trust in the well-known CAs, and why these are the bundled ones, if they are. Blocks.
///
/// # Errors
/// When not even the bundled ones can be used.
pub fn well_known_trust() -> Result<(Trust, Option<String>), UnusableMaterial> {
    let WellKnown { certificates, fallback } = WellKnown::load();
    Ok((Trust::new(TrustMode::WellKnown, certificates, Vec::new())?, fallback))
}

/// Trust in the certificates of this file alone, PEM or DER. Blocks.
///
/// # Errors
/// Says what the file is instead.
pub fn trust_in(file: &str) -> Result<Arc<Trust>, String> {
    Material::new(PathBuf::new()).trust(vec![file.to_owned()], Vec::new())
}

/// A client certificate, with the intermediates in its file, and its key. Blocks.
///
/// # Errors
/// Says which of the files is wrong, or that they do not belong together.
pub fn client_certificate(certificate: &str, key: &str) -> Result<Arc<ClientCertificate>, String> {
    let mut material = Material::new(PathBuf::new());
    material.certificates(certificate)?;
    let pair = material.client_certificate(Some(certificate), key)?;
    pair.ok_or_else(|| "the certificate cannot be used".to_owned())
}

/// Reads a configuration file, or one that it names, up to [`MAX_FILE`]: a regular one, because anything else may never
/// end or never answer.
pub(super) fn read_named(path: &Path) -> Result<Vec<u8>, String> {
    let is_regular = |metadata: io::Result<Metadata>| {
        let kind = metadata.map_err(|error| words(&error))?.file_type();
        let what = if kind.is_file() {
            return Ok(());
        } else if kind.is_dir() {
            "it is a directory"
        } else if kind.is_fifo() {
            "it is not a regular file but a FIFO"
        } else if kind.is_char_device() || kind.is_block_device() {
            "it is not a regular file but a device"
        } else {
            "it is not a regular file"
        };
        Err(what.to_owned())
    };
    // Before, because to open a device may do something to it; and after, because it may have become another meanwhile:
    // a FIFO, for which an open that blocks would wait for ever.
    is_regular(path.metadata())?;
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|error| words(&error))?;
    is_regular(file.metadata())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| words(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    Ok(bytes)
}

/// Most bytes of the configuration or of a file that it names.
pub(super) const MAX_FILE: u64 = 64 << 20;

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

type Section = (SectionKind, Vec<u8>);

/// What a file holds.
enum Content {
    Pem(Vec<Section>),
    /// No PEM block at all, so perhaps DER.
    Binary,
}

fn content(bytes: &[u8]) -> Result<Content, String> {
    if !contains(bytes, PEM_START) {
        return Ok(Content::Binary);
    }
    let sections = Section::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    // The parser's own words may quote the file, which may hold a key.
    sections.map(Content::Pem).map_err(|error| match error {
        pem::Error::MissingSectionEnd { .. } => "holds a PEM block without its END line".to_owned(),
        pem::Error::Base64Decode(_) => "holds a PEM block that is not base64".to_owned(),
        _ => "holds a broken PEM block".to_owned(),
    })
}

const PEM_START: &[u8] = b"-----BEGIN ";

/// The certificates of PEM or DER.
pub(super) fn certificates(bytes: &[u8]) -> Result<Arc<[CertificateDer<'static>]>, String> {
    let found: Vec<CertificateDer<'static>> = match content(bytes)? {
        Content::Binary => match CertificateDer::from(bytes.to_vec()) {
            certificate if Trust::check_root(&certificate).is_ok() => vec![certificate],
            _ => return Err("is neither a PEM nor a DER certificate".to_owned()),
        },
        Content::Pem(sections) => of_kind(sections, SectionKind::Certificate, "certificate")?,
    };
    for (index, certificate) in found.iter().enumerate() {
        Trust::check_root(certificate).map_err(|why| format!("cannot be used: certificate {}: {why}", index + 1))?;
    }
    Ok(found.into())
}

fn revocation_lists(bytes: &[u8]) -> Result<Arc<[CertificateRevocationListDer<'static>]>, String> {
    let found: Vec<CertificateRevocationListDer<'static>> = match content(bytes)? {
        Content::Binary => vec![bytes.to_vec().into()],
        Content::Pem(sections) => of_kind(sections, SectionKind::Crl, "revocation list")?,
    };
    for (index, list) in found.iter().enumerate() {
        Trust::check_revocation_list(list).map_err(|why| format!("cannot be used: list {}: {why}", index + 1))?;
    }
    Ok(found.into())
}

/// The one private key of a file.
pub(super) fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if ENCRYPTED.iter().any(|mark| contains(bytes, mark)) {
        return Err("holds an encrypted key; decrypt it with: openssl pkey -in OLD -out NEW".to_owned());
    }
    let sections = match content(bytes)? {
        Content::Binary => {
            return PrivateKeyDer::try_from(bytes.to_vec())
                .map_err(|_| "is neither a PEM nor a DER private key (PKCS #8, PKCS #1 or SEC 1)".to_owned());
        }
        Content::Pem(sections) => sections,
    };
    let held = held(&sections);
    let mut keys = sections.into_iter().filter_map(|(kind, der)| match kind {
        SectionKind::PrivateKey => Some(PrivateKeyDer::Pkcs8(der.into())),
        SectionKind::RsaPrivateKey => Some(PrivateKeyDer::Pkcs1(der.into())),
        SectionKind::EcPrivateKey => Some(PrivateKeyDer::Sec1(der.into())),
        _ => None,
    });
    match (keys.next(), keys.next()) {
        (_, Some(_)) => Err("holds several private keys; one is wanted".to_owned()),
        (Some(key), None) => Ok(key),
        (None, None) => Err(format!("holds {held} and no private key")),
    }
}

/// How encrypted keys begin: PKCS #8 (RFC 7468), and older ones (RFC 1421).
const ENCRYPTED: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The sections of one kind; an error that says what there is instead, when there is none.
fn of_kind<T: From<Vec<u8>>>(sections: Vec<Section>, wanted: SectionKind, name: &str) -> Result<Vec<T>, String> {
    let held = held(&sections);
    let found: Vec<T> = sections.into_iter().filter(|(kind, _)| *kind == wanted).map(|(_, der)| der.into()).collect();
    if found.is_empty() { Err(format!("holds {held} and no {name}")) } else { Ok(found) }
}

/// What the sections are, in words.
fn held(sections: &[Section]) -> &'static str {
    match sections.first().map(|(kind, _)| *kind) {
        Some(SectionKind::Certificate) => "a certificate",
        Some(SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey) => "a private key",
        Some(SectionKind::Crl) => "a revocation list",
        Some(SectionKind::Csr) => "a certificate request",
        Some(SectionKind::PublicKey) => "a public key",
        Some(_) | None => "other PEM blocks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(certs: Vec<CertificateDer<'static>>) -> CertificateResult {
        let mut found = CertificateResult::default();
        found.certs = certs;
        found
    }

    #[test]
    fn a_host_without_usable_ca_certificates_falls_back_to_the_bundled_ones_and_says_so() {
        for useless in [Vec::new(), vec![b"junk".to_vec().into()]] {
            let well_known = WellKnown::of(found(useless));
            assert_eq!(well_known.certificates, webpki_root_certs::TLS_SERVER_ROOT_CERTS);
            let message = well_known.fallback.expect("a warning");
            assert!(message.contains("the bundled Mozilla roots are used"), "{message}");
            Trust::new(TrustMode::WellKnown, well_known.certificates, Vec::new()).expect("all of them are readable");
        }
    }

    #[test]
    fn one_usable_ca_certificate_is_a_store_whatever_stands_beside_it() {
        let good = webpki_root_certs::TLS_SERVER_ROOT_CERTS[0].clone();
        let well_known = WellKnown::of(found(vec![b"junk".to_vec().into(), good.clone()]));
        assert_eq!((well_known.certificates, well_known.fallback), (vec![good], None));
    }

    fn pem(labels: &[&str]) -> Vec<u8> {
        let block = |label: &&str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        labels.iter().map(block).collect::<String>().into_bytes()
    }

    #[test]
    fn a_private_key_is_known_by_its_label_and_what_else_there_is_is_said() {
        let kind = |labels: &[&str]| {
            key(&pem(labels)).map(|key| match key {
                PrivateKeyDer::Pkcs8(_) => "PKCS #8",
                PrivateKeyDer::Pkcs1(_) => "PKCS #1",
                PrivateKeyDer::Sec1(_) => "SEC 1",
                _ => "another",
            })
        };
        assert_eq!(kind(&["PRIVATE KEY"]), Ok("PKCS #8"));
        assert_eq!(kind(&["RSA PRIVATE KEY"]), Ok("PKCS #1"));
        assert_eq!(kind(&["EC PRIVATE KEY"]), Ok("SEC 1"));
        assert_eq!(kind(&["CERTIFICATE", "EC PRIVATE KEY"]), Ok("SEC 1"));
        for (labels, held) in [
            (&["CERTIFICATE"], "a certificate"),
            (&["X509 CRL"], "a revocation list"),
            (&["CERTIFICATE REQUEST"], "a certificate request"),
            (&["PUBLIC KEY"], "a public key"),
            (&["DH PARAMETERS"], "other PEM blocks"),
        ] {
            assert_eq!(kind(labels), Err(format!("holds {held} and no private key")), "{labels:?}");
        }
        for two in [["PRIVATE KEY", "PRIVATE KEY"], ["RSA PRIVATE KEY", "EC PRIVATE KEY"]] {
            assert!(kind(&two).is_err_and(|why| why.contains("several private keys")), "{two:?}");
        }
        let certificates = certificates(&pem(&["EC PRIVATE KEY"])).map(|found| found.len());
        assert_eq!(certificates, Err("holds a private key and no certificate".to_owned()));
    }
}
