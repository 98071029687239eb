//! Names of credential helpers.

use std::fmt;
use std::str::FromStr;

/// The name of a credential helper, without `docker-credential-`: `pass`, `secretservice`.
///
/// A helper is looked for in the directories of `PATH` alone, so a name is never a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HelperName(String);

/// A text that is not the name of a credential helper.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not the name of a credential helper: it is empty, or has slashes, spaces or control characters"
)]
#[non_exhaustive]
pub struct HelperNameError {
    /// The text.
    pub text: String,
}

impl HelperName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the program.
    #[must_use]
    pub fn program(&self) -> String {
        format!("docker-credential-{}", self.0)
    }
}

impl fmt::Display for HelperName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HelperName {
    type Err = HelperNameError;

    fn from_str(text: &str) -> Result<Self, HelperNameError> {
        let is_bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text.contains(is_bad) {
            return Err(HelperNameError {
                text: text.to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_name() {
        for text in ["", "/bin/sh", "../x", "a b", "a\0"] {
            let error = text.parse::<HelperName>().unwrap_err();
            assert_eq!(error.text, text);
        }
        let name: HelperName = "ecr-login".parse().unwrap();
        assert_eq!(name.program(), "docker-credential-ecr-login");
    }
}
