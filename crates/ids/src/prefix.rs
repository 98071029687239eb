//! The beginning of an ID, as typed on a command line.

use std::fmt;

use thiserror::Error;

/// Why a text is not a valid prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// The text is empty and would match everything.
    #[error("prefix can't be empty")]
    Empty,
}

/// A possible beginning of an ID. It may match no ID, one or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix<'a>(&'a str);

impl<'a> Prefix<'a> {
    /// Makes a prefix of a text, if it is valid.
    ///
    /// # Errors
    ///
    /// Fails for an empty text.
    pub const fn new(text: &'a str) -> Result<Self, PrefixError> {
        if text.is_empty() {
            Err(PrefixError::Empty)
        } else {
            Ok(Self(text))
        }
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Tells whether an ID begins with this text.
    #[must_use]
    pub fn matches(self, id: impl AsRef<str>) -> bool {
        id.as_ref().starts_with(self.0)
    }
}

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerId;

    #[test]
    fn empty_is_refused() {
        assert_eq!(Prefix::new(""), Err(PrefixError::Empty));
        assert_eq!(PrefixError::Empty.to_string(), "prefix can't be empty");
    }

    #[test]
    fn matching() {
        let id: LayerId = "abcd".parse().unwrap();
        for (text, expected) in [("a", true), ("abcd", true), ("abcde", false), ("b", false)] {
            assert_eq!(Prefix::new(text).unwrap().matches(&id), expected, "{text}");
        }
    }
}
