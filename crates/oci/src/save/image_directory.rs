//! Directories with one image and its signatures, which skopeo calls `dir:`.

use std::path::{Path, PathBuf};

use layerhold::Store;
use layerhold_archive::Codec;
use layerhold_sys::{Dir, Durability, best_effort, publish, stat_ambient};

use super::blobs::{BlobFiles, BlobWriter, remove_new_directory};
use super::error::SaveError;
use super::options::{SaveOptions, WrittenImage};
use crate::digest::sha256;
use crate::image_directory::{
    MANIFEST_FILE, VERSION, VERSION_FILE, blob_file, is_known, is_of_image, signature_file,
};
use crate::manifest::ManifestKind;
use crate::progress::Reporter;
use crate::stored::StoredImage;
use crate::written::manifest;

/// Writes an image in the place of the one that is there. The manifest stays as it is if it names
/// the layers that are written.
pub(super) fn write(
    store: &Store,
    images: &[StoredImage],
    path: &Path,
    options: &SaveOptions,
    progress: &Reporter<'_>,
) -> Result<Vec<WrittenImage>, SaveError> {
    let [image] = images else {
        return Err(SaveError::SeveralImages {
            path: path.to_owned(),
        });
    };
    let mut target = ImageDirectory::open(path)?;
    let layers = BlobWriter::new(store, options, progress).write(image, &mut target.blobs)?;
    // Docker's manifests have no type for zstd.
    let kind = match layers.iter().any(|(_, codec)| *codec == Codec::Zstd) {
        true => ManifestKind::Oci,
        false => image.manifest.kind,
    };
    let manifest = manifest(image, &layers, kind, options.compression.labels());
    if !image.signatures.is_empty() && manifest != image.manifest_bytes {
        return Err(SaveError::Signed {
            image: image.id.clone(),
        });
    }
    progress.check()?;
    let mut blobs: Vec<String> = layers
        .iter()
        .map(|(blob, _)| blob_file(&blob.digest))
        .collect();
    blobs.push(blob_file(&image.config_digest));
    target.finish(&blobs, &manifest, &image.signatures)?;
    Ok(vec![WrittenImage {
        id: image.id.clone(),
        names: Vec::new(),
        digest: Some(sha256(&manifest)),
        lost_signatures: 0,
    }])
}

/// A directory whose image is being written. What was added is removed again when that fails.
struct ImageDirectory {
    path: PathBuf,
    directory: Dir,
    blobs: BlobFiles,
    is_new: bool,
    had_version: bool,
    is_finished: bool,
}

impl ImageDirectory {
    fn open(path: &Path) -> Result<Self, SaveError> {
        let is_new = stat_ambient(path)?.is_none();
        let directory = Dir::create_ambient_all(path, 0o755)?;
        let version = directory.read_file(VERSION_FILE, 4096)?;
        let is_usable = match &version {
            Some(version) => is_known(&String::from_utf8_lossy(version)),
            None => directory.entries()?.next().is_none(),
        };
        if !is_usable {
            return Err(SaveError::NotAnImageDirectory {
                path: path.to_owned(),
            });
        }
        let target = ImageDirectory {
            path: path.to_owned(),
            blobs: BlobFiles::new(directory.clone()),
            directory,
            is_new,
            had_version: version.is_some(),
            is_finished: false,
        };
        if version.is_none() {
            // A save that is killed leaves a directory that the next one takes.
            target.publish(VERSION_FILE, VERSION.as_bytes())?;
        }
        Ok(target)
    }

    /// Puts the image in the place of the one that was there. Between the two there is no manifest,
    /// so that a crash never leaves one with the signatures of the other.
    fn finish(
        mut self,
        blobs: &[String],
        manifest: &[u8],
        signatures: &[Vec<u8>],
    ) -> Result<(), SaveError> {
        // From here on the image that was there is gone, and the blobs are of use to the next try.
        self.is_finished = true;
        let mut stale = vec![MANIFEST_FILE.to_owned()];
        for entry in self.directory.entries()? {
            let Ok(name) = entry?.name.into_string() else {
                continue;
            };
            if is_of_image(&name) && name != MANIFEST_FILE && !blobs.contains(&name) {
                stale.push(name);
            }
        }
        for name in stale {
            match self.directory.remove_file(&name) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        self.blobs.sync()?;
        for (number, signature) in (1..).zip(signatures) {
            self.publish(&signature_file(None, number), signature)?;
        }
        self.publish(VERSION_FILE, VERSION.as_bytes())?;
        self.publish(MANIFEST_FILE, manifest)
    }

    fn publish(&self, name: &str, bytes: &[u8]) -> Result<(), SaveError> {
        publish(&self.directory, name, 0o644, &[bytes], Durability::Durable)?;
        Ok(())
    }
}

impl Drop for ImageDirectory {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        // The error that ended the save is the one to report.
        self.blobs.remove_added();
        if !self.had_version {
            best_effort(self.directory.remove_file(VERSION_FILE));
        }
        if self.is_new {
            remove_new_directory(&self.path);
        }
    }
}
