//! Where the blobs of images go: to a directory or into a tar.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use layerhold::Store;
use layerhold_archive::Codec;
use layerhold_ids::Digest;
use layerhold_sys::{Dir, Durability, RenameHow, best_effort, publish, random_suffix};

use super::blob::{Packing, announce, write_layer};
use super::error::SaveError;
use super::options::SaveOptions;
use crate::copy::PIECE;
use crate::progress::{Event, Reporter};
use crate::stored::{ChainLayer, StoredImage};
use crate::written::{Blob, oci_suffix};

/// A place for blobs.
pub(super) trait Blobs {
    /// Whether a blob exists already.
    fn has(&self, digest: &Digest) -> bool;
    /// Adds a small blob.
    fn add(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), SaveError>;
    /// Adds a layer.
    fn add_layer(&mut self, layer: LayerJob<'_>) -> Result<Blob, SaveError>;
}

/// A layer to be written.
pub(super) struct LayerJob<'a> {
    pub(super) store: &'a Store,
    pub(super) layer: &'a ChainLayer,
    pub(super) index: usize,
    pub(super) codec: Codec,
    pub(super) options: &'a SaveOptions,
    pub(super) progress: &'a Reporter<'a>,
}

impl LayerJob<'_> {
    pub(super) fn write(&self, target: &mut dyn Write) -> Result<Blob, SaveError> {
        write_layer(
            self.store,
            self.layer,
            self.index,
            Packing::on_all_cores(self.codec),
            target,
            self.progress,
        )
    }
}

/// Writes the blobs of images, each layer once.
pub(super) struct BlobWriter<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a SaveOptions,
    pub(super) progress: &'a Reporter<'a>,
    written: BTreeMap<(Digest, &'static str), Blob>,
}

impl<'a> BlobWriter<'a> {
    pub(super) fn new(
        store: &'a Store,
        options: &'a SaveOptions,
        progress: &'a Reporter<'a>,
    ) -> Self {
        BlobWriter {
            store,
            options,
            progress,
            written: BTreeMap::new(),
        }
    }

    /// Writes the layers and the configuration of an image; returns the layers.
    pub(super) fn write<B: Blobs>(
        &mut self,
        image: &StoredImage,
        target: &mut B,
    ) -> Result<Vec<(Blob, Codec)>, SaveError> {
        let mut blobs = Vec::new();
        for (index, layer) in image.layers.iter().enumerate() {
            let codec = self.options.compression.codec(layer.codec);
            let key = (layer.diff_id.digest().clone(), oci_suffix(codec));
            if let Some(blob) = self.written.get(&key) {
                blobs.push((blob.clone(), codec));
                continue;
            }
            announce(self.progress, image, index);
            let blob = target.add_layer(LayerJob {
                store: self.store,
                layer,
                index,
                codec,
                options: self.options,
                progress: self.progress,
            })?;
            self.progress.event(Event::LayerFinished { index });
            self.written.insert(key, blob.clone());
            blobs.push((blob, codec));
        }
        if !target.has(&image.config_digest) {
            target.add(&image.config_digest, &image.config_bytes)?;
        }
        Ok(blobs)
    }
}

/// Blobs as files of a directory, named by the digits of their digests.
pub(super) struct BlobFiles {
    directory: Dir,
    /// Those that were not there before.
    added: Vec<String>,
}

impl BlobFiles {
    pub(super) fn new(directory: Dir) -> Self {
        BlobFiles {
            directory,
            added: Vec::new(),
        }
    }

    /// Makes sure that the names of the files are on the disk.
    pub(super) fn sync(&self) -> Result<(), SaveError> {
        Ok(self.directory.sync()?)
    }

    /// Removes the files that were not there before. The error that ended the save is the one to
    /// report.
    pub(super) fn remove_added(&mut self) {
        for blob in self.added.drain(..) {
            best_effort(self.directory.remove_file(&blob));
        }
    }

    /// Notes a blob that is about to be added.
    fn will_add(&mut self, digest: &Digest) {
        if !self.has(digest) {
            self.added.push(digest.hex().to_owned());
        }
    }
}

impl Blobs for BlobFiles {
    fn has(&self, digest: &Digest) -> bool {
        matches!(self.directory.stat(digest.hex()), Ok(Some(_)))
    }

    fn add(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), SaveError> {
        self.will_add(digest);
        let name = digest.hex();
        publish(&self.directory, name, 0o644, &[bytes], Durability::Durable)?;
        Ok(())
    }

    fn add_layer(&mut self, job: LayerJob<'_>) -> Result<Blob, SaveError> {
        let path = self.directory.path().to_owned();
        let error = |source| SaveError::Write {
            path: path.clone(),
            source,
        };
        let temporary = format!("{TEMPORARY}{}", random_suffix()?);
        let file = self.directory.create_file(&temporary, 0o644)?;
        let mut writer = BufWriter::with_capacity(PIECE, file);
        let result = job.write(&mut writer).and_then(|blob| {
            let file = writer.into_inner().map_err(|e| error(e.into_error()))?;
            file.sync_data().map_err(error)?;
            self.will_add(&blob.digest);
            let name = blob.digest.hex();
            self.directory
                .rename(&temporary, &self.directory, name, RenameHow::Replace)?;
            Ok(blob)
        });
        if result.is_err() {
            // The first error is the one to report; the leftover is only a temporary file.
            best_effort(self.directory.remove_file(&temporary));
        }
        result
    }
}

/// Removes a directory that was made for a save which has failed, if it is empty. The error that
/// ended the save is the one to report.
pub(super) fn remove_new_directory(path: &Path) {
    if let Some(name) = path.file_name() {
        let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
        let parent = Dir::open_ambient(parent.unwrap_or(Path::new(".")));
        best_effort(parent.and_then(|parent| parent.remove_empty_dir(name)));
    }
}

/// How the names of unfinished files begin.
const TEMPORARY: &str = ".tmp-";
