//! Computing digests of whole buffers.

use layerhold_ids::{Algorithm, Digest};
use sha2::Digest as _;

/// The digest of `bytes` with the given algorithm.
pub(crate) fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let hash = match algorithm {
        Algorithm::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
        Algorithm::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        _ => sha2::Sha256::digest(bytes).to_vec(),
    };
    Digest::from_bytes(algorithm, &hash).expect("a hash has the length of its algorithm")
}

/// The SHA-256 digest of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha256, bytes)
}
