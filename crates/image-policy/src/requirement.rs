//! The requirements of a policy as values (Go: `image/signature/policy_types.go`).

use std::path::PathBuf;

use crate::identity::SignedIdentity;

/// One thing that a policy requires of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// `insecureAcceptAnything`: every image meets it.
    InsecureAcceptAnything,
    /// `reject`: no image meets it.
    Reject,
    /// `signedBy`: an OpenPGP signature in the format of simple signing.
    SignedBy(SignedBy),
    /// `signedBaseLayer`: no image meets it, because podman has never implemented it.
    SignedBaseLayer(SignedIdentity),
    /// `sigstoreSigned`: a signature in the format of sigstore.
    SigstoreSigned(SigstoreSigned),
}

impl Requirement {
    /// Returns the type as it is written in the file.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::InsecureAcceptAnything => "insecureAcceptAnything",
            Self::Reject => "reject",
            Self::SignedBy(_) => "signedBy",
            Self::SignedBaseLayer(_) => "signedBaseLayer",
            Self::SigstoreSigned(_) => "sigstoreSigned",
        }
    }

    /// Tells whether the requirement asks for signatures, so that they have to be fetched.
    #[must_use]
    pub const fn needs_signatures(&self) -> bool {
        matches!(self, Self::SignedBy(_) | Self::SigstoreSigned(_))
    }
}

/// Files, or their contents in the policy itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// Files, in the order of the policy. A relative path starts at the working directory.
    Files(Vec<PathBuf>),
    /// Contents.
    Data(Vec<Vec<u8>>),
}

/// A requirement of the type `signedBy`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedBy {
    /// What the keys are.
    pub key_type: KeyType,
    /// The keyrings.
    pub keys: Material,
    /// What the signature has to say about the name.
    pub identity: SignedIdentity,
}

/// What the keys of [`SignedBy`] are. podman has never implemented the others than
/// [`GpgKeys`](Self::GpgKeys); no image meets a requirement with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `GPGKeys`: OpenPGP keyrings.
    GpgKeys,
    /// `signedByGPGKeys`.
    SignedByGpgKeys,
    /// `X509Certificates`.
    X509Certificates,
    /// `signedByX509CAs`.
    SignedByX509Cas,
}

impl KeyType {
    const ALL: [Self; 4] = [
        Self::GpgKeys,
        Self::SignedByGpgKeys,
        Self::X509Certificates,
        Self::SignedByX509Cas,
    ];

    /// Returns the type as it is written in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GpgKeys => "GPGKeys",
            Self::SignedByGpgKeys => "signedByGPGKeys",
            Self::X509Certificates => "X509Certificates",
            Self::SignedByX509Cas => "signedByX509CAs",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A requirement of the type `sigstoreSigned`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SigstoreSigned {
    /// The signers that are accepted.
    pub signers: Signers,
    /// What the signature has to say about the name.
    pub identity: SignedIdentity,
}

/// The signers that are accepted by [`SigstoreSigned`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signers {
    /// The owners of keys.
    Keys {
        /// Public keys in PEM format. Each file or content is one key.
        keys: Material,
        /// The keys of transparency logs (Rekor), one of which has to have recorded the signature.
        rekor: Option<Material>,
    },
    /// A person or program that Fulcio gave a certificate.
    Fulcio {
        /// What the certificate has to be like.
        fulcio: Fulcio,
        /// The keys of transparency logs (Rekor), one of which has to have recorded the signature.
        rekor: Material,
    },
    /// A person or program that another authority gave a certificate.
    Pki(Pki),
}

/// Which certificates of Fulcio are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fulcio {
    /// The root certificates in PEM format: one file or content.
    pub ca: Material,
    /// The issuer of the identity that the signer showed to Fulcio, a URL.
    pub oidc_issuer: String,
    /// The e-mail address of that identity.
    pub subject_email: String,
}

/// Which certificates of another authority are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pki {
    /// The root certificates in PEM format: one file or content.
    pub roots: Material,
    /// Intermediate certificates in PEM format, beside those that come with a signature: one file
    /// or content.
    pub intermediates: Option<Material>,
    /// The subject that a certificate has to be for.
    pub subject: PkiSubject,
}

/// The subject of certificates for [`Pki`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PkiSubject {
    /// An e-mail address.
    Email(String),
    /// A host name.
    Hostname(String),
    /// Both, in one certificate.
    Both {
        /// The e-mail address.
        email: String,
        /// The host name.
        hostname: String,
    },
}
