//! The block `tls_config`, made into what rustls asks with.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Reader, Reported, is_given};
use crate::config::decode::{Field, Located, Section, text, truth};
use crate::config::material;
use crate::config::value::quote;
use crate::config::yaml::{Node, Value};
use crate::probe::ClientCertificate;

const TLS: &[&str] = &[
    "ca",
    "cert",
    "key",
    "ca_file",
    "cert_file",
    "key_file",
    "ca_ref",
    "cert_ref",
    "key_ref",
    "server_name",
    "insecure_skip_verify",
    "min_version",
    "max_version",
];

impl Reader {
    /// What rustls asks with, and the name to ask for when it is not the URL's. `None`: reported.
    pub(super) fn tls(
        &mut self,
        root: &Section<'_>,
        http2: bool,
    ) -> Option<(ClientConfig, Option<ServerName<'static>>)> {
        let empty = Node { place: root.place(), value: Value::Map(Vec::new()) };
        let node = if is_given(root, "tls_config") { root.node("tls_config")? } else { &empty };
        let path = root.path_of("tls_config");
        let section = Section::open(node, &path, TLS, &mut self.report)?;
        self.refuse_references(&section, &["ca_ref", "cert_ref", "key_ref"]);
        let provider = Arc::new(default_provider());
        let name = section.field("server_name", &mut self.report, |node| {
            let name = text(node)?;
            ServerName::try_from(name.to_owned())
                .map_err(|_| format!("{} is neither a host name nor an IP address", quote(name)))
        });
        let name_is_wrong = matches!(name, Field::Wrong);
        let name = name.into_value();
        let trust = match section.field("insecure_skip_verify", &mut self.report, truth) {
            Field::Given(Located { value: true, place: _ }) => Some((None, Vec::new())),
            Field::Absent | Field::Wrong | Field::Given(_) => self.trust(&section, &provider),
        };
        let own = self.own_certificate(&section);
        let versions = self.versions(&section);
        let ((chain, itself), own, versions) = (trust?, own.ok()?, versions?);
        if name_is_wrong {
            return None;
        }
        let verifier = Verifier { provider: provider.clone(), chain, itself, name: name.clone() };
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions).ok()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.certified_key().clone())))
            }
        };
        let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // An address is never sent, and the URL's host is not the name that is meant.
        config.enable_sni = !matches!(name, Some(ServerName::IpAddress(_)));
        Some((config, name))
    }

    /// Who verifies chains, and the certificates that are trusted even as a server's own.
    #[allow(clippy::type_complexity)] // two values that are named where they go
    fn trust(
        &mut self,
        section: &Section<'_>,
        provider: &Arc<CryptoProvider>,
    ) -> Option<(Option<Arc<WebPkiServerVerifier>>, Vec<CertificateDer<'static>>)> {
        let configured = self.pem(section, "ca", "ca_file").ok()?;
        let (certificates, key) = match &configured {
            Some(Pem { bytes, place, key }) => match material::certificates(bytes) {
                Ok(certificates) => (certificates.to_vec(), Some((*place, *key))),
                Err(why) => {
                    self.report.error(Some(*place), section.path_of(key), format!("it {why}"));
                    return None;
                }
            },
            None => match self.material.trust(Vec::new(), Vec::new()) {
                Ok(trust) => (trust.roots().to_vec(), None),
                Err(why) => {
                    self.report.error(None, section.path_of("ca_file"), format!("{why}; name a CA here"));
                    return None;
                }
            },
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        match WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build() {
            Ok(verifier) => Some((Some(verifier), if key.is_some() { certificates } else { Vec::new() })),
            Err(error) => {
                let (place, key) = key.unzip();
                self.report.error(
                    place,
                    section.path_of(key.unwrap_or("ca_file")),
                    format!("no CA to trust in: {error}"),
                );
                None
            }
        }
    }

    /// The certificate to show.
    fn own_certificate(&mut self, section: &Section<'_>) -> Result<Option<ClientCertificate>, Reported> {
        let certificate = self.pem(section, "cert", "cert_file");
        let key = self.pem(section, "key", "key_file");
        let (certificate, key) = match (certificate?, key?) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(Pem { place, key, .. }), None) => {
                self.report.error(
                    Some(place),
                    section.path_of(key),
                    "its private key is missing: give key_file or key",
                );
                return Err(Reported);
            }
            (None, Some(Pem { place, key, .. })) => {
                let message = "its certificate is missing: give cert_file or cert";
                self.report.error(Some(place), section.path_of(key), message);
                return Err(Reported);
            }
        };
        let chain = material::certificates(&certificate.bytes);
        let private = material::key(&key.bytes);
        if let Err(why) = &chain {
            self.report.error(Some(certificate.place), section.path_of(certificate.key), format!("it {why}"));
        }
        if let Err(why) = &private {
            self.report.error(Some(key.place), section.path_of(key.key), format!("it {why}"));
        }
        match ClientCertificate::new(chain.map_err(|_| Reported)?.to_vec(), private.map_err(|_| Reported)?) {
            Ok(pair) => Ok(Some(pair)),
            Err(why) => {
                self.report.error(Some(key.place), section.path_of(key.key), why.to_string());
                Err(Reported)
            }
        }
    }

    /// What stands here, or in a file of its own.
    fn pem(
        &mut self,
        section: &Section<'_>,
        inline: &'static str,
        file: &'static str,
    ) -> Result<Option<Pem>, Reported> {
        let given = self.here_or_in_file(section, inline, file, Ok)?;
        Ok(given.map(|(Located { value: bytes, place }, key)| Pem { bytes, place, key }))
    }

    fn versions(&mut self, section: &Section<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
        // Oldest first; rustls speaks the last two.
        let known = ["TLS10", "TLS11", "TLS12", "TLS13"];
        let mut version = |key: &str, allowed: &[&str]| {
            section.field(key, &mut self.report, |node| {
                let version = text(node)?;
                let found = known.iter().position(|known| *known == version);
                found.filter(|_| allowed.contains(&version)).ok_or_else(|| match found {
                    Some(_) => format!("{version} is not spoken here; TLS12 or TLS13"),
                    None => format!("{} is no TLS version; TLS12 or TLS13", quote(version)),
                })
            })
        };
        let (least, most) = (version("min_version", &known), version("max_version", &known[2..]));
        if let (Field::Wrong, _) | (_, Field::Wrong) = (&least, &most) {
            return None;
        }
        let range = least.value().copied().unwrap_or(0)..=most.value().copied().unwrap_or(3);
        let versions: Vec<_> =
            [(3, &TLS13), (2, &TLS12)].into_iter().filter(|(at, _)| range.contains(at)).map(|(_, it)| it).collect();
        if versions.is_empty() {
            let place = least.given().map(|least| least.place);
            self.report.error(place, section.path_of("min_version"), "it is above max_version");
            return None;
        }
        Some(versions)
    }
}

/// What stands at a key, or in the file that it names.
struct Pem {
    bytes: Vec<u8>,
    place: crate::config::yaml::Place,
    key: &'static str,
}

/// Verifies who answers.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: whoever answers is believed.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Configured certificates. webpki takes no CA certificate for a server's own, and that is what `openssl req -x509`
    /// makes; one that was configured byte for byte needs no issuer.
    itself: Vec<CertificateDer<'static>>,
    /// Checked instead of the URL's host.
    name: Option<ServerName<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        match &self.chain {
            None => Ok(ServerCertVerified::assertion()),
            Some(_) if self.itself.contains(end_entity) => verify_itself(end_entity, name, now),
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, name, ocsp_response, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Name and dates of a certificate that is its own anchor.
fn verify_itself(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, rustls::Error> {
    let unreadable = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| unreadable())?;
    if parsed.verify_is_valid_for_subject_name(name).is_err() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName));
    }
    let (_, read) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > read.validity().not_after.timestamp() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::Expired));
    }
    if now < read.validity().not_before.timestamp() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    Ok(ServerCertVerified::assertion())
}
