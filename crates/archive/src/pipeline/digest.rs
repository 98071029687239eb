use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 and length of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentSum {
    /// The digest.
    pub sha256: [u8; 32],
    /// The length in bytes.
    pub bytes: u64,
}

impl ContentSum {
    /// The same length, with a digest that is known, if it is.
    pub(crate) fn with_known(self, sha256: Option<[u8; 32]>) -> Self {
        Self {
            sha256: sha256.unwrap_or(self.sha256),
            ..self
        }
    }

    /// The digest as OCI writes it, `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| {
            DIGITS
                .get(usize::from(value))
                .map_or('0', |&d| char::from(d))
        };
        let mut text = String::with_capacity(7 + 64);
        text.push_str("sha256:");
        for byte in self.sha256 {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        text
    }
}

impl fmt::Debug for ContentSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentSum({}, {} bytes)", self.digest(), self.bytes)
    }
}

/// Sums a stream up; skips hashing if the digest is known already.
#[derive(Debug)]
pub(crate) struct Summer {
    state: State,
    bytes: u64,
}

#[derive(Debug)]
enum State {
    /// Counting only.
    Known([u8; 32]),
    Hashing(Box<Sha256>),
}

impl Summer {
    pub(crate) fn new(known: Option<[u8; 32]>) -> Self {
        Self {
            state: match known {
                Some(digest) => State::Known(digest),
                None => State::Hashing(Box::default()),
            },
            bytes: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let State::Hashing(hasher) = &mut self.state {
            hasher.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> ContentSum {
        ContentSum {
            sha256: match self.state {
                State::Known(digest) => digest,
                State::Hashing(hasher) => hasher.finalize().into(),
            },
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_oci_does() {
        let mut summer = Summer::new(None);
        summer.update(b"ab");
        summer.update(b"c");
        let sum = summer.finish();
        assert_eq!(sum.bytes, 3);
        assert_eq!(
            sum.digest(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn what_is_known_is_only_counted() {
        let mut summer = Summer::new(Some([7; 32]));
        summer.update(b"abc");
        let expected = ContentSum {
            sha256: [7; 32],
            bytes: 3,
        };
        assert_eq!(summer.finish(), expected);
    }
}
