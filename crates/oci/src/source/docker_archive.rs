//! Docker archives: what `docker save` and `podman save` write.
//!
//! `manifest.json` lists, for each image, its configuration, its names and its layers (Go:
//! `image/docker/internal/tarfile/types.go`, `ManifestItem`).

use std::path::{Path, PathBuf};

use super::error::SourceError;
use super::files::{read_manifest, read_small};
use super::found::{FoundImage, FoundLayer, Selection};
use super::tar_index::TarIndex;
use crate::config::Config;
use crate::digest::sha256;
use crate::manifest::MAX_CONFIG_SIZE;
use crate::section::Section;
use crate::typed::{self, FieldError, Typed};

/// An opened archive.
#[derive(Debug)]
pub(crate) struct DockerArchive {
    path: PathBuf,
    index: TarIndex,
}

/// An image as `manifest.json` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ManifestItem {
    pub(super) config: String,
    pub(super) repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl ManifestItem {
    fn new(fields: &Typed) -> Self {
        ManifestItem {
            config: fields.get("Config").text().to_owned(),
            repo_tags: fields.get("RepoTags").texts(),
            layers: fields.get("Layers").texts(),
        }
    }

    /// The names of the image. A name with a digest is refused: other tools trust it, and the
    /// archive does not prove it.
    pub(super) fn names(&self) -> Result<Vec<String>, SourceError> {
        match self.repo_tags.iter().find(|name| name.contains('@')) {
            Some(name) => Err(SourceError::TagWithDigest { name: name.clone() }),
            None => Ok(self.repo_tags.clone()),
        }
    }
}

/// Reads a `manifest.json`.
pub(super) fn items(bytes: &[u8]) -> Result<Vec<ManifestItem>, FieldError> {
    let list = typed::read(bytes, &typed::ARCHIVE_ITEMS)?;
    Ok(list.items().iter().map(ManifestItem::new).collect())
}

impl DockerArchive {
    pub(crate) fn new(path: &Path, index: TarIndex) -> Self {
        DockerArchive {
            path: path.to_owned(),
            index,
        }
    }

    /// Opens a member by its name, following links that stay in the archive.
    pub(crate) fn member(&self, name: &str) -> Result<Section, SourceError> {
        self.index.open(name).ok_or_else(|| SourceError::Missing {
            path: self.path.clone(),
            name: name.to_owned(),
        })
    }

    pub(crate) fn images(&self, selection: Selection<'_>) -> Result<Vec<FoundImage>, SourceError> {
        let bytes = read_manifest("manifest.json", self.member("manifest.json")?)?;
        let items = items(&bytes).map_err(SourceError::DockerManifest)?;
        if items.is_empty() {
            return Err(SourceError::Empty {
                path: self.path.clone(),
            });
        }
        let Some(wanted) = selection.image else {
            return items
                .into_iter()
                .map(|item| self.image(item, selection))
                .collect();
        };
        let offered: Vec<String> = items.iter().flat_map(|item| self.called(item)).collect();
        let found: Vec<FoundImage> = items
            .into_iter()
            .filter(|item| is_called(item, wanted) || self.digest(item).as_deref() == Some(wanted))
            .map(|item| self.image(item, selection))
            .collect::<Result<_, _>>()?;
        if found.is_empty() {
            let wanted = wanted.to_owned();
            return Err(SourceError::NoSuchImage { wanted, offered });
        }
        Ok(found)
    }

    /// How an image can be selected: by its names, or the digest of its configuration.
    fn called(&self, item: &ManifestItem) -> Vec<String> {
        match item.repo_tags.as_slice() {
            [] => self.digest(item).into_iter().collect(),
            names => names.to_vec(),
        }
    }

    /// The digest of the configuration, if it can be read.
    fn digest(&self, item: &ManifestItem) -> Option<String> {
        let section = self.index.open(&item.config)?;
        let bytes = read_small(&item.config, section, MAX_CONFIG_SIZE).ok()?;
        Some(sha256(&bytes).to_string())
    }

    fn image(
        &self,
        item: ManifestItem,
        selection: Selection<'_>,
    ) -> Result<FoundImage, SourceError> {
        let repo_tags = match selection.renames {
            true => Vec::new(),
            false => item.names()?,
        };
        if item.config.is_empty() {
            return Err(SourceError::NoConfig {
                names: item.repo_tags,
            });
        }
        let config_bytes = read_small(&item.config, self.member(&item.config)?, MAX_CONFIG_SIZE)?;
        // The archive names the configuration by its digest, but only the digest computed here
        // counts.
        let config_digest = sha256(&config_bytes);
        let config = Config::parse(&config_bytes).map_err(|source| SourceError::Config {
            name: item.config.clone(),
            source,
        })?;
        if !config.has_root {
            return Err(SourceError::NoRoot { name: item.config });
        }
        selection.check_platform(&config)?;
        let names = item.layers;
        if config.diff_ids.len() != names.len() {
            return Err(SourceError::LayerCount {
                layers: names.len(),
                diff_ids: config.diff_ids.len(),
            });
        }
        let layers = names
            .into_iter()
            .zip(&config.diff_ids)
            .map(|(at, diff_id)| {
                let size = self.member(&at)?.len();
                Ok(FoundLayer {
                    digest: diff_id.clone().into_digest(),
                    size,
                    at,
                    urls: Vec::new(),
                })
            })
            .collect::<Result<_, SourceError>>()?;
        Ok(FoundImage {
            names: repo_tags,
            manifest: None,
            index: None,
            signatures: Vec::new(),
            config_bytes,
            config_digest,
            config,
            layers,
        })
    }
}

/// Names match as written, or after both are completed.
fn is_called(item: &ManifestItem, wanted: &str) -> bool {
    let full = crate::names::normalize_name(wanted).ok();
    item.repo_tags.iter().any(|tag| {
        tag == wanted || full.is_some() && crate::names::normalize_name(tag).ok() == full
    })
}
