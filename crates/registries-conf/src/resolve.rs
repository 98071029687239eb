//! What a short name may stand for (Go: `pkg/shortnames`).

use std::path::PathBuf;
use std::sync::Arc;

use layerhold_reference::{Reference, ReferenceError, is_short_name};

use crate::conf::{RegistriesConf, ShortNameMode};
use crate::error::RegistriesError;

/// The images that a name may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// The images, in order; at least one. Each has a tag, a digest or both.
    pub candidates: Vec<Reference>,
    /// Where they come from.
    pub origin: Origin,
    /// How one of them is selected.
    pub selection: Selection,
    /// The name under which a chosen image is kept in
    /// [`ShortNames`](crate::ShortNames), after it was pulled. `None` if there is no choice.
    pub kept_as: Option<String>,
}

/// Where the images of a name come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The name has a registry.
    Name,
    /// The alias in this file.
    Alias(PathBuf),
    /// The `unqualified-search-registries` in this file.
    SearchRegistries(PathBuf),
}

/// How one of several images is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// They are tried in order.
    InOrder,
    /// A person chooses; without a terminal, they are tried in order.
    ChoiceIfTerminal,
    /// A person chooses; without a terminal, the pull fails.
    Choice,
}

/// Why a name stands for no image.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// It is no image name.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// The short name has no alias, and no registry is searched.
    #[error("cannot resolve the short name {name:?}: {}; give the registry, as in \"quay.io/{name}\"", unsearched(origin.as_ref()))]
    NoRegistries {
        /// The name.
        name: String,
        /// The file that could name registries; `None` if there is no file.
        origin: Option<PathBuf>,
    },
    /// The file of aliases that people chose is invalid.
    #[error("cannot resolve the short name {name:?}")]
    ShortNames {
        /// The name.
        name: String,
        /// What is wrong with the file.
        source: Arc<RegistriesError>,
    },
}

fn unsearched(origin: Option<&PathBuf>) -> String {
    match origin {
        Some(path) => format!(
            "it has no alias, and {} has no unqualified-search-registries",
            path.display()
        ),
        None => "there is no registries.conf".to_owned(),
    }
}

impl RegistriesConf {
    /// Returns the images that a name stands for when it is pulled. A name with a registry stands
    /// for itself, a short name for its alias, or else for an image in each of the
    /// [`search_registries`](Self::search_registries). Without tag and digest it gets the tag
    /// `latest`.
    ///
    /// # Errors
    ///
    /// The text is no image name, or there is no registry for a short name.
    pub fn resolve(&self, name: &str) -> Result<Resolved, ResolveError> {
        let resolved = |candidates, origin| Resolved {
            candidates,
            origin,
            selection: Selection::InOrder,
            kept_as: None,
        };
        if !is_short_name(name) {
            let image: Reference = name.parse()?;
            return Ok(resolved(vec![image.or_latest()], Origin::Name));
        }
        if let Some((image, origin)) = self.alias(name)? {
            return Ok(resolved(vec![image], Origin::Alias(origin)));
        }
        let searched = self.searched(name)?;
        let origin = self.search_origin.clone();
        let Some(origin) = origin.filter(|_| !searched.is_empty()) else {
            // A malformed name is the more useful error.
            format!("localhost/{name}").parse::<Reference>()?;
            return Err(ResolveError::NoRegistries {
                name: name.to_owned(),
                origin: self.search_origin.clone(),
            });
        };
        let mut resolved = resolved(searched, Origin::SearchRegistries(origin));
        resolved.selection = match self.short_name_mode() {
            _ if resolved.candidates.len() == 1 => Selection::InOrder,
            ShortNameMode::Disabled => Selection::InOrder,
            ShortNameMode::Permissive => Selection::ChoiceIfTerminal,
            ShortNameMode::Enforcing => Selection::Choice,
        };
        if resolved.selection != Selection::InOrder {
            resolved.kept_as = Some(repository(name).to_owned());
        }
        Ok(resolved)
    }

    /// Returns the images of the local store that a name may stand for, in order: those of
    /// [`resolve`](Self::resolve), except that a short name is also searched in `localhost`, after
    /// its alias and before all registries (Go: `ResolveLocally`).
    ///
    /// # Errors
    ///
    /// The text is no image name.
    pub fn resolve_locally(&self, name: &str) -> Result<Vec<Reference>, ResolveError> {
        if !is_short_name(name) {
            return Ok(vec![name.parse::<Reference>()?.or_latest()]);
        }
        let mut images: Vec<_> = self
            .alias(name)?
            .map(|(image, _)| image)
            .into_iter()
            .collect();
        images.push(
            format!("localhost/{name}")
                .parse::<Reference>()?
                .or_latest(),
        );
        images.extend(self.searched(name)?);
        Ok(images)
    }

    /// The image of a short name's alias, with the name's tag and digest, and the alias's file.
    fn alias(&self, name: &str) -> Result<Option<(Reference, PathBuf)>, ResolveError> {
        let short_names = self.short_names.as_ref();
        let short_names = short_names.map_err(|source| ResolveError::ShortNames {
            name: name.to_owned(),
            source: Arc::clone(source),
        })?;
        let repository = repository(name);
        let (image, origin) = match short_names.aliases().get(repository) {
            Some(image) => (image.as_ref(), short_names.path()),
            None => match self.aliases.get(repository) {
                Some(alias) => (alias.image.as_ref(), alias.origin.as_path()),
                None => return Ok(None),
            },
        };
        let Some(image) = image else {
            return Ok(None);
        };
        let suffix = name.get(repository.len()..).unwrap_or_default();
        let image: Reference = format!("{image}{suffix}").parse()?;
        Ok(Some((image.or_latest(), origin.to_owned())))
    }

    /// The images of a short name in all registries.
    fn searched(&self, name: &str) -> Result<Vec<Reference>, ResolveError> {
        let registries = self.search_registries.iter();
        let images = registries.map(|registry| {
            let image: Reference = format!("{registry}/{name}").parse()?;
            Ok(image.or_latest())
        });
        images.collect()
    }
}

/// A short name without tag and digest. It has no registry, so no port either.
fn repository(name: &str) -> &str {
    name.split([':', '@']).next().unwrap_or(name)
}
