//! Loading images into a store.

mod layer;
mod options;
mod error;

use std::io::Read;
use std::path::Path;

use layerhold::{BigDataItem, ImageSpec, Store, Transaction};
use layerhold_ids::{Digest, ImageId};

use self::layer::{LayerImport, StoredLayer};
use crate::big_data::BigData;
use crate::names::complete;
use crate::progress::{Event, Progress, Reporter};
use crate::source::{FoundImage, OpenSource, Selection, SourceKind};

pub use self::error::LoadError;
pub use self::options::{LoadOptions, LoadedImage};

/// Loads the images of a file or directory: an OCI layout, an OCI archive or a docker archive,
/// which may be compressed as a whole.
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
        let image = Incoming::new(&entries, source, options)?;
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

/// An image to load.
struct Incoming {
    id: ImageId,
    names: Vec<String>,
    kind: SourceKind,
}

impl Incoming {
    fn new(
        entries: &[FoundImage],
        source: &OpenSource,
        options: &LoadOptions,
    ) -> Result<Self, LoadError> {
        let found = || {
            entries
                .iter()
                .flat_map(|entry| entry.names.clone())
                .collect()
        };
        let names: Vec<String> = options.names.clone().unwrap_or_else(found);
        let manifests = entries.iter().filter_map(|entry| entry.manifest.as_ref());
        let indices = entries.iter().filter_map(|entry| entry.index.as_ref());
        let digests: Vec<&Digest> = manifests
            .map(|manifest| &manifest.digest)
            .chain(indices.map(|(digest, _)| digest))
            .collect();
        let digest = entries.first().map(|entry| &entry.config_digest);
        let id = digest.and_then(|digest| digest.hex().parse().ok());
        Ok(Incoming {
            // The digits of a digest are always a valid ID, and there is at least one entry.
            id: id.ok_or(LoadError::ImageId)?,
            names: complete(&names, &digests)?,
            kind: source.kind(),
        })
    }

    fn bring_in(
        self,
        store: &Store,
        transaction: &mut Transaction,
        source: &OpenSource,
        entries: Vec<FoundImage>,
        progress: &Reporter<'_>,
    ) -> Result<LoadedImage, LoadError> {
        let mut spec = ImageSpec::new()
            .id(self.id.clone())
            // Go adds the names one by one, each before the existing ones.
            .names(self.names.iter().rev().cloned())
            .move_names()
            .update_present();
        let mut items = Vec::new();
        let mut loaded = LoadedImage {
            id: self.id,
            names: self.names,
            digest: None,
            imported: 0,
            reused: 0,
            source: self.kind,
        };
        for entry in entries {
            let layers = import_layers(store, transaction, source, &entry, progress)?;
            loaded.imported += layers.iter().filter(|layer| !layer.reused).count();
            loaded.reused += layers.iter().filter(|layer| layer.reused).count();
            let created = entry.config.created.as_deref();
            spec.created = created.and_then(|time| time.parse().ok());
            spec.top_layer = layers.last().map(|top| top.id.clone());
            let sizes: Vec<u64> = layers.iter().map(|layer| layer.unpacked_size).collect();
            let data = BigData::of(entry, &sizes);
            spec.metadata = data.metadata();
            spec.digest
                .get_or_insert_with(|| data.first_digest().clone());
            loaded.digest = Some(data.manifest.digest.clone());
            add_items(&mut items, data.big_data());
        }
        for item in items {
            spec = spec.big_data(item);
        }
        transaction.create_image(spec)?;
        Ok(loaded)
    }
}

/// Adds big data items; a later one replaces an earlier one of the same name.
fn add_items(items: &mut Vec<BigDataItem>, more: Vec<BigDataItem>) {
    for item in more {
        match items.iter_mut().find(|known| known.key == item.key) {
            Some(known) => *known = item,
            None => items.push(item),
        }
    }
}

fn import_layers(
    store: &Store,
    transaction: &mut Transaction,
    source: &OpenSource,
    image: &FoundImage,
    progress: &Reporter<'_>,
) -> Result<Vec<StoredLayer>, LoadError> {
    let mut layers: Vec<StoredLayer> = Vec::with_capacity(image.layers.len());
    for (index, (layer, diff_id)) in image.layers.iter().zip(&image.config.diff_ids).enumerate() {
        let step = LayerImport {
            index,
            of: image.layers.len(),
            layer,
            diff_id,
            parent: layers.last().map(|below| &below.id),
        };
        layers.push(step.run(store, transaction, source, progress)?);
    }
    Ok(layers)
}
