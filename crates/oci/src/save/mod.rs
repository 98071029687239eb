//! Saving images of a store to files.

mod layout;
mod docker_archive;
mod image_directory;
mod blobs;
mod blob;
mod options;
mod error;

use std::io::{BufWriter, Write};
use std::path::Path;

use layerhold::Store;
use layerhold_sys::OutputFile;

use crate::copy::PIECE;
use crate::progress::{Progress, Reporter};
use crate::stored::StoredImage;

pub(crate) use self::blob::{Packing, write_layer};
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
    let found = find(store, images, options)?;
    let (store, progress) = &Reporter::new(store, progress);
    match options.kind {
        TargetKind::OciLayout => {
            let target = layout::Directory::open(path)?;
            layout::write(store, &found, target, options, progress)
        }
        TargetKind::OciArchive => write_file(path, |file| {
            let target = layout::Archive::new(path, file);
            layout::write(store, &found, target, options, progress)
        }),
        TargetKind::DockerArchive => write_file(path, |file| {
            docker_archive::write(store, &found, path, file, progress)
        }),
        TargetKind::ImageDirectory => {
            image_directory::write(store, &found, path, options, progress)
        }
    }
}

/// Writes a file that gets its name when it is complete.
fn write_file<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, SaveError>,
) -> Result<T, SaveError> {
    let error = |source| SaveError::Write {
        path: path.to_owned(),
        source,
    };
    let file = OutputFile::create(path).map_err(error)?;
    let mut buffered = BufWriter::with_capacity(PIECE, file);
    let written = write(&mut buffered)?;
    let file = buffered.into_inner();
    let file = file.map_err(|failed| error(failed.into_error()))?;
    file.publish().map_err(error)?;
    Ok(written)
}

/// Writes images as an archive to a stream. What would be a directory is written as an OCI archive.
///
/// # Errors
///
/// As [`save`].
pub fn save_stream<S: AsRef<str>>(
    store: &Store,
    images: &[S],
    stream: &mut dyn Write,
    options: &SaveOptions,
    progress: &dyn Progress,
) -> Result<Vec<WrittenImage>, SaveError> {
    let path = Path::new("standard output");
    let found = find(store, images, options)?;
    let (store, progress) = &Reporter::new(store, progress);
    match options.kind {
        TargetKind::DockerArchive => docker_archive::write(store, &found, path, stream, progress),
        _ => {
            let target = layout::Archive::new(path, stream);
            layout::write(store, &found, target, options, progress)
        }
    }
}

/// Finds the images, with the signatures that are to come along.
fn find<S: AsRef<str>>(
    store: &Store,
    images: &[S],
    options: &SaveOptions,
) -> Result<Vec<StoredImage>, SaveError> {
    if images.is_empty() {
        return Err(SaveError::Nothing);
    }
    let snapshot = store.snapshot()?;
    let mut found: Vec<StoredImage> = Vec::new();
    for text in images {
        let mut image = StoredImage::find(store, &snapshot, text.as_ref())?;
        if options.remove_signatures {
            image.signatures.clear();
        }
        match found.iter_mut().find(|other| other.id == image.id) {
            Some(other) => other.add_names(image.names),
            None => found.push(image),
        }
    }
    Ok(found)
}
