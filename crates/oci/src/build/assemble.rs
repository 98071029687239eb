//! Puts an image together in a transaction: layers, configuration, manifest, record.

use std::collections::BTreeMap;
use std::io;

use layerhold::layerhold_schema::Timestamp;
use layerhold::{ImageSpec, Snapshot, Store, Transaction};
use layerhold_ids::{DiffId, Digest, ImageId, LayerId};

use super::contents::{LayerJob, check};
use super::document::{Document, HistoryEntry};
use super::error::BuildError;
use super::source::LayerSource;
use super::{Base, BuiltImage, ImageBuilder};
use crate::big_data::BigData;
use crate::digest::sha256;
use crate::manifest::{Descriptor, MAX_CONFIG_SIZE, MAX_MANIFEST_SIZE, Manifest, ManifestKind};
use crate::media;
use crate::names::complete;
use crate::platform::Platform;
use crate::progress::Reporter;
use crate::save::{Packing, write_layer};
use crate::source::FoundManifest;
use crate::stored::{ChainLayer, StoredImage};

/// A layer of the new image.
struct ImageLayer {
    id: LayerId,
    diff_id: DiffId,
    /// The size of the uncompressed tar in bytes.
    size: u64,
}

/// The image below the new layers.
struct Below {
    document: Document,
    layers: Vec<ImageLayer>,
}

pub(super) fn assemble(
    mut builder: ImageBuilder<'_>,
    transaction: &mut Transaction,
    progress: &Reporter<'_>,
) -> Result<BuiltImage, BuildError> {
    let names = complete(&builder.names, &[])?;
    builder.change.check()?;
    for layer in &builder.layers {
        check(layer)?;
    }
    let created = builder.time();
    let mut below = below(&builder.base, &transaction.store(), progress)?;
    below.document.complete_history(below.layers.len(), created);
    describe(&mut below.document, &builder, created);
    let sources = std::mem::take(&mut builder.layers);
    let layers = add_layers(&builder, sources, below.layers, transaction, progress)?;
    let diff_ids: Vec<DiffId> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
    below.document.set_diff_ids(&diff_ids);
    let configuration = below.document.to_json();
    let config_digest = sha256(&configuration);
    let manifest = manifest(&config_digest, &configuration, &layers, builder.annotations);
    within("configuration", &configuration, MAX_CONFIG_SIZE)?;
    within("manifest", &manifest, MAX_MANIFEST_SIZE)?;
    let built = BuiltImage {
        id: image_id(&config_digest),
        names,
        digest: sha256(&manifest),
        manifest,
        configuration,
        layers: layers.into_iter().map(|layer| layer.id).collect(),
        diff_ids,
    };
    transaction.create_image(spec(&built, config_digest, created))?;
    Ok(built)
}

/// Refuses a document that no tool would read.
fn within(document: &'static str, bytes: &[u8], limit: u64) -> Result<(), BuildError> {
    let size = bytes.len() as u64;
    if size > limit {
        return Err(BuildError::TooLarge {
            document,
            size,
            limit,
        });
    }
    Ok(())
}

/// Writes into the configuration what is known before the layers are.
fn describe(document: &mut Document, builder: &ImageBuilder<'_>, created: Timestamp) {
    document.apply(&builder.change);
    if !document.has_platform() {
        document.set_platform(&Platform::host());
    }
    document.set_created(created);
    let mut add = |created_by: &str, is_empty_layer| {
        document.add_history(&HistoryEntry {
            created,
            created_by,
            author: builder.change.author.as_deref().unwrap_or_default(),
            comment: &builder.comment,
            is_empty_layer,
        });
    };
    if builder.layers.is_empty() {
        add("layerhold: configuration", true);
    }
    for layer in &builder.layers {
        add(&layer.history_text(), false);
    }
}

fn add_layers(
    builder: &ImageBuilder<'_>,
    sources: Vec<LayerSource<'_>>,
    mut layers: Vec<ImageLayer>,
    transaction: &mut Transaction,
    progress: &Reporter<'_>,
) -> Result<Vec<ImageLayer>, BuildError> {
    let of = sources.len();
    for (index, source) in sources.into_iter().enumerate() {
        let job = LayerJob {
            index,
            of,
            source,
            parent: layers.last().map(|layer| layer.id.clone()),
            time: builder.timestamp,
            scratch: &builder.scratch,
            progress,
        };
        let staged = job.run(transaction)?;
        let digests = staged.digests().ok_or_else(|| BuildError::Unidentified {
            layer: staged.id().clone(),
        })?;
        layers.push(ImageLayer {
            id: staged.id().clone(),
            diff_id: digests.diff_id.clone(),
            size: digests.diff_size,
        });
    }
    Ok(layers)
}

/// The manifest. Layers are listed by their uncompressed tars, which is what a store can produce
/// again.
fn manifest(
    config_digest: &Digest,
    configuration: &[u8],
    layers: &[ImageLayer],
    annotations: BTreeMap<String, String>,
) -> Vec<u8> {
    let config = blob(media::OCI_CONFIG, config_digest, configuration.len() as u64);
    let layers = layers
        .iter()
        .map(|layer| blob(media::OCI_LAYER, layer.diff_id.digest(), layer.size));
    Manifest {
        kind: ManifestKind::Oci,
        media_type: media::OCI_MANIFEST.to_owned(),
        artifact_type: String::new(),
        config,
        layers: layers.collect(),
        subject: None,
        annotations,
    }
    .to_json()
}

/// The record of the image and its big data items.
fn spec(built: &BuiltImage, config_digest: Digest, created: Timestamp) -> ImageSpec {
    let manifest = FoundManifest {
        digest: built.digest.clone(),
        bytes: built.manifest.clone(),
    };
    let documents = BigData::built(manifest, config_digest, built.configuration.clone());
    let mut spec = ImageSpec::new()
        .id(built.id.clone())
        // Go adds the names one by one, each before the existing ones.
        .names(built.names.iter().rev().cloned())
        .move_names()
        .update_present()
        .created(created)
        .digest(built.digest.clone())
        .metadata(documents.metadata());
    spec.top_layer = built.layers.last().cloned();
    documents
        .big_data()
        .into_iter()
        .fold(spec, ImageSpec::big_data)
}

fn image_id(config: &Digest) -> ImageId {
    config
        .hex()
        .parse()
        .expect("the digits of a digest are a valid image ID")
}

fn blob(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.clone(),
        size,
        platform: None,
        annotations: Default::default(),
        urls: Vec::new(),
    }
}

fn below(base: &Base, store: &Store, progress: &Reporter<'_>) -> Result<Below, BuildError> {
    let nothing = || Below {
        document: Document::empty(),
        layers: Vec::new(),
    };
    let view = store.snapshot()?;
    match base {
        Base::Scratch => Ok(nothing()),
        Base::Configuration(bytes) => {
            let mut below = nothing();
            if let Some(document) = Document::of_base(bytes) {
                below.document = document;
                below.document.clear_history();
            }
            Ok(below)
        }
        Base::Image(text) => on_image(store, &view, text, progress),
        Base::OfContainer(container) => match view.container(container)?.image() {
            Some(image) => on_image(store, &view, image.as_str(), progress),
            None => Ok(nothing()),
        },
    }
}

fn on_image(
    store: &Store,
    view: &Snapshot,
    text: &str,
    progress: &Reporter<'_>,
) -> Result<Below, BuildError> {
    let image = StoredImage::find(store, view, text)?;
    let document = Document::of_base(&image.config_bytes);
    let document = document.ok_or_else(|| BuildError::Configuration {
        image: image.id.clone(),
    })?;
    let layers = image
        .layers
        .iter()
        .map(|layer| measured(store, layer, progress));
    Ok(Below {
        document,
        layers: layers.collect::<Result<_, _>>()?,
    })
}

/// A layer with its size. Where that is not recorded, the tar is made, and checked on the way.
fn measured(
    store: &Store,
    layer: &ChainLayer,
    progress: &Reporter<'_>,
) -> Result<ImageLayer, BuildError> {
    let size = match layer.size {
        Some(size) => size,
        None => {
            write_layer(
                store,
                layer,
                0,
                Packing::PLAIN,
                &mut io::sink(),
                &progress.quietly(),
            )
            .map_err(|source| BuildError::BaseLayer {
                layer: layer.id.clone(),
                source: Box::new(source),
            })?
            .size
        }
    };
    Ok(ImageLayer {
        id: layer.id.clone(),
        diff_id: layer.diff_id.clone(),
        size,
    })
}
