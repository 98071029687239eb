//! Checking blobs whose digest is not SHA-256 while they are read.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use layerhold_ids::{Algorithm, Digest};
use sha2::Digest as _;

/// Passes a stream on and hashes it. The store computes the SHA-256 digest of what it reads anyway,
/// so only other algorithms are computed here.
pub(crate) struct Verifier<R> {
    inner: R,
    seen: Report,
}

/// The hash of a [`Verifier`], readable after the store took the stream.
#[derive(Clone)]
pub(crate) struct Report(Arc<Mutex<Other>>);

enum Other {
    None,
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl<R> Verifier<R> {
    pub(crate) fn new(inner: R, algorithm: Algorithm) -> Self {
        let other = match algorithm {
            Algorithm::Sha384 => Other::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => Other::Sha512(sha2::Sha512::new()),
            _ => Other::None,
        };
        Verifier {
            inner,
            seen: Report(Arc::new(Mutex::new(other))),
        }
    }

    pub(crate) fn report(&self) -> Report {
        self.seen.clone()
    }
}

impl<R: Read> Read for Verifier<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        let bytes = buffer.get(..got).unwrap_or_default();
        match &mut *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Other::None => {}
            Other::Sha384(hash) => hash.update(bytes),
            Other::Sha512(hash) => hash.update(bytes),
        }
        Ok(got)
    }
}

impl Report {
    /// The digest in the requested algorithm, given the one that the store computed.
    pub(crate) fn finish(&self, sha256: Digest) -> Digest {
        let other = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = match &*other {
            Other::None => None,
            Other::Sha384(hash) => Digest::from_bytes(Algorithm::Sha384, &hash.clone().finalize()),
            Other::Sha512(hash) => Digest::from_bytes(Algorithm::Sha512, &hash.clone().finalize()),
        };
        digest.unwrap_or(sha256)
    }
}
