//! Loading images into a store.

mod incoming;
mod layer;
mod options;
mod error;

use std::io::Read;
use std::path::Path;

use layerhold::Store;

use crate::progress::{Event, Progress, Reporter};
use crate::source::{FoundImage, OpenSource, Selection};

pub use self::error::LoadError;
pub(crate) use self::incoming::Incoming;
pub use self::options::{LoadOptions, LoadedImage};

/// Loads the images of a file or directory: an OCI layout, a directory that skopeo calls `dir:`, or
/// an OCI archive or a docker archive, which may be compressed as a whole.
///
/// An image becomes visible with all its layers, and all images of a source become visible
/// together. Every digest is checked while its bytes are read.
///
/// # Errors
///
/// Fails when the source cannot be read, when a digest does not match, or when the store
/// refuses. The store is then as it was before.
pub fn load(
    store: &Store,
    path: &Path,
    options: &LoadOptions,
    progress: &dyn Progress,
) -> Result<Vec<LoadedImage>, LoadError> {
    let (store, progress) = Reporter::new(store, progress);
    let source = OpenSource::open(path, &options.scratch, progress.cancel())?;
    load_source(&store, &source, options, &progress)
}

/// Loads the images of an archive that comes as a stream.
///
/// The stream is first copied to an unnamed file, because the members of archives are not in the
/// order in which they are needed.
///
/// # Errors
///
/// As [`load`].
pub fn load_stream(
    store: &Store,
    stream: &mut dyn Read,
    options: &LoadOptions,
    progress: &dyn Progress,
) -> Result<Vec<LoadedImage>, LoadError> {
    let (store, progress) = Reporter::new(store, progress);
    let source = OpenSource::from_stream(stream, &options.scratch, progress.cancel())?;
    load_source(&store, &source, options, &progress)
}

fn load_source(
    store: &Store,
    source: &OpenSource,
    options: &LoadOptions,
    progress: &Reporter<'_>,
) -> Result<Vec<LoadedImage>, LoadError> {
    let contents = source.contents(Selection {
        image: options.image.as_deref(),
        platform: options.platform.as_ref(),
        renames: options.names.is_some(),
        keeps_signatures: !options.remove_signatures,
    })?;
    for (digest, reason) in &contents.others {
        progress.event(Event::Skipped { digest, reason });
    }
    let images = by_configuration(contents.images);
    if options.names.is_some() && images.len() > 1 {
        return Err(LoadError::NamesForSeveral {
            count: images.len(),
        });
    }
    let mut transaction = store.begin()?;
    let mut loaded = Vec::new();
    for entries in images {
        let image = Incoming::new(&entries, options.names.as_deref())?;
        loaded.push(image.bring_in(store, &mut transaction, source, entries, progress)?);
    }
    progress.event(Event::Committing);
    transaction.commit()?;
    Ok(loaded)
}

/// Groups entries that become one image: an image with several names has an entry for each in an
/// OCI layout, and one image may be listed with several compressions of its layers.
fn by_configuration(found: Vec<FoundImage>) -> Vec<Vec<FoundImage>> {
    let mut images: Vec<Vec<FoundImage>> = Vec::new();
    for entry in found {
        let same = |image: &&mut Vec<FoundImage>| {
            image
                .first()
                .is_some_and(|first| first.config_digest == entry.config_digest)
        };
        match images.iter_mut().find(same) {
            Some(image) => image.push(entry),
            None => images.push(vec![entry]),
        }
    }
    images
}
