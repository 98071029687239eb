//! Why an image could not be pulled.

use std::io;

use layerhold::{CommitError, StageError};
use layerhold_image_policy::{LocationError, Refused};
use layerhold_reference::Reference;
use layerhold_registries_conf::{PullSourceError, ResolveError};
use layerhold_registry::{Problem, RegistryError};

use crate::load::LoadError;
use crate::registries::ConnectError;
use crate::signatures::SignaturesError;
use crate::source::SourceError;
use crate::store_errors::store_errors;

/// An image that could not be pulled. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The name stands for no image.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A short name stands for several images, of which a person has to choose one.
    #[error(
        "cannot tell which image {name:?} is: give its registry, as in {}",
        candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    )]
    Ambiguous {
        /// The name.
        name: String,
        /// The images that it may stand for.
        candidates: Vec<Reference>,
    },
    /// The name stands for several images, and none can be pulled.
    #[error(
        "cannot pull {name:?} from any registry that short names are searched in{}",
        listed(failures)
    )]
    NoCandidate {
        /// The name.
        name: String,
        /// The images, and what is wrong with each.
        failures: Vec<(Reference, PullError)>,
    },
    /// No mirror has the image, and neither has its registry.
    #[error("cannot pull {reference}{}", listed(mirrors))]
    NoSource {
        /// The image.
        reference: Box<Reference>,
        /// The mirrors, and what is wrong with each.
        mirrors: Vec<(Reference, PullError)>,
        /// What is wrong with the registry itself.
        #[source]
        source: Box<PullError>,
    },
    /// The configuration has no place to pull the image from.
    #[error(transparent)]
    Blocked(#[from] PullSourceError),
    /// The registry cannot be reached as it is configured.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The registry refuses.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The signatures cannot be read.
    #[error(transparent)]
    Signatures(#[from] SignaturesError),
    /// The policy cannot be applied to the name.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The policy refuses the image.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The image cannot be used, or not be stored.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A layer could not be fetched.
    #[error("cannot fetch layer {index}")]
    Fetch {
        /// The position of the layer, from 0.
        index: usize,
        /// Why; [`problem`](PullError::problem) tells what the registry has to do with it.
        source: io::Error,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] layerhold::Error),
}

fn listed(failures: &[(Reference, PullError)]) -> String {
    let mut text = String::new();
    for (reference, error) in failures {
        text.push_str(&format!("; {reference}: {}", chain(error)));
    }
    text
}

/// The messages of an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}

impl PullError {
    /// Whether the image, or a part of it, is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NoCandidate { failures, .. } => {
                failures.iter().all(|(_, error)| error.is_not_found())
            }
            Self::NoSource { source, .. } => source.is_not_found(),
            Self::Store(error) => error.is_not_found(),
            _ if self.problem().is_some_and(Problem::is_not_found) => true,
            Self::Load(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// What the registry did, if that is the cause.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        let mut causes = layerhold_sys::causes(self);
        causes.find_map(|cause| cause.downcast_ref())
    }

    /// Whether something else in the store is in the way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Ambiguous { .. } => true,
            Self::Load(error) => error.is_conflict(),
            Self::Store(error) => error.is_conflict(),
            _ => false,
        }
    }

    /// Whether the operation was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }

    /// Whether the disk is full, or a quota used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }
}

impl From<SourceError> for PullError {
    fn from(error: SourceError) -> Self {
        Self::Load(error.into())
    }
}

store_errors!(PullError: CommitError, StageError);
