//! Docker archives: what `docker save` and `podman save` write.
//!
//! `manifest.json` lists, for each image, its configuration, its names and its layers (Go:
//! `image/docker/internal/tarfile/types.go`, `ManifestItem`).

use std::path::{Path, PathBuf};

use layerhold_ids::Algorithm;
use serde::Deserialize;

use super::{FoundImage, FoundLayer, SourceError, TarIndex, read_manifest, read_small};
use crate::config::Config;
use crate::digest::digest_of;
use crate::manifest::MAX_CONFIG_SIZE;
use crate::section::Section;

/// An opened archive.
#[derive(Debug)]
pub(crate) struct DockerArchive {
    path: PathBuf,
    index: TarIndex,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
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

    pub(crate) fn images(&self, wanted: Option<&str>) -> Result<Vec<FoundImage>, SourceError> {
        let bytes = read_manifest("manifest.json", self.member("manifest.json")?)?;
        let items: Vec<Item> =
            serde_json::from_slice(&bytes).map_err(SourceError::DockerManifest)?;
        if items.is_empty() {
            return Err(SourceError::Empty {
                path: self.path.clone(),
            });
        }
        let offered: Vec<String> = items
            .iter()
            .flat_map(|item| item.repo_tags.iter().flatten().cloned())
            .collect();
        let found: Vec<FoundImage> = items
            .into_iter()
            .filter(|item| wanted.is_none_or(|wanted| is_called(item, wanted)))
            .map(|item| self.image(item))
            .collect::<Result<_, _>>()?;
        match wanted {
            Some(wanted) if found.is_empty() => Err(SourceError::NoSuchImage {
                wanted: wanted.to_owned(),
                offered,
            }),
            _ => Ok(found),
        }
    }

    fn image(&self, item: Item) -> Result<FoundImage, SourceError> {
        let config_bytes = read_small(&item.config, self.member(&item.config)?, MAX_CONFIG_SIZE)?;
        // The archive names the configuration by its digest but nothing depends on that name:
        // the digest that counts is the one computed here.
        let config_digest = digest_of(Algorithm::Sha256, &config_bytes);
        let config = Config::parse(&config_bytes).map_err(|source| SourceError::Config {
            name: item.config,
            source,
        })?;
        let names = item.layers.unwrap_or_default();
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
                })
            })
            .collect::<Result<_, SourceError>>()?;
        Ok(FoundImage {
            names: item.repo_tags.unwrap_or_default(),
            manifest: None,
            index: None,
            config_bytes,
            config_digest,
            config,
            layers,
        })
    }
}

/// Names match as written, or once both are completed.
fn is_called(item: &Item, wanted: &str) -> bool {
    let full = crate::reference::normalize_name(wanted).ok();
    item.repo_tags.iter().flatten().any(|tag| {
        tag == wanted || full.is_some() && crate::reference::normalize_name(tag).ok() == full
    })
}
