//! Errors of `registries.d`.

use std::io;
use std::path::PathBuf;

use layerhold_environment::HomeError;

/// Why `registries.d` cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistriesDError {
    /// The directory or a file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The home directory of the user is needed, and `/etc/passwd` cannot be read.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file is larger than 1 MiB.
    #[error("cannot use {}: it is larger than 1 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{}:{line}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: YamlProblem,
    },
    /// Two files have a section for one scope.
    #[error("{} and {} both have {}: remove one of them", first.display(), second.display(), section(scope.as_ref()))]
    Twice {
        /// The scope; `None` for `default-docker`.
        scope: Option<String>,
        /// One of the files.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
}

fn section(scope: Option<&String>) -> String {
    match scope {
        Some(scope) => format!("{scope:?} in docker"),
        None => "default-docker".to_owned(),
    }
}

/// What is wrong with a file of `registries.d`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlProblem {
    /// It is not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// It is not YAML.
    #[error("{message}")]
    Syntax {
        /// The parser's message.
        message: String,
    },
    /// It nests too deeply.
    #[error("more than {limit} levels")]
    Depth {
        /// The most levels.
        limit: usize,
    },
    /// Something of YAML that is not supported here.
    #[error("{what} cannot be used here: write the value out")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// A key is there twice.
    #[error("the key {key:?} is there twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// A value has the wrong type.
    #[error("{key} is {found}, which should be {expected}")]
    Type {
        /// The key with those that it is below of.
        key: String,
        /// The right type.
        expected: &'static str,
        /// The type in the file.
        found: &'static str,
    },
}
