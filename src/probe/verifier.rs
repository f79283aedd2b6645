//! Records the certificates of a handshake and webpki's verdict on them. Trust is decided by webpki alone; the only rule
//! of our own is that a leaf that equals a trusted certificate byte for byte is its own anchor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use webpki::{EndEntityCert, RawPublicKeyEntity};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::memo::{Acceptance, AcceptedChains};
use super::{AcceptedPath, ClientCertificate, TlsSpec, Trust, memo, own};

/// A verifier for one handshake.
#[derive(Debug)]
pub(super) struct Recorder {
    provider: Arc<CryptoProvider>,
    trust: Option<Arc<Trust>>,
    validate_chain: bool,
    validate_name: bool,
    memo: Arc<AcceptedChains>,
    presented: OnceLock<Presented>,
    /// What became of the handshake's signature.
    signature: OnceLock<Result<(), rustls::Error>>,
}

/// What was presented, and what webpki says of it.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    pub(super) path: Result<AcceptedPath, webpki::Error>,
    pub(super) name: Result<(), webpki::Error>,
    pub(super) leaf_is_trusted_itself: bool,
    pub(super) accepted_as: Option<Acceptance>,
    /// The moment that it was judged for.
    pub(super) at: UnixTime,
}

impl Recorder {
    pub(super) fn new(provider: Arc<CryptoProvider>, spec: &TlsSpec, memo: Arc<AcceptedChains>) -> Self {
        Self {
            provider,
            memo,
            trust: Some(spec.trust.clone()),
            validate_chain: spec.validate_chain,
            validate_name: spec.validate_name,
            presented: OnceLock::new(),
            signature: OnceLock::new(),
        }
    }

    /// Trusts nothing; stands in the template that each handshake's configuration is made from.
    pub(super) fn placeholder(provider: Arc<CryptoProvider>) -> Self {
        let (memo, presented, signature) = (Arc::default(), OnceLock::new(), OnceLock::new());
        Self { provider, trust: None, validate_chain: true, validate_name: true, memo, presented, signature }
    }

    pub(super) fn presented(&self) -> Option<&Presented> {
        self.presented.get()
    }

    /// Whether the handshake is signed with the key of the first certificate; `None` when it did not come to that.
    pub(super) fn signature(&self) -> Option<&Result<(), rustls::Error>> {
        self.signature.get()
    }

    /// Keeps what became of the signature; the faults of the chain and the name come first, as if they had stopped the
    /// handshake before it.
    fn conclude(
        &self,
        signature: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let _ = self.signature.set(signature.as_ref().map(|_| ()).map_err(Clone::clone));
        match self.presented.get().map(|presented| self.objection(presented)) {
            Some(Err(error)) => Err(error),
            Some(Ok(())) | None => signature,
        }
    }

    /// The error only chooses the alert that the server gets; the verdict reads what was recorded.
    fn objection(&self, presented: &Presented) -> Result<(), rustls::Error> {
        if self.validate_chain
            && let Err(error) = &presented.path
        {
            return Err(rustls::Error::InvalidCertificate(alert_for(error)));
        }
        if self.validate_name && presented.name.is_err() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        Ok(())
    }

    /// A certificate that webpki does not read (version 1, a critical extension) has a key all the same.
    fn verify_with_key(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Option<Result<HandshakeSignatureValid, rustls::Error>> {
        EndEntityCert::try_from(certificate).err()?;
        let (_, read) = X509Certificate::from_der(certificate).ok()?;
        let key = SubjectPublicKeyInfoDer::from(read.public_key().raw);
        let key = RawPublicKeyEntity::try_from(&key).ok()?;
        let algorithms = self.provider.signature_verification_algorithms.mapping.iter();
        let mut algorithms = algorithms.filter(|(scheme, _)| *scheme == signed.scheme).flat_map(|(_, all)| *all);
        let is_good = algorithms.any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok());
        let bad = rustls::Error::InvalidCertificate(CertificateError::BadSignature);
        Some(if is_good { Ok(HandshakeSignatureValid::assertion()) } else { Err(bad) })
    }
}

impl Presented {
    /// webpki's verdict on what was presented, or what it said of the very same before.
    pub(super) fn judge_again(
        memo: &AcceptedChains,
        trust: Option<&Trust>,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Self {
        let Some(trust) = trust else { return Self::judge(None, leaf, intermediates, name, now) };
        let key = memo::key(trust, name, std::iter::once(leaf).chain(intermediates));
        if let Some(path) = memo.recall(&key, now) {
            let leaf_is_trusted_itself = path.links == [0] && trust.roots()[path.root] == *leaf;
            let (chain, accepted_as) = (owned(leaf, intermediates), Some(key));
            return Self { chain, path: Ok(path), name: Ok(()), leaf_is_trusted_itself, accepted_as, at: now };
        }
        let mut presented = Self::judge(Some(trust), leaf, intermediates, name, now);
        if let (Ok(path), Ok(())) = (&presented.path, &presented.name) {
            memo.keep(key, path, &presented.chain, trust, now);
            presented.accepted_as = Some(key);
        }
        presented
    }

    /// webpki's verdict on what was presented; the whole of it, also where one fault would do.
    pub(super) fn judge(
        trust: Option<&Trust>,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Self {
        let own_root = trust.and_then(|trust| trust.roots().iter().position(|root| root == leaf));
        // A trusted CA that was sent first is not the server's own certificate, unless it is all that was sent and signed
        // by itself.
        let is_alone = intermediates.iter().all(|other| other == leaf);
        let own_root = own_root.filter(|_| own::can_be_a_servers(leaf, is_alone));
        let (path, name) = match EndEntityCert::try_from(leaf) {
            // Nobody asks more of a certificate that is trusted as it stands than webpki needs to issue by it.
            Err(error) => {
                let path = own_root.ok_or_else(|| error.clone());
                let path =
                    path.and_then(|root| within_dates(leaf, now).map(|()| AcceptedPath { links: vec![0], root }));
                (path, if own::is_named(leaf, name) { Ok(()) } else { Err(error) })
            }
            Ok(parsed) => {
                let path = match (trust, own_root) {
                    (_, Some(root)) => within_dates(leaf, now).map(|()| AcceptedPath { links: vec![0], root }),
                    (Some(trust), None) => trust.verify_path(&parsed, intermediates, now),
                    (None, None) => Err(webpki::Error::UnknownIssuer),
                };
                (path, parsed.verify_is_valid_for_subject_name(name))
            }
        };
        let chain = owned(leaf, intermediates);
        Self { chain, path, name, leaf_is_trusted_itself: own_root.is_some(), accepted_as: None, at: now }
    }
}

/// The chain as sent, to keep.
fn owned(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Arc<[CertificateDer<'static>]> {
    std::iter::once(leaf).chain(intermediates).map(|der| der.clone().into_owned()).collect()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.presented.get_or_init(|| {
            Presented::judge_again(&self.memo, self.trust.as_deref(), end_entity, intermediates, server_name, now)
        });
        // rustls asks for the handshake's signature next, before anything is sent: then it is refused.
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let usual = || verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms);
        self.conclude(self.verify_with_key(message, cert, dss).unwrap_or_else(usual))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let usual = || verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms);
        self.conclude(self.verify_with_key(message, cert, dss).unwrap_or_else(usual))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The dates of a certificate that is its own anchor, which webpki does not look at.
fn within_dates(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), webpki::Error> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| webpki::Error::BadDer)?;
    let (not_before, not_after) = super::clock::dates(&parsed);
    if now < not_before {
        Err(webpki::Error::CertNotValidYet { time: now, not_before })
    } else if now > not_after {
        Err(webpki::Error::CertExpired { time: now, not_after })
    } else {
        Ok(())
    }
}

/// What to tell the server (RFC 8446, section 6.2).
pub(super) fn alert_for(error: &webpki::Error) -> CertificateError {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        _ => CertificateError::BadEncoding,
    }
}

/// Our answer to a server that asks for a client certificate; remembers that it asked.
#[derive(Debug)]
pub(super) struct ClientCertificateAnswer {
    certificate: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ClientCertificateAnswer {
    pub(super) fn new(certificate: Option<&ClientCertificate>) -> Self {
        Self {
            certificate: certificate.map(|certificate| certificate.certified_key().clone()),
            asked: AtomicBool::new(false),
        }
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificateAnswer {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certificate.clone()
    }

    fn has_certs(&self) -> bool {
        // rustls asks resolve() only of those that say yes.
        true
    }
}
