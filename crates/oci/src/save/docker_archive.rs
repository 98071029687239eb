//! Docker archives: plain layers, configurations, `manifest.json` and `repositories` in a tar.
//!
//! Go: `image/docker/internal/tarfile/writer.go`. The directories of layers for docker before 1.10
//! are not written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use layerhold::Store;
use layerhold_tar_format::{EntryKind, Header, Writer};
use serde::Serialize;

use super::blob::{Packing, announce, write_layer};
use super::error::SaveError;
use super::options::WrittenImage;
use crate::progress::{Event, Reporter};
use crate::stored::StoredImage;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestItem {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// A tar being written, with its name for messages.
pub(super) struct Tar<'a> {
    path: &'a Path,
    writer: Writer<&'a mut dyn Write>,
}

impl<'a> Tar<'a> {
    pub(super) fn new(path: &'a Path, target: &'a mut dyn Write) -> Self {
        Tar {
            path,
            writer: Writer::new(target),
        }
    }

    /// Begins a member. Times and owners are zero, so that equal images give equal archives.
    pub(super) fn begin(
        &mut self,
        kind: EntryKind,
        name: &str,
        mode: i64,
        size: u64,
    ) -> Result<(), SaveError> {
        let mut header = Header::new(kind, name);
        header.mode = mode;
        header.size = i64::try_from(size).unwrap_or(i64::MAX);
        self.writer
            .write_header(&header)
            .map_err(|source| SaveError::Tar {
                path: self.path.to_owned(),
                source,
            })
    }

    pub(super) fn end(&mut self) -> Result<(), SaveError> {
        self.writer.finish_entry().map_err(|source| SaveError::Tar {
            path: self.path.to_owned(),
            source,
        })
    }

    pub(super) fn add(&mut self, name: &str, mode: i64, data: &[u8]) -> Result<(), SaveError> {
        self.begin(EntryKind::Regular, name, mode, data.len() as u64)?;
        self.writer
            .write_content(data)
            .map_err(|source| SaveError::Tar {
                path: self.path.to_owned(),
                source,
            })?;
        self.end()
    }

    pub(super) fn finish(self) -> Result<(), SaveError> {
        let path = self.path;
        let target = self.writer.finish().map_err(|source| SaveError::Tar {
            path: path.to_owned(),
            source,
        })?;
        target.flush().map_err(|source| SaveError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

impl Write for Tar<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer
            .write_content(bytes)
            .map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The mode of the members, as Go writes it.
const READ_ONLY: i64 = 0o444;

pub(super) fn write(
    store: &Store,
    images: &[StoredImage],
    path: &Path,
    target: &mut dyn Write,
    progress: &Reporter<'_>,
) -> Result<Vec<WrittenImage>, SaveError> {
    let mut tar = Tar::new(path, target);
    let mut present = BTreeSet::new();
    let mut items = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
    for image in images {
        write_layers(store, image, &mut tar, &mut present, progress)?;
        let config = format!("{}.json", image.config_digest.hex());
        if present.insert(config.clone()) {
            tar.add(&config, READ_ONLY, &image.config_bytes)?;
        }
        let names = image.tagged_names();
        if let Some(top) = image.layers.last() {
            for (repository, tag) in names.iter().filter_map(|name| name.rsplit_once(':')) {
                repositories
                    .entry(repository.to_owned())
                    .or_default()
                    .insert(tag.to_owned(), top.diff_id.hex());
            }
        }
        items.push(ManifestItem {
            config,
            repo_tags: names,
            layers: image
                .layers
                .iter()
                .map(|l| member(l.diff_id.hex()))
                .collect(),
        });
    }
    let json = |value: serde_json::Result<Vec<u8>>| {
        value.expect("texts and lists of texts always become JSON")
    };
    tar.add(
        "manifest.json",
        READ_ONLY,
        &json(serde_json::to_vec(&items)),
    )?;
    if !repositories.is_empty() {
        tar.add(
            "repositories",
            READ_ONLY,
            &json(serde_json::to_vec(&repositories)),
        )?;
    }
    progress.check()?;
    tar.finish()?;
    Ok(images
        .iter()
        .map(|image| WrittenImage {
            id: image.id.clone(),
            names: image.tagged_names(),
            digest: None,
            lost_signatures: image.signatures.len(),
        })
        .collect())
}

fn member(hex: &str) -> String {
    format!("{hex}.tar")
}

fn write_layers(
    store: &Store,
    image: &StoredImage,
    tar: &mut Tar<'_>,
    present: &mut BTreeSet<String>,
    progress: &Reporter<'_>,
) -> Result<(), SaveError> {
    for (index, layer) in image.layers.iter().enumerate() {
        let name = member(layer.diff_id.hex());
        if !present.insert(name.clone()) {
            continue;
        }
        announce(progress, image, index);
        let size = match layer.size {
            Some(size) => size,
            // Old records may lack the size: measure first, then write.
            None => {
                let (quiet, nowhere) = (progress.quietly(), &mut std::io::sink());
                write_layer(store, layer, index, Packing::PLAIN, nowhere, &quiet)?.size
            }
        };
        tar.begin(EntryKind::Regular, &name, READ_ONLY, size)?;
        write_layer(store, layer, index, Packing::PLAIN, tar, progress)?;
        tar.end()?;
        progress.event(Event::LayerFinished { index });
    }
    Ok(())
}
