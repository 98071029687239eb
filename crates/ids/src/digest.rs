//! Digests in the form `algorithm:hex`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A hash algorithm of digests in stores and image formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, the canonical algorithm.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The algorithm used where the format leaves a choice.
    pub const CANONICAL: Self = Self::Sha256;

    /// Returns the name before the `:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the number of bytes of a hash.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a text is not a digest. The cases are those of Go's go-digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The text is not of the form `algorithm:hex` with lowercase digits.
    #[error("invalid checksum digest format: {text:?}")]
    Format {
        /// The refused text.
        text: String,
    },
    /// The algorithm is unknown.
    #[error("unsupported digest algorithm: {text:?}")]
    Unsupported {
        /// The refused text.
        text: String,
    },
    /// The number of digits is wrong for the algorithm.
    #[error("invalid checksum digest length: {text:?} has {actual} digits, not {expected}")]
    Length {
        /// The refused text.
        text: String,
        /// The digits that the algorithm needs.
        expected: usize,
        /// The digits found.
        actual: usize,
    },
}

/// A valid digest: an algorithm and its number of lowercase hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    text: String,
    algorithm: Algorithm,
}

impl Digest {
    /// Makes a digest of a hasher's output; `None` if its length does not fit the algorithm.
    #[must_use]
    pub fn from_bytes(algorithm: Algorithm, hash: &[u8]) -> Option<Self> {
        (hash.len() == algorithm.size()).then(|| Self::encode(algorithm, hash))
    }

    /// Makes a SHA-256 digest of a hasher's output.
    #[must_use]
    pub fn sha256(hash: [u8; 32]) -> Self {
        Self::encode(Algorithm::Sha256, &hash)
    }

    fn encode(algorithm: Algorithm, hash: &[u8]) -> Self {
        Self {
            text: format!("{}:{}", algorithm.name(), hex::encode(hash)),
            algorithm,
        }
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the digits after the `:`.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.text
            .get(self.algorithm.name().len() + 1..)
            .unwrap_or_default()
    }

    /// Returns the hash itself.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        hex::decode(self.hex()).unwrap_or_default()
    }

    /// Returns the whole text, `algorithm:hex`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn check(text: &str) -> Result<Algorithm, DigestError> {
    let owned = || text.to_owned();
    let format = || DigestError::Format { text: owned() };
    let (name, digits) = text.split_once(':').ok_or_else(format)?;
    if name.is_empty() || digits.is_empty() {
        return Err(format());
    }
    let Some(algorithm) = Algorithm::by_name(name) else {
        let known_form = is_algorithm_name(name) && digits.bytes().all(is_encoded_byte);
        return Err(if known_form {
            DigestError::Unsupported { text: owned() }
        } else {
            format()
        });
    };
    let (expected, actual) = (algorithm.size() * 2, digits.len());
    if actual != expected {
        return Err(DigestError::Length {
            text: owned(),
            expected,
            actual,
        });
    }
    if !digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(format());
    }
    Ok(algorithm)
}

/// Lowercase letters and digits, in words joined by one of `.+_-`.
fn is_algorithm_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.split(['.', '+', '_', '-']).all(word)
}

fn is_encoded_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-')
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let algorithm = check(text)?;
        Ok(Self {
            text: text.to_owned(),
            algorithm,
        })
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        let algorithm = check(&text)?;
        Ok(Self { text, algorithm })
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.text
    }
}

impl AsRef<str> for Digest {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.text)
    }
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Marks a digest as one of this content.
            #[must_use]
            pub const fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// Returns the plain digest.
            #[must_use]
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the plain digest, consuming this.
            #[must_use]
            pub fn into_digest(self) -> Digest {
                self.0
            }

            /// Returns the digits after the `:`.
            #[must_use]
            pub fn hex(&self) -> &str {
                self.0.hex()
            }

            /// Returns the whole text, `algorithm:hex`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<Digest> for $name {
            fn from(digest: Digest) -> Self {
                Self(digest)
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.0.into()
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.parse().map(Self)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

digest_type! {
    /// The digest of a layer's uncompressed tar stream.
    DiffId
}
digest_type! {
    /// The digest of a layer as it was received, usually compressed.
    CompressedDigest
}
digest_type! {
    /// The digest of the table of contents inside a partially pulled layer.
    TocDigest
}
digest_type! {
    /// The digest of an image's manifest.
    ManifestDigest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn refused_texts() {
        let format = |text: &str| DigestError::Format {
            text: text.to_owned(),
        };
        let unsupported = |text: &str| DigestError::Unsupported {
            text: text.to_owned(),
        };
        let length = |text: &str, expected, actual| DigestError::Length {
            text: text.to_owned(),
            expected,
            actual,
        };
        let upper = format!("sha256:{}", "A".repeat(64));
        let cases = [
            ("", format("")),
            ("sha256", format("sha256")),
            ("sha256:", format("sha256:")),
            (":abcd", format(":abcd")),
            ("sha256:abcd", length("sha256:abcd", 64, 4)),
            ("sha512:abcd", length("sha512:abcd", 128, 4)),
            (upper.as_str(), format(&upper)),
            ("md5:abcd", unsupported("md5:abcd")),
            ("a+b.c:AB=_-9", unsupported("a+b.c:AB=_-9")),
            ("SHA256:abcd", format("SHA256:abcd")),
            ("a++b:cd", format("a++b:cd")),
            ("md5:a/b", format("md5:a/b")),
            ("../x:ab", format("../x:ab")),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Digest>(), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn parts() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest.algorithm(), Algorithm::Sha256);
        assert_eq!(format!("sha256:{}", digest.hex()), EMPTY);
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(
            Digest::from_bytes(Algorithm::Sha256, &digest.to_bytes()),
            Some(digest)
        );
        assert_eq!(Digest::from_bytes(Algorithm::Sha384, &[0; 32]), None);
    }

    #[test]
    fn kinds_show_themselves() {
        let diff: DiffId = EMPTY.parse().unwrap();
        assert_eq!(diff.to_string(), EMPTY);
        assert_eq!(format!("{diff:?}"), format!("DiffId({EMPTY})"));
        assert_eq!(CompressedDigest::from(diff.into_digest()).as_str(), EMPTY);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_kept(text in "([a-z0-9.+_:-]{0,8}:)?[a-fA-F0-9=/]{0,130}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.as_str(), text);
                prop_assert_eq!(digest.to_bytes().len(), digest.algorithm().size());
            }
        }

        #[test]
        fn bytes_round_trip(hash: [u8; 32]) {
            let digest = Digest::sha256(hash);
            prop_assert_eq!(digest.as_str().parse::<Digest>(), Ok(digest.clone()));
            prop_assert_eq!(digest.to_bytes(), hash.to_vec());
        }
    }
}
