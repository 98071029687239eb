//! Saving images of a store to files.

mod layout;
mod docker_archive;
mod blob;
mod image;
mod target;
mod options;
mod error;

use std::path::Path;

use layerhold::Store;

use self::image::SavedImage;
use self::target::FileTarget;
use crate::progress::Progress;

pub use self::error::SaveError;
pub use self::options::{Compression, SaveOptions, TargetKind, WrittenImage};

/// Writes images to a file or directory. A file gets its name when it is complete.
///
/// Layers are rebuilt bit for bit as they were imported, and checked against the digests in the
/// image's configuration.
///
/// # Errors
///
/// An image is unknown or damaged, or the target cannot be written.
pub fn save(
    store: &Store,
    images: &[String],
    path: &Path,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let found = find(store, images)?;
    match options.kind {
        TargetKind::OciLayout => {
            let target = layout::Directory::open(path)?;
            layout::write(store, &found, target, options, progress)
        }
        TargetKind::OciArchive => {
            let mut file = FileTarget::create(path)?;
            let target = layout::Archive::new(path, file.writer());
            let written = layout::write(store, &found, target, options, progress)?;
            file.publish()?;
            Ok(written)
        }
        TargetKind::DockerArchive => {
            let mut file = FileTarget::create(path)?;
            let written = docker_archive::write(store, &found, path, file.writer(), progress)?;
            file.publish()?;
            Ok(written)
        }
    }
}

/// Writes images as an archive to a stream. [`TargetKind::OciLayout`] is written as an archive too.
///
/// # Errors
///
/// As [`save`].
pub fn save_stream(
    store: &Store,
    images: &[String],
    stream: &mut dyn std::io::Write,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let path = Path::new("standard output");
    let found = find(store, images)?;
    match options.kind {
        TargetKind::DockerArchive => docker_archive::write(store, &found, path, stream, progress),
        _ => {
            let target = layout::Archive::new(path, stream);
            layout::write(store, &found, target, options, progress)
        }
    }
}

fn find(store: &Store, images: &[String]) -> Result<Vec<SavedImage>, SaveError> {
    if images.is_empty() {
        return Err(SaveError::Nothing);
    }
    let snapshot = store.snapshot()?;
    let mut found: Vec<SavedImage> = Vec::new();
    for text in images {
        let image = SavedImage::find(store, &snapshot, text)?;
        match found.iter_mut().find(|other| other.id == image.id) {
            Some(other) => other.add_names(image.names),
            None => found.push(image),
        }
    }
    Ok(found)
}
