//! Errors of a configuration.

use std::io;
use std::path::PathBuf;

use layerhold_environment::HomeError;
use layerhold_toml_table::{Document, TomlError};

/// Why a configuration cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistriesError {
    /// A file or directory exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A variable names a file that does not exist.
    #[error("cannot read {} (from {variable}): it does not exist", path.display())]
    Missing {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The home directory of the user is not known.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file is not TOML, or a value has the wrong type.
    #[error(transparent)]
    File(#[from] TomlError),
    /// A value of the right type is not allowed.
    #[error("{}:{line}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line of the table or list with the value, from 1.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
}

/// The error for a value in a file.
pub(crate) fn invalid(document: &Document, line: usize, problem: Problem) -> RegistriesError {
    RegistriesError::Invalid {
        path: document.path().to_owned(),
        line,
        problem,
    }
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A location or prefix is a URL.
    #[error("{value:?} has a scheme: leave out \"http://\" and \"https://\"")]
    Scheme {
        /// The location or prefix.
        value: String,
    },
    /// A registry has neither prefix nor location.
    #[error("the registry has no location")]
    NoLocation,
    /// A registry whose prefix is no wildcard has no location.
    #[error(
        "the registry {prefix:?} needs a location, because its prefix is not like *.example.com"
    )]
    LocationNeeded {
        /// The prefix.
        prefix: String,
    },
    /// A wildcard prefix is more than a domain.
    #[error("the prefix {prefix:?} is not like *.example.com: it has a port, a folder or a digest")]
    Wildcard {
        /// The prefix.
        prefix: String,
    },
    /// A mirror has no location.
    #[error("a mirror of {prefix:?} has no location")]
    MirrorLocation {
        /// The prefix of the registry.
        prefix: String,
    },
    /// A registry has the setting of mirrors.
    #[error("the registry {prefix:?} sets pull-from-mirror, which only its mirrors can")]
    NotAMirror {
        /// The prefix.
        prefix: String,
    },
    /// A mirror says what it is used for, and its registry does too.
    #[error(
        "the mirror {mirror:?} sets pull-from-mirror, and its registry sets mirror-by-digest-only"
    )]
    UsedTwice {
        /// The location of the mirror.
        mirror: String,
    },
    /// A mirror is used for something unknown.
    #[error(
        "pull-from-mirror is {value:?}, which should be \"all\", \"digest-only\" or \"tag-only\""
    )]
    MirrorUse {
        /// The value.
        value: String,
    },
    /// Two registries with one location, or two wildcards, differ in a setting.
    #[error("{location:?} is there twice, once with {setting} and once without")]
    Conflict {
        /// The location, or the wildcard.
        location: String,
        /// `insecure` or `blocked`.
        setting: &'static str,
    },
    /// An entry of `unqualified-search-registries` is no registry.
    #[error("{value:?} is no registry, which is a host, with a port if needed")]
    SearchRegistry {
        /// The entry.
        value: String,
    },
    /// The mode of short names is unknown.
    #[error(
        "short-name-mode is {value:?}, which should be \"enforcing\", \"permissive\" or \"disabled\""
    )]
    Mode {
        /// The value.
        value: String,
    },
    /// The name of an alias is no short name.
    #[error("{name:?} cannot have an alias: it is no image name without registry, tag and digest")]
    AliasName {
        /// The name.
        name: String,
    },
    /// An alias stands for something else than a name.
    #[error(
        "the alias {name:?} is {value:?}, which is no image name with a registry, and without tag and digest"
    )]
    AliasValue {
        /// The name.
        name: String,
        /// What it stands for.
        value: String,
    },
    /// A drop-in has the format of version 1.
    #[error("drop-ins cannot have the tables [registries.…] of version 1: use [[registry]]")]
    OldDropIn,
    /// A file mixes the two versions of the format.
    #[error("the file has both the tables [registries.…] of version 1 and settings of version 2")]
    TwoVersions,
}
