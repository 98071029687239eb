//! Names below a registry.

use std::fmt;
use std::str::FromStr;

use layerhold_ids::Digest;
use layerhold_reference::{Reference, is_repository, is_tag};

/// Why a text names nothing in a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not the path of a repository.
    #[error(
        "{text:?} is not the path of a repository: give lowercase components like library/busybox"
    )]
    Repository {
        /// The refused text.
        text: String,
    },
    /// Not a tag and not a digest.
    #[error("{text:?} is neither a tag nor a digest")]
    TagOrDigest {
        /// The refused text.
        text: String,
    },
}

/// What names a manifest in a repository.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TagOrDigest(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Tag(String),
    Digest(Digest),
}

impl TagOrDigest {
    /// A tag.
    ///
    /// # Errors
    ///
    /// The text is not a tag.
    pub fn tag(text: &str) -> Result<Self, NameError> {
        match is_tag(text) {
            true => Ok(Self(Kind::Tag(text.to_owned()))),
            false => Err(refused(text)),
        }
    }

    /// What an image name asks for: its digest, else its tag, else `latest`.
    #[must_use]
    pub fn of(image: &Reference) -> Self {
        match image.digest() {
            Some(digest) => digest.clone().into(),
            None => Self(Kind::Tag(image.tag().unwrap_or("latest").to_owned())),
        }
    }

    /// Returns the digest, if it is one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match &self.0 {
            Kind::Tag(_) => None,
            Kind::Digest(digest) => Some(digest),
        }
    }
}

impl From<Digest> for TagOrDigest {
    fn from(digest: Digest) -> Self {
        Self(Kind::Digest(digest))
    }
}

impl From<&Digest> for TagOrDigest {
    fn from(digest: &Digest) -> Self {
        digest.clone().into()
    }
}

impl FromStr for TagOrDigest {
    type Err = NameError;

    /// A text with a colon is a digest.
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.contains(':') {
            true => text
                .parse::<Digest>()
                .map(Self::from)
                .map_err(|_| refused(text)),
            false => Self::tag(text),
        }
    }
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tag(tag) => f.write_str(tag),
            Kind::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Debug for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagOrDigest({self})")
    }
}

fn refused(text: &str) -> NameError {
    NameError::TagOrDigest {
        text: text.to_owned(),
    }
}

/// Checks the path of a repository.
pub(crate) fn check_repository(path: &str) -> Result<(), NameError> {
    match is_repository(path) && path.len() <= 255 {
        true => Ok(()),
        false => Err(NameError::Repository {
            text: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_digests() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("1.0", Ok(None)),
            (digest.as_str(), Ok(Some(digest.as_str()))),
            ("sha256:a", Err(refused("sha256:a"))),
            ("../x", Err(refused("../x"))),
            ("a/b", Err(refused("a/b"))),
            ("", Err(refused(""))),
        ] {
            let parsed: Result<TagOrDigest, NameError> = text.parse();
            let found = parsed
                .as_ref()
                .map(|name| name.digest().map(Digest::as_str));
            assert_eq!(found, expected.as_ref().map(|digest| *digest), "{text}");
            assert!(parsed.is_err() || parsed.unwrap().to_string() == text);
        }
        for (image, expected) in [("quay.io/a", "latest"), ("quay.io/a:1", "1")] {
            let image: Reference = image.parse().unwrap();
            assert_eq!(TagOrDigest::of(&image).to_string(), expected);
            let image = image.with_digest(digest.parse().unwrap());
            assert_eq!(TagOrDigest::of(&image).to_string(), digest);
        }
    }

    #[test]
    fn repositories() {
        for (path, is_one) in [
            ("a/b", true),
            ("a/../b", false),
            ("A", false),
            ("a?b", false),
            ("", false),
        ] {
            assert_eq!(check_repository(path).is_ok(), is_one, "{path}");
        }
    }
}
