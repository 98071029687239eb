//! Errors of reading a policy.

use std::io;
use std::path::PathBuf;

use layerhold_environment::HomeError;
use layerhold_reference::ReferenceError;

use crate::json::{FormatError, Item};

/// Why a policy cannot be loaded. Without a policy, no image may be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no policy.
    #[error(
        "cannot find a policy for images: none of {} exists",
        candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Missing {
        /// Where it was looked for.
        candidates: Vec<PathBuf>,
    },
    /// A file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The home directory of the user is not known.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file is no policy.
    #[error("cannot use the policy {}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: PolicyError,
    },
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is not JSON, or JSON of another shape.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A value of the right type is not allowed.
    #[error("{at}: {problem}")]
    Invalid {
        /// The place, such as `transports.docker."quay.io"[0]`.
        at: String,
        /// What is wrong there.
        problem: Problem,
    },
}

/// What is wrong with a value in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A list of requirements is empty.
    #[error("no requirement is given: write [{{\"type\": \"reject\"}}] to refuse all images")]
    NoRequirement,
    /// An object has no type.
    #[error("the key \"type\" is missing")]
    NoType,
    /// The type of a requirement is unknown.
    #[error("there is no requirement of the type {name:?}")]
    RequirementType {
        /// The type.
        name: String,
    },
    /// The type of an identity is unknown.
    #[error("there is no identity of the type {name:?}")]
    IdentityType {
        /// The type.
        name: String,
    },
    /// The transport cannot have such a scope.
    #[error("the transport {transport} has no such scope")]
    Scope {
        /// The transport.
        transport: String,
    },
    /// The type of keys is unknown.
    #[error("there are no keys of the type {name:?}: write \"GPGKeys\"")]
    KeyType {
        /// The type.
        name: String,
    },
    /// `signedBy` has not exactly one source of keys.
    #[error("exactly one of keyPath, keyPaths and keyData is needed")]
    SignedByKeys,
    /// `sigstoreSigned` has not exactly one source of signers.
    #[error("exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki is needed")]
    SigstoreKeys,
    /// Several sources of keys of transparency logs.
    #[error(
        "only one of rekorPublicKeyPath, rekorPublicKeyPaths, rekorPublicKeyData and rekorPublicKeyDatas can be given"
    )]
    SeveralRekorKeys,
    /// Certificates of Fulcio are worth nothing without a transparency log.
    #[error("with fulcio, the key of a transparency log is needed, such as rekorPublicKeyPath")]
    RekorKeyNeeded,
    /// Transparency logs do not go with other authorities.
    #[error("with pki, there can be no key of a transparency log")]
    RekorKeyOfPki,
    /// The root certificates of Fulcio are not given in exactly one way.
    #[error("exactly one of caPath and caData is needed")]
    FulcioCa,
    /// The root certificates are not given in exactly one way.
    #[error("exactly one of caRootsPath and caRootsData is needed")]
    PkiRoots,
    /// The intermediate certificates are given in two ways.
    #[error("only one of caIntermediatesPath and caIntermediatesData can be given")]
    PkiIntermediates,
    /// No subject of certificates is given.
    #[error("subjectEmail or subjectHostname is needed")]
    PkiSubject,
    /// A list is empty.
    #[error("the list is empty")]
    EmptyList,
    /// A text is missing or empty.
    #[error("{key} is missing")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// A text is not base64.
    #[error("it is not base64")]
    Base64,
    /// A text is no name of an image.
    #[error("{0}")]
    Reference(ReferenceError),
    /// A name has neither tag nor digest.
    #[error("{name} has neither tag nor digest")]
    NameOnly {
        /// The name.
        name: String,
    },
    /// A prefix is neither a registry nor the beginning of a name.
    #[error("{prefix:?} is no registry, and no folder or repository of one")]
    Prefix {
        /// The prefix.
        prefix: String,
    },
}

impl Problem {
    pub(crate) fn at(self, item: &Item<'_>) -> PolicyError {
        PolicyError::Invalid {
            at: item.to_string(),
            problem: self,
        }
    }

    pub(crate) fn requirement_type(name: &str) -> Self {
        let name = name.to_owned();
        Self::RequirementType { name }
    }

    pub(crate) fn identity_type(name: &str) -> Self {
        let name = name.to_owned();
        Self::IdentityType { name }
    }
}
