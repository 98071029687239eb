//! One registry, and the sources of its images (Go: `Registry` and `PullSourcesFromReference`).

use std::path::PathBuf;

use layerhold_reference::{Reference, ReferenceError};

use crate::prefix::matched;

/// What is configured for the names with one prefix: a table `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registry {
    /// The names that it is about: a host with a port, folders, a repository or a tag as wanted, or
    /// `*.DOMAIN` for all subdomains.
    pub prefix: String,
    /// What replaces the prefix in the names. `None` leaves them as they are.
    pub location: Option<String>,
    /// Whether certificates are not checked, and HTTP without TLS is allowed.
    pub insecure: bool,
    /// Whether nothing may be pulled.
    pub blocked: bool,
    /// What is tried before the location, in order.
    pub mirrors: Vec<Mirror>,
    /// The file of the table.
    pub origin: PathBuf,
}

/// A mirror of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mirror {
    /// What replaces the prefix in the names.
    pub location: String,
    /// Whether certificates are not checked, and HTTP without TLS is allowed.
    pub insecure: bool,
    /// The names that it is used for.
    pub used_for: MirrorUse,
}

/// The names that a mirror is used for (`pull-from-mirror`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MirrorUse {
    /// All names.
    #[default]
    All,
    /// Names with a digest; so are all mirrors of a registry with `mirror-by-digest-only`.
    DigestOnly,
    /// Names without a digest.
    TagOnly,
}

impl MirrorUse {
    fn includes(self, reference: &Reference) -> bool {
        match self {
            MirrorUse::All => true,
            MirrorUse::DigestOnly => reference.digest().is_some(),
            MirrorUse::TagOnly => reference.digest().is_none(),
        }
    }
}

/// A place that an image is pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullSource {
    /// The name of the image there.
    pub reference: Reference,
    /// Whether certificates are not checked, and HTTP without TLS is allowed.
    pub insecure: bool,
    /// Whether it is a mirror.
    pub is_mirror: bool,
}

/// Why an image has no sources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PullSourceError {
    /// The configuration blocks the names with a prefix, that of a mirror or location perhaps.
    #[error("cannot use {reference}: {prefix} is blocked in {}", origin.display())]
    Blocked {
        /// The image.
        reference: Box<Reference>,
        /// The blocked prefix.
        prefix: String,
        /// The file that blocks it.
        origin: PathBuf,
    },
    /// With a location instead of the prefix, the name is no image name.
    #[error("cannot pull {reference} from the location {location:?} in {}", origin.display())]
    Rewritten {
        /// The image.
        reference: Box<Reference>,
        /// The location.
        location: String,
        /// The file of the location.
        origin: PathBuf,
        /// What is wrong with the new name.
        source: ReferenceError,
    },
}

impl Registry {
    /// The error for an image that may not be pulled; `None` if it may.
    pub(crate) fn refusal(&self, reference: &Reference) -> Option<PullSourceError> {
        self.blocked.then(|| PullSourceError::Blocked {
            reference: Box::new(reference.clone()),
            prefix: self.prefix.clone(),
            origin: self.origin.clone(),
        })
    }

    /// The mirrors that are used for such a name, then the location. Each has the name with its
    /// location instead of the prefix. It may be a blocked one.
    pub(crate) fn pull_sources(
        &self,
        reference: &Reference,
    ) -> Result<Vec<PullSource>, PullSourceError> {
        let mut sources = Vec::new();
        for mirror in &self.mirrors {
            if mirror.used_for.includes(reference) {
                sources.push(PullSource {
                    reference: self.rewritten(reference, &mirror.location)?,
                    insecure: mirror.insecure,
                    is_mirror: true,
                });
            }
        }
        sources.push(PullSource {
            reference: match &self.location {
                Some(location) => self.rewritten(reference, location)?,
                None => reference.clone(),
            },
            insecure: self.insecure,
            is_mirror: false,
        });
        Ok(sources)
    }

    fn rewritten(
        &self,
        reference: &Reference,
        location: &str,
    ) -> Result<Reference, PullSourceError> {
        let name = reference.to_string();
        let rest = matched(&name, &self.prefix).and_then(|end| name.get(end..));
        let text = format!("{location}{}", rest.unwrap_or_default());
        let failed = |source| PullSourceError::Rewritten {
            reference: Box::new(reference.clone()),
            location: location.to_owned(),
            origin: self.origin.clone(),
            source,
        };
        let parsed: Reference = text.parse().map_err(failed)?;
        // `docker.io/x` means `docker.io/library/x`, but only where people type it.
        if parsed.to_string() != text {
            let reason = "it is not complete, with the registry and all folders";
            return Err(failed(ReferenceError::new(text, reason)));
        }
        Ok(parsed)
    }
}
