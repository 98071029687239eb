//! Names that callers give to layers, images and containers.

use std::collections::HashSet;

use thiserror::Error;

/// Why a text is not a valid name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty. Go stores such a name, but no lookup can find it.
    #[error("a name can't be empty")]
    Empty,
}

/// Checks names when they enter the store; stored names are accepted as they are.
pub trait CheckedName {
    /// Returns the text if a record can be found by it.
    ///
    /// # Errors
    ///
    /// Returns the rule that the text breaks.
    fn checked_name(&self) -> Result<&str, NameError>;
}

impl CheckedName for str {
    fn checked_name(&self) -> Result<&str, NameError> {
        if self.is_empty() {
            Err(NameError::Empty)
        } else {
            Ok(self)
        }
    }
}

/// Drops repeated names, keeping the first of each (Go: utils.go, `dedupeStrings`).
#[must_use]
pub fn dedupe_names<I>(names: I) -> Vec<String>
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    let mut seen = HashSet::new();
    names
        .into_iter()
        .map(Into::into)
        .filter(|name: &String| seen.insert(name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_go() {
        assert_eq!(dedupe_names(["b", "a", "b", "c", "a"]), ["b", "a", "c"]);
        assert_eq!(dedupe_names(Vec::<String>::new()), Vec::<String>::new());
    }

    #[test]
    fn names_may_be_anything_but_empty() {
        assert_eq!("".checked_name(), Err(NameError::Empty));
        assert_eq!(
            "docker.io/library/a b:latest".checked_name(),
            Ok("docker.io/library/a b:latest")
        );
    }
}
