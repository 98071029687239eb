//! Public keys of sigstore signatures and transparency logs (Go: `cryptoutils` and `signature` of
//! sigstore).

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_cert::der::asn1::{AnyRef, BitString, ObjectIdentifier};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::pem;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Why a public key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// There is no PEM block.
    #[error("there is no PEM block")]
    Pem,
    /// The PEM block has something else.
    #[error("the PEM block is no public key")]
    Label,
    /// The key is damaged.
    #[error("the key is damaged")]
    Damaged,
    /// The algorithm or the size of the key is not supported.
    #[error(
        "the key is neither ECDSA on P-256 or P-384, nor RSA with 2048 bits or more, nor Ed25519"
    )]
    Unsupported,
    /// A transparency log needs a key of another algorithm.
    #[error("the key is not ECDSA")]
    NotEcdsa,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    /// The key as the algorithm wants it.
    bytes: Vec<u8>,
    /// The key with its algorithm, in DER.
    der: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    P256,
    P384,
    Rsa,
    Ed25519,
}

impl Algorithm {
    fn verifier(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA256_ASN1,
            Self::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            Self::Ed25519 => &ED25519,
        }
    }

    /// Whether the bytes of a key may be one, by their length.
    fn accepts(self, bytes: &[u8]) -> bool {
        /// The smallest encoding of a modulus of 2048 bits with its exponent.
        const RSA_2048: usize = 256 + 9;
        match self {
            Self::P256 => bytes.len() == 65 && bytes.first() == Some(&4),
            Self::P384 => bytes.len() == 97 && bytes.first() == Some(&4),
            Self::Rsa => bytes.len() >= RSA_2048,
            Self::Ed25519 => bytes.len() == 32,
        }
    }
}

impl PublicKey {
    /// Reads the first block of a PEM file.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, PublicKeyError> {
        let (block, _) = pem::first(text).ok_or(PublicKeyError::Pem)?;
        match block.label {
            "PUBLIC KEY" => Self::from_der(&block.contents),
            "RSA PUBLIC KEY" => Self::from_der(&rsa_info(&block.contents)?),
            _ => Err(PublicKeyError::Label),
        }
    }

    /// Reads a `SubjectPublicKeyInfo`.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| PublicKeyError::Damaged)?;
        let bytes = info.subject_public_key.as_bytes();
        let bytes = bytes.ok_or(PublicKeyError::Damaged)?;
        let algorithm = algorithm(&info.algorithm)?;
        match algorithm.accepts(bytes) {
            true => Ok(PublicKey {
                algorithm,
                bytes: bytes.to_owned(),
                der: der.to_owned(),
            }),
            false => Err(PublicKeyError::Unsupported),
        }
    }

    pub(crate) const fn is_ecdsa(&self) -> bool {
        matches!(self.algorithm, Algorithm::P256 | Algorithm::P384)
    }

    /// The `SubjectPublicKeyInfo`.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Tells whether this key made the signature of the message. SHA-256 is used where the
    /// algorithm leaves a choice.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm.verifier(), &self.bytes);
        key.verify(message, signature).is_ok()
    }
}

fn algorithm(identifier: &AlgorithmIdentifierRef<'_>) -> Result<Algorithm, PublicKeyError> {
    let parameters = identifier.parameters;
    let is_null = parameters.is_some_and(AnyRef::is_null);
    let curve = parameters.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    match (identifier.oid, curve) {
        (EC, Some(P256)) => Ok(Algorithm::P256),
        (EC, Some(P384)) => Ok(Algorithm::P384),
        (RSA, None) if is_null => Ok(Algorithm::Rsa),
        (ED, None) if parameters.is_none() => Ok(Algorithm::Ed25519),
        _ => Err(PublicKeyError::Unsupported),
    }
}

/// The `SubjectPublicKeyInfo` of an RSA key of PKCS #1.
fn rsa_info(key: &[u8]) -> Result<Vec<u8>, PublicKeyError> {
    let damaged = |_| PublicKeyError::Damaged;
    let _is_der = AnyRef::from_der(key).map_err(damaged)?;
    let info = x509_cert::spki::SubjectPublicKeyInfoOwned {
        algorithm: x509_cert::spki::AlgorithmIdentifierOwned {
            oid: RSA,
            parameters: Some(AnyRef::NULL.into()),
        },
        subject_public_key: BitString::from_bytes(key).map_err(damaged)?,
    };
    info.to_der().map_err(damaged)
}
