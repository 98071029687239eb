//! The three types of ID and their common check.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::generate;

/// Length of a shortened ID (Go: pkg/stringid/stringid.go).
const SHORT_LEN: usize = 12;
/// Length of a generated ID: 32 random bytes in hex (Go: pkg/stringid/stringid.go).
const CANONICAL_LEN: usize = 64;

/// Why a text is not an ID.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an ID can't be empty")]
    Empty,
    /// The text contains a space. Go refuses to index such an ID, with this message (Go:
    /// pkg/truncindex/truncindex.go).
    #[error("illegal character: ' ' in ID {id:?}")]
    Space {
        /// The refused text.
        id: String,
    },
    /// The text contains a path separator, so it could name a file outside its directory.
    #[error("illegal character: '/' in ID {id:?}")]
    Separator {
        /// The refused text.
        id: String,
    },
    /// The text contains a NUL byte, which file names cannot contain.
    #[error("illegal character: NUL in ID {id:?}")]
    Nul {
        /// The refused text.
        id: String,
    },
    /// The text is `.` or `..`, which are existing directories.
    #[error("{id:?} is a directory reference, not an ID")]
    DotName {
        /// The refused text.
        id: String,
    },
}

fn check(id: &str) -> Result<(), IdError> {
    let owned = || id.to_owned();
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id == "." || id == ".." {
        return Err(IdError::DotName { id: owned() });
    }
    for byte in id.bytes() {
        match byte {
            b' ' => return Err(IdError::Space { id: owned() }),
            b'/' => return Err(IdError::Separator { id: owned() }),
            0 => return Err(IdError::Nul { id: owned() }),
            _ => {}
        }
    }
    Ok(())
}

/// Tells whether a text has the form of generated IDs: 64 lowercase hexadecimal digits.
#[must_use]
pub fn is_canonical_id(id: &str) -> bool {
    id.len() == CANONICAL_LEN && is_lower_hex(id)
}

/// Tells whether a text has the form of a shortened ID: 12 lowercase hexadecimal digits.
#[must_use]
pub fn is_short_id(id: &str) -> bool {
    id.len() == SHORT_LEN && is_lower_hex(id)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Shortens an ID or digest for display: the text after the first `:`, cut to 12 bytes.
///
/// Several records may share it. If byte 12 is inside a character, the text is cut before that
/// character.
#[must_use]
pub fn truncate_id(id: &str) -> &str {
    let rest = id.split_once(':').map_or(id, |(_, rest)| rest);
    let end = (0..=SHORT_LEN)
        .rev()
        .find(|&end| rest.is_char_boundary(end));
    end.and_then(|end| rest.get(..end)).unwrap_or(rest)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// An ID is any non-empty text without spaces, `/` and NUL except `.` and `..`: callers may
        /// choose IDs, so the usual 64 hexadecimal digits are not required (see
        /// [`Self::is_canonical`]).
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes an ID of a text, if it is valid.
            ///
            /// # Errors
            ///
            /// Returns the first rule that the text breaks.
            pub fn new(id: impl Into<String>) -> Result<Self, IdError> {
                let id = id.into();
                check(&id)?;
                Ok(Self(id))
            }

            /// Makes an ID of 32 random bytes.
            ///
            /// Returns `None` if the 12 characters of its short form would be decimal digits only:
            /// as a host name, such a text is taken for a number, so another draw is needed (Go:
            /// pkg/stringid/stringid.go).
            #[must_use]
            pub fn from_random(bytes: [u8; 32]) -> Option<Self> {
                generate::from_random(bytes).map(Self)
            }

            /// Makes a new random ID; `fill` must overwrite its whole buffer with unpredictable
            /// bytes.
            ///
            /// `fill` is called until the result is acceptable, 1.004 times on average. If it keeps
            /// returning unacceptable bytes, the result is `None` after 256 calls.
            #[must_use]
            pub fn generate(fill: impl FnMut(&mut [u8])) -> Option<Self> {
                generate::generate(fill).map(Self)
            }

            /// Returns the ID as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the text, consuming the ID.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }

            /// Tells whether the ID has the form of generated ones: 64 lowercase hexadecimal
            /// digits.
            #[must_use]
            pub fn is_canonical(&self) -> bool {
                is_canonical_id(&self.0)
            }

            /// Returns the short form for display; see [`truncate_id`].
            #[must_use]
            pub fn short(&self) -> &str {
                truncate_id(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(id: &str) -> Result<Self, IdError> {
                check(id)?;
                Ok(Self(id.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(id: String) -> Result<Self, IdError> {
                Self::new(id)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(id: &str) -> Result<Self, IdError> {
                id.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<std::ffi::OsStr> for $name {
            fn as_ref(&self) -> &std::ffi::OsStr {
                self.0.as_ref()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }
    };
}

id_type! {
    /// The ID of a layer.
    LayerId
}
id_type! {
    /// The ID of an image.
    ImageId
}
id_type! {
    /// The ID of a container.
    ContainerId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CANONICAL: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn owned(id: &str) -> String {
        id.to_owned()
    }

    #[test]
    fn refused_texts() {
        let cases = [
            ("", IdError::Empty),
            (".", IdError::DotName { id: owned(".") }),
            ("..", IdError::DotName { id: owned("..") }),
            ("a b", IdError::Space { id: owned("a b") }),
            ("a/b", IdError::Separator { id: owned("a/b") }),
            ("/", IdError::Separator { id: owned("/") }),
            ("a\0b", IdError::Nul { id: owned("a\0b") }),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<LayerId>(), Err(expected.clone()), "{text:?}");
            assert_eq!(ImageId::new(text), Err(expected.clone()), "{text:?}");
            assert_eq!(ContainerId::try_from(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn accepted_texts() {
        for text in [
            "a",
            "base-image",
            "..a",
            "...",
            "ünïcode",
            CANONICAL,
            "sha256:ab",
        ] {
            assert_eq!(text.parse::<LayerId>().map(String::from), Ok(owned(text)));
        }
    }

    #[test]
    fn canonical_form() {
        let cases = [
            (CANONICAL.to_owned(), true),
            (CANONICAL.to_uppercase(), false),
            (format!("{CANONICAL}0"), false),
            (owned("abc"), false),
            (format!("g{}", CANONICAL.split_at(1).1), false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                LayerId::new(text.as_str()).map(|id| id.is_canonical()),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn short_form() {
        let cases = [
            (CANONICAL, "0123456789ab"),
            ("abc", "abc"),
            ("sha256:0123456789abcdef", "0123456789ab"),
            ("0123456789aü", "0123456789a"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(truncate_id(text), expected);
        }
        assert!(is_short_id("0123456789ab"));
        assert!(!is_short_id("0123456789aB"));
        assert!(!is_short_id("0123456789a"));
    }

    #[test]
    fn shown_and_padded() {
        let id: LayerId = "abc".parse().unwrap();
        assert_eq!(format!("{id:>5}|{id:?}"), "  abc|LayerId(\"abc\")");
    }

    proptest! {
        #[test]
        fn accepts_exactly_one_safe_path_component(text in any::<String>()) {
            let safe = !text.is_empty() && text != "." && text != ".." && !text.contains(['/', ' ', '\0']);
            prop_assert_eq!(text.parse::<ImageId>().is_ok(), safe);
        }

        #[test]
        fn truncation_never_panics_and_is_a_part(text in any::<String>()) {
            let short = truncate_id(&text);
            prop_assert!(short.len() <= SHORT_LEN);
            prop_assert!(text.contains(short));
        }
    }
}
