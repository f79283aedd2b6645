//! A small PKI, and the certificate chains that servers get from it: good ones and one for each way of being wrong.

use crate::lab::tls::credential::{Credential, KeyAlgorithm, Profile, Role, Usage, Validity};
use crate::lab::tls::server::Identity;

/// Two hierarchies, each a root and an intermediate: the one that clients of the lab trust, and a stranger's.
#[derive(Debug)]
pub struct Pki {
    pub root: Credential,
    pub intermediate: Credential,
    pub strange_root: Credential,
    pub strange_intermediate: Credential,
}

/// What a server's chain is like. Where nothing else is said it is a leaf, then the intermediate, and no root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chain {
    Good,
    /// With the root as well, which is allowed and needless.
    GoodWithRoot,
    /// With the root, and that before the intermediate.
    RootBeforeIntermediate,
    /// With an unneeded intermediate that has expired.
    GoodWithExpiredExtra,
    /// 10 days are left.
    ExpiresSoon,
    Expired,
    NotYetValid,
    ExpiredIntermediate,
    /// Only the leaf.
    IntermediateMissing,
    /// One end-entity certificate that signed itself.
    SelfSigned,
    /// The same with the CA flag, as OpenSSL makes it by default.
    SelfSignedAuthority,
    /// From the stranger, whose root is sent.
    StrangeRootSent,
    /// From the stranger, whose root is not sent.
    StrangeRootNotSent,
    /// The intermediate, then the leaf.
    LeafNotFirst,
    /// The intermediate and the root, and nothing else: the handshake is signed with the key of the leaf that is not there.
    LeafMissing,
    /// For `somebody-else.test`.
    WrongName,
    /// The name stands in the Common Name only.
    CommonNameOnly,
    /// Usable for clients only.
    ClientUsageOnly,
    /// One bit of the leaf's signature is flipped.
    Tampered,
    /// Good, but the handshake is signed with another key.
    ForeignKey,
    /// The leaf has a key that is too weak, RSA with 1024 bits; the handshake is signed with another.
    WeakKey,
    /// The intermediate may issue for `elsewhere.test` only.
    NameConstraint,
    /// The intermediate issued another intermediate, which it may not.
    PathLength,
    /// The leaf has a critical extension that nobody knows.
    CriticalExtension,
    /// The leaf was issued by another server's certificate.
    IssuerNotAuthority,
}

impl Chain {
    /// Every one of them.
    pub const ALL: &'static [Self] = &[
        Self::Good,
        Self::GoodWithRoot,
        Self::RootBeforeIntermediate,
        Self::GoodWithExpiredExtra,
        Self::ExpiresSoon,
        Self::Expired,
        Self::NotYetValid,
        Self::ExpiredIntermediate,
        Self::IntermediateMissing,
        Self::SelfSigned,
        Self::SelfSignedAuthority,
        Self::StrangeRootSent,
        Self::StrangeRootNotSent,
        Self::LeafNotFirst,
        Self::LeafMissing,
        Self::WrongName,
        Self::CommonNameOnly,
        Self::ClientUsageOnly,
        Self::Tampered,
        Self::ForeignKey,
        Self::WeakKey,
        Self::NameConstraint,
        Self::PathLength,
        Self::CriticalExtension,
        Self::IssuerNotAuthority,
    ];
}

impl Pki {
    /// # Errors
    /// When keys cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let root = Credential::self_signed(&Profile::authority("Lab Root CA"))?;
        let intermediate = root.issue(&Profile::authority("Lab Intermediate CA"))?;
        let strange_root = Credential::self_signed(&Profile::authority("Strange Root CA"))?;
        let strange_intermediate = strange_root.issue(&Profile::authority("Strange Intermediate CA"))?;
        Ok(Self { root, intermediate, strange_root, strange_intermediate })
    }

    /// A server's certificates and key, for a DNS name or an IP address.
    ///
    /// # Errors
    /// When `host` is neither, or keys cannot be made.
    pub fn identity(&self, chain: Chain, host: &str) -> anyhow::Result<Identity> {
        let profile = Profile::server(host);
        let usual = |profile: &Profile| -> anyhow::Result<Identity> {
            Ok(Identity::new(&self.intermediate.issue(profile)?, &[&self.intermediate]))
        };
        // The leaf of another intermediate, which is sent with it.
        let below = |intermediate: &Profile| -> anyhow::Result<Identity> {
            let intermediate = self.root.issue(intermediate)?;
            Ok(Identity::new(&intermediate.issue(&profile)?, &[&intermediate]))
        };
        match chain {
            Chain::Good => usual(&profile),
            Chain::GoodWithRoot => {
                Ok(Identity::new(&self.intermediate.issue(&profile)?, &[&self.intermediate, &self.root]))
            }
            Chain::RootBeforeIntermediate => {
                Ok(Identity::new(&self.intermediate.issue(&profile)?, &[&self.root, &self.intermediate]))
            }
            Chain::GoodWithExpiredExtra => {
                let old = self.root.issue(&expired(Profile::authority("Lab Intermediate CA of old")))?;
                Ok(Identity::new(&self.intermediate.issue(&profile)?, &[&self.intermediate, &old]))
            }
            Chain::ExpiresSoon => usual(&Profile { validity: Validity::days(-80, 10), ..profile }),
            Chain::Expired => usual(&expired(profile)),
            Chain::NotYetValid => usual(&Profile { validity: Validity::days(5, 95), ..profile }),
            Chain::ExpiredIntermediate => below(&expired(Profile::authority("Lab Intermediate CA of old"))),
            Chain::IntermediateMissing => Ok(Identity::new(&self.intermediate.issue(&profile)?, &[])),
            Chain::SelfSigned => Ok(Identity::new(&Credential::self_signed(&profile)?, &[])),
            Chain::SelfSignedAuthority => {
                let role = Role::Authority { path_length: None, permitted_names: Vec::new() };
                Ok(Identity::new(&Credential::self_signed(&Profile { role, usages: Vec::new(), ..profile })?, &[]))
            }
            Chain::StrangeRootSent => {
                let leaf = self.strange_intermediate.issue(&profile)?;
                Ok(Identity::new(&leaf, &[&self.strange_intermediate, &self.strange_root]))
            }
            Chain::StrangeRootNotSent => {
                Ok(Identity::new(&self.strange_intermediate.issue(&profile)?, &[&self.strange_intermediate]))
            }
            Chain::LeafNotFirst => {
                let Identity { mut chain, key } = usual(&profile)?;
                chain.reverse();
                Ok(Identity { chain, key })
            }
            Chain::LeafMissing => {
                let leaf = Credential::self_signed(&profile)?;
                Ok(Identity { key: leaf.key_der(), ..Identity::new(&self.intermediate, &[&self.root]) })
            }
            Chain::WrongName => usual(&Profile::server("somebody-else.test")),
            Chain::CommonNameOnly => usual(&Profile { hosts: Vec::new(), ..profile }),
            Chain::ClientUsageOnly => usual(&Profile { usages: vec![Usage::Client], ..profile }),
            Chain::Tampered => {
                let Identity { mut chain, key } = usual(&profile)?;
                // The last byte of a certificate is the last one of its signature.
                let mut leaf = chain[0].to_vec();
                if let Some(last) = leaf.last_mut() {
                    *last ^= 1;
                }
                chain[0] = leaf.into();
                Ok(Identity { chain, key })
            }
            Chain::ForeignKey => {
                let other = Credential::self_signed(&profile)?;
                Ok(Identity { key: other.key_der(), ..usual(&profile)? })
            }
            Chain::WeakKey => {
                let Identity { mut chain, key } = usual(&profile)?;
                chain[0] = self.intermediate.issue_for_weak_key(&profile)?;
                Ok(Identity { chain, key })
            }
            Chain::NameConstraint => {
                let role = Role::Authority { path_length: None, permitted_names: vec!["elsewhere.test".to_owned()] };
                below(&Profile { role, ..Profile::authority("Lab Intermediate CA for elsewhere") })
            }
            Chain::PathLength => {
                let role = Role::Authority { path_length: Some(0), permitted_names: Vec::new() };
                let upper = self.root.issue(&Profile { role, ..Profile::authority("Lab Last CA") })?;
                let lower = upper.issue(&Profile::authority("Lab One Too Many CA"))?;
                Ok(Identity::new(&lower.issue(&profile)?, &[&lower, &upper]))
            }
            Chain::CriticalExtension => {
                usual(&Profile { unknown_critical_extension: Some(UNKNOWN_EXTENSION.to_vec()), ..profile })
            }
            Chain::IssuerNotAuthority => below(&Profile::server("another.lab.test")),
        }
    }

    /// A good chain whose leaf has a key of this kind.
    ///
    /// # Errors
    /// When `host` is neither name nor address, or keys cannot be made.
    pub fn identity_with_key(&self, key: KeyAlgorithm, host: &str) -> anyhow::Result<Identity> {
        let leaf = self.intermediate.issue(&Profile { key, ..Profile::server(host) })?;
        Ok(Identity::new(&leaf, &[&self.intermediate]))
    }
}

fn expired(profile: Profile) -> Profile {
    Profile { validity: Validity::days(-100, -10), ..profile }
}

/// An object identifier below the arc for examples (2.999, ITU-T X.660).
const UNKNOWN_EXTENSION: [u64; 3] = [2, 999, 1];
