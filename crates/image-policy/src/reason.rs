//! Why signatures are not accepted.

use std::io;
use std::path::PathBuf;

use layerhold_reference::layerhold_ids::Digest;

use crate::certificate::CertificateError;
#[cfg(feature = "openpgp")]
use crate::openpgp::OpenPgpError;
use crate::payload::PayloadError;
use crate::public_key::PublicKeyError;
use crate::rekor::RekorError;

/// Why the keys of a requirement cannot be used. No signature is accepted then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A public key cannot be used.
    #[error("cannot use the public key with the number {}", index + 1)]
    PublicKey {
        /// Its place in the policy, from 0.
        index: usize,
        /// The cause.
        source: PublicKeyError,
    },
    /// There is no key.
    #[error("there is no usable key")]
    NoKey,
    /// There is no root certificate.
    #[error("there is no usable root certificate")]
    NoRoot,
    /// An intermediate certificate is damaged.
    #[error("the intermediate certificates are damaged")]
    Intermediates,
}

/// Why one signature does not meet a requirement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The OpenPGP message is not accepted.
    #[cfg(feature = "openpgp")]
    #[error(transparent)]
    OpenPgp(OpenPgpError),
    /// A part of a sigstore signature is missing.
    #[error("it has no annotation {key}")]
    NoAnnotation {
        /// The annotation.
        key: &'static str,
    },
    /// The signature is not base64.
    #[error("it is not base64")]
    Base64,
    /// None of the keys made the signature.
    #[error("none of the keys of the policy made it")]
    Unsigned,
    /// The certificate of the signer is not accepted.
    #[error("the certificate of the signer is not accepted")]
    Certificate(#[source] CertificateError),
    /// The record of the transparency log is not accepted.
    #[error("the record of the transparency log is not accepted")]
    Rekor(#[source] RekorError),
    /// The payload is invalid.
    #[error("its payload is invalid")]
    Payload(#[source] PayloadError),
    /// The signature is for another manifest.
    #[error("it is for the manifest {claimed}, and that of the image is {found}")]
    Digest {
        /// The digest in the signature.
        claimed: Digest,
        /// The digest of the manifest.
        found: Digest,
    },
    /// The signature is for another name.
    #[error("it is for {claimed:?}")]
    Identity {
        /// The name in the signature.
        claimed: String,
    },
    /// The manifest is not the one that was asked for.
    #[error("the manifest has the digest {found}, which should be {expected}")]
    OtherManifest {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the manifest.
        found: Digest,
    },
    /// The manifest is of docker's schema 1 with signatures inside, and its digest cannot be
    /// computed.
    #[error("the manifest is of schema 1 with signatures in it, which is not supported")]
    Schema1,
}
