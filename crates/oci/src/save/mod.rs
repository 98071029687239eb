//! Saving images of a store to files.

mod layout;
mod docker_archive;
mod blob;
mod target;
mod options;
mod error;

use std::path::Path;

use layerhold::Store;

use self::target::FileTarget;
use crate::progress::{Progress, Reporter};
use crate::stored::StoredImage;

pub(crate) use self::blob::write_layer;
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
pub fn save<S: AsRef<str>>(
    store: &Store,
    images: &[S],
    path: &Path,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let found = find(store, images)?;
    let (store, progress) = &Reporter::new(store, progress);
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
pub fn save_stream<S: AsRef<str>>(
    store: &Store,
    images: &[S],
    stream: &mut dyn std::io::Write,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let path = Path::new("standard output");
    let found = find(store, images)?;
    let (store, progress) = &Reporter::new(store, progress);
    match options.kind {
        TargetKind::DockerArchive => docker_archive::write(store, &found, path, stream, progress),
        _ => {
            let target = layout::Archive::new(path, stream);
            layout::write(store, &found, target, options, progress)
        }
    }
}

fn find<S: AsRef<str>>(store: &Store, images: &[S]) -> Result<Vec<StoredImage>, SaveError> {
    if images.is_empty() {
        return Err(SaveError::Nothing);
    }
    let snapshot = store.snapshot()?;
    let mut found: Vec<StoredImage> = Vec::new();
    for text in images {
        let image = StoredImage::find(store, &snapshot, text.as_ref())?;
        match found.iter_mut().find(|other| other.id == image.id) {
            Some(other) => other.add_names(image.names),
            None => found.push(image),
        }
    }
    Ok(found)
}
