//! Blobs whose digest is checked.

use std::fmt;
use std::io::{self, Read};
use std::mem;

use layerhold_ids::{Algorithm, Digest};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::blob::Blob;
use crate::error::{Problem, RegistryError};

/// Computes a digest of any algorithm.
pub(crate) enum Hasher {
    Sha256(Box<Sha256>),
    Sha384(Box<Sha384>),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// The hasher that makes digests like this one. An algorithm that is not known hashes as
    /// SHA-256, and so equals nothing.
    pub(crate) fn like(digest: &Digest) -> Self {
        match digest.algorithm() {
            Algorithm::Sha384 => Self::Sha384(Box::default()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
            _ => Self::Sha256(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Option<Digest> {
        match self {
            Self::Sha256(hasher) => Digest::from_bytes(Algorithm::Sha256, &hasher.finalize()),
            Self::Sha384(hasher) => Digest::from_bytes(Algorithm::Sha384, &hasher.finalize()),
            Self::Sha512(hasher) => Digest::from_bytes(Algorithm::Sha512, &hasher.finalize()),
        }
    }
}

/// The SHA-256 digest of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

/// Checks that bytes have a digest.
pub(crate) fn check_digest(bytes: &[u8], expected: &Digest) -> Result<(), Problem> {
    let mut hasher = Hasher::like(expected);
    hasher.update(bytes);
    match hasher.finish() {
        Some(actual) if actual != *expected => Err(wrong(expected, &actual)),
        _ => Ok(()),
    }
}

fn wrong(expected: &Digest, actual: &Digest) -> Problem {
    Problem::WrongDigest {
        expected: expected.clone(),
        actual: actual.clone(),
    }
}

/// The contents of a blob, hashed as they pass. The last read, which returns no bytes, fails if the
/// digest is wrong; what was read before must not be used until then.
pub struct VerifiedBlob {
    blob: Blob,
    check: Check,
}

enum Check {
    Hashing(Hasher),
    Right,
    Wrong(Digest),
}

impl Blob {
    /// Checks the digest while the bytes are read.
    #[must_use]
    pub fn verified(self) -> VerifiedBlob {
        let check = Check::Hashing(Hasher::like(self.digest()));
        VerifiedBlob { blob: self, check }
    }

    /// Reads a whole small blob, such as the configuration of an image, and checks its digest.
    ///
    /// # Errors
    ///
    /// The blob is larger than `limit`, cannot be read to its end, or has another digest.
    pub fn read_all(self, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let mut blob = self.verified();
        let most = limit.saturating_add(1);
        let read = (&mut blob).take(most).read_to_end(&mut bytes);
        if let Err(error) = read {
            return Err(blob.blob.unwrap_error(error));
        }
        match bytes.len() as u64 > limit {
            false => Ok(bytes),
            true => Err(blob.blob.too_large(limit)),
        }
    }

    fn too_large(&self, limit: u64) -> RegistryError {
        let host = self
            .place()
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        self.error(Problem::TooLarge { host, limit })
    }

    /// Takes the error of a read out of what `Read` wraps it in.
    fn unwrap_error(&self, error: io::Error) -> RegistryError {
        error.downcast::<RegistryError>().unwrap_or_else(|source| {
            let host = self.place().to_owned();
            self.error(Problem::Cut { host, source })
        })
    }
}

impl VerifiedBlob {
    /// Compares the digest once all bytes were read.
    fn finish(&mut self) -> Result<(), RegistryError> {
        if let Check::Hashing(hasher) = &mut self.check {
            let actual = mem::replace(hasher, Hasher::like(self.blob.digest())).finish();
            self.check = match actual {
                Some(actual) if actual != *self.blob.digest() => Check::Wrong(actual),
                _ => Check::Right,
            };
        }
        match &self.check {
            Check::Wrong(actual) => Err(self.blob.error(wrong(self.blob.digest(), actual))),
            Check::Right | Check::Hashing(_) => Ok(()),
        }
    }

    /// Returns the size, as [`Blob::size`].
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.blob.size()
    }
}

impl Read for VerifiedBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read(buffer)?;
        match &mut self.check {
            Check::Hashing(hasher) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Check::Right | Check::Wrong(_) => {}
        }
        match count == 0 && !buffer.is_empty() {
            true => Ok(self.finish().map(|()| 0)?),
            false => Ok(count),
        }
    }
}

impl fmt::Debug for VerifiedBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedBlob").field(&self.blob).finish()
    }
}
