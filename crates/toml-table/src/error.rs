//! Mistakes in a file.

use std::path::PathBuf;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TomlError {
    /// The file is not UTF-8.
    #[error("{}:{line}: not UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's message.
        message: String,
    },
    /// A value has the wrong type.
    #[error("{}:{line}: {key} is {found}, which should be {expected}{}", path.display(), hint(expected, found))]
    Type {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables, such as `storage.driver`.
        key: String,
        /// The right type, such as `a string`.
        expected: &'static str,
        /// The type in the file.
        found: &'static str,
    },
    /// A number is negative or too large.
    #[error("{}:{line}: {key} is not between 0 and {}", path.display(), u32::MAX)]
    Range {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
    },
}

/// A hint for the most common mistake: booleans without quotes.
fn hint(expected: &str, found: &str) -> &'static str {
    match (expected, found) {
        ("a string", "a boolean") => ": put it in quotes",
        _ => "",
    }
}
