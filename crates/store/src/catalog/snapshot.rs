//! A snapshot of the store.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use layerhold_ids::{CompressedDigest, ContainerId, DiffId, Digest, ImageId, LayerId, TocDigest};
use layerhold_json_store::{Damaged, Snapshot as RecordSnapshot};

use crate::catalog::error::LookupError;
use crate::catalog::key::Key;
use crate::catalog::lookup;
use crate::catalog::record_stores::{MergedRecords, Records};
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::{
    BY_COMPRESSED_DIGEST, BY_DIFF_DIGEST, BY_DIGEST, BY_IMAGE, BY_LAYER, BY_PARENT, BY_TOC_DIGEST,
    BY_TOP_LAYER, Container, Image, Layer,
};

/// All layers, images and containers as they were at one moment.
///
/// It holds no lock and never changes. Records are parsed when they are asked for, so one lookup
/// among ten thousand layers costs little more than reading the file. Incomplete layers are left
/// out.
///
/// Items of additional stores come after those of this store. An item that several stores have is
/// listed once, as the first of them has it; Go lists it once for each.
///
/// ```
/// # use layerhold::{ContainerSpec, ImageSpec, LayerSpec, StoreOptions};
/// use layerhold::Store;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
/// # let store = Store::open(options)?;
/// # let mut tx = store.begin()?;
/// # let layer = tx.import_layer(LayerSpec::new(), std::io::Cursor::new(vec![0u8; 1024]))?;
/// # let image = tx.create_image(ImageSpec::new().without_manifest().name("alpine").top_layer(&layer))?;
/// # tx.create_container(ContainerSpec::new().name("box").image(image))?;
/// # tx.commit()?;
/// let view = store.snapshot()?;
/// for image in view.images() {
///     println!("{} {:?}", image.id(), image.names());
/// }
/// let image = view.image("alpine")?; // by ID, name or unique prefix of an ID
/// let layers = match image.top_layer() {
///     Some(top) => view.layer_chain(top)?, // from the top layer to the base
///     None => Vec::new(),
/// };
/// assert_eq!(layers.len(), 1);
/// assert_eq!(view.containers_of_image(image.id()).len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) layers: MergedRecords<Layer>,
    pub(crate) images: MergedRecords<Image>,
    pub(crate) containers: MergedRecords<Container>,
}

/// A layer, an image or a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A layer.
    Layer(Arc<Layer>),
    /// An image.
    Image(Arc<Image>),
    /// A container.
    Container(Arc<Container>),
}

impl Item {
    /// Returns the ID.
    #[must_use]
    pub fn id(&self) -> ItemId {
        match self {
            Self::Layer(layer) => ItemId::Layer(layer.id().clone()),
            Self::Image(image) => ItemId::Image(image.id().clone()),
            Self::Container(container) => ItemId::Container(container.id().clone()),
        }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ItemKind {
        match self {
            Self::Layer(_) => ItemKind::Layer,
            Self::Image(_) => ItemKind::Image,
            Self::Container(_) => ItemKind::Container,
        }
    }

    /// Returns the names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Layer(layer) => layer.names(),
            Self::Image(image) => image.names(),
            Self::Container(container) => container.names(),
        }
    }

    /// Returns the caller's free text.
    #[must_use]
    pub fn metadata(&self) -> &str {
        match self {
            Self::Layer(layer) => layer.metadata(),
            Self::Image(image) => image.metadata(),
            Self::Container(container) => container.metadata(),
        }
    }
}

/// A part of a record file that is not a usable record. It is set aside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DamagedRecord {
    /// The file it is in: that of layers, images or containers.
    pub kind: ItemKind,
    /// The damage and where it is. Its `source()` says more.
    pub damage: Damaged,
}

/// Bytes that the record of every incomplete layer contains, however it is formatted. Few other
/// records contain them; only records that do are parsed.
const INCOMPLETE_MARK: &[u8] = b"\"incomplete\"";

/// Lists the incomplete layers of the writable stores.
pub(crate) fn incomplete_layers(layers: &impl Records<Layer>) -> Vec<LayerId> {
    let mut incomplete = Vec::new();
    for (_, snapshot) in layers.own() {
        let candidates = snapshot.mentioning(INCOMPLETE_MARK).into_iter();
        let parsed = candidates.filter_map(|id| snapshot.get(id).ok().flatten());
        let marked = parsed.filter(|layer| layer.is_incomplete());
        incomplete.extend(marked.map(|layer| layer.id().clone()));
    }
    incomplete
}

/// Keeps the first error, to be reported if nothing else is found.
fn keep_first_error<T>(
    found: Result<Option<T>, LookupError>,
    unclear: &mut Option<LookupError>,
) -> Option<T> {
    found.unwrap_or_else(|error| {
        unclear.get_or_insert(error);
        None
    })
}

impl Snapshot {
    /// Goes through the layers in record order, which is that of their creation. Damaged ones are
    /// left out.
    ///
    /// Go: `Store.Layers`.
    pub fn layers(&self) -> impl Iterator<Item = Arc<Layer>> {
        lookup::all(&self.layers)
    }

    /// Goes through the images in record order. Damaged ones are left out.
    ///
    /// Go: `Store.Images`.
    pub fn images(&self) -> impl Iterator<Item = Arc<Image>> {
        lookup::all(&self.images)
    }

    /// Goes through the containers in record order. Damaged ones are left out.
    ///
    /// Go: `Store.Containers`.
    pub fn containers(&self) -> impl Iterator<Item = Arc<Container>> {
        lookup::all(&self.containers)
    }

    /// Finds a layer by ID, name or unique prefix of an ID.
    ///
    /// Go: `Store.Layer`.
    ///
    /// # Errors
    ///
    /// See [`LookupError`].
    pub fn layer<'k>(&self, key: impl Into<Key<'k, LayerId>>) -> Result<Arc<Layer>, LookupError> {
        lookup::lookup(&self.layers, &key.into())
    }

    /// Finds an image by ID, name or unique prefix of an ID.
    ///
    /// Go: `Store.Image`.
    ///
    /// # Errors
    ///
    /// See [`LookupError`].
    pub fn image<'k>(&self, key: impl Into<Key<'k, ImageId>>) -> Result<Arc<Image>, LookupError> {
        lookup::lookup(&self.images, &key.into())
    }

    /// Finds a container by ID, name, the ID of its layer, or unique prefix of an ID.
    ///
    /// Go: `Store.Container`.
    ///
    /// # Errors
    ///
    /// See [`LookupError`].
    pub fn container<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<Arc<Container>, LookupError> {
        lookup::lookup(&self.containers, &key.into())
    }

    /// Finds a layer by its whole ID; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`LookupError::Damaged`].
    pub fn layer_by_id(&self, id: &LayerId) -> Result<Option<Arc<Layer>>, LookupError> {
        lookup::by_id(&self.layers, id.as_str())
    }

    /// Finds an image by its whole ID; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`LookupError::Damaged`].
    pub fn image_by_id(&self, id: &ImageId) -> Result<Option<Arc<Image>>, LookupError> {
        lookup::by_id(&self.images, id.as_str())
    }

    /// Finds a container by its whole ID; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`LookupError::Damaged`].
    pub fn container_by_id(&self, id: &ContainerId) -> Result<Option<Arc<Container>>, LookupError> {
        lookup::by_id(&self.containers, id.as_str())
    }

    /// Finds the item that a key names: a layer, else an image, else a container.
    ///
    /// Go: `Store.Lookup`.
    ///
    /// # Errors
    ///
    /// [`LookupError::Nothing`] when there is none. A prefix that several layers share may still
    /// name one image, as in Go.
    pub fn find<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> Result<Item, LookupError> {
        let key = key.into();
        let mut unclear = None;
        let layer = key.layer().map(|key| lookup::find(&self.layers, &key));
        if let Some(layer) = layer.and_then(|found| keep_first_error(found, &mut unclear)) {
            return Ok(Item::Layer(layer));
        }
        let image = key.image().map(|key| lookup::find(&self.images, &key));
        if let Some(image) = image.and_then(|found| keep_first_error(found, &mut unclear)) {
            return Ok(Item::Image(image));
        }
        let container = key
            .container()
            .map(|key| lookup::find(&self.containers, &key));
        if let Some(container) = container.and_then(|found| keep_first_error(found, &mut unclear)) {
            return Ok(Item::Container(container));
        }
        Err(unclear.unwrap_or_else(|| LookupError::Nothing { key: key.to_text() }))
    }

    /// Tells whether anything has this ID, name or unique prefix.
    ///
    /// Go: `Store.Exists`.
    #[must_use]
    pub fn exists<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> bool {
        let key = key.into();
        let layer = key
            .layer()
            .is_some_and(|key| lookup::is_known(&self.layers, &key));
        layer
            || key
                .image()
                .is_some_and(|key| lookup::is_known(&self.images, &key))
            || key
                .container()
                .is_some_and(|key| lookup::is_known(&self.containers, &key))
    }

    /// Lists the children of a layer.
    #[must_use]
    pub fn layer_children(&self, layer: &LayerId) -> Vec<Arc<Layer>> {
        lookup::by_key(&self.layers, BY_PARENT, layer.as_str())
    }

    /// Lists a layer and its ancestors: that layer first, the base layer last.
    ///
    /// # Errors
    ///
    /// [`LookupError::Unknown`] when one of them has no record.
    pub fn layer_chain(&self, layer: &LayerId) -> Result<Vec<Arc<Layer>>, LookupError> {
        let mut chain: Vec<Arc<Layer>> = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(layer.clone());
        // Damaged records may be their own ancestors.
        while let Some(id) = next.filter(|id| seen.insert(id.clone())) {
            let layer = lookup::require(&self.layers, id.as_str())?;
            next = layer.parent().cloned();
            chain.push(layer);
        }
        Ok(chain)
    }

    /// Lists the layers whose compressed tar has this digest.
    ///
    /// Go: `Store.LayersByCompressedDigest`.
    #[must_use]
    pub fn layers_by_compressed_digest(&self, digest: &CompressedDigest) -> Vec<Arc<Layer>> {
        lookup::by_key(&self.layers, BY_COMPRESSED_DIGEST, digest.digest().as_str())
    }

    /// Lists the layers whose uncompressed tar has this digest.
    ///
    /// Go: `Store.LayersByUncompressedDigest`.
    #[must_use]
    pub fn layers_by_diff_id(&self, digest: &DiffId) -> Vec<Arc<Layer>> {
        lookup::by_key(&self.layers, BY_DIFF_DIGEST, digest.digest().as_str())
    }

    /// Lists the layers whose table of contents has this digest.
    ///
    /// Go: `Store.LayersByTOCDigest`.
    #[must_use]
    pub fn layers_by_toc_digest(&self, digest: &TocDigest) -> Vec<Arc<Layer>> {
        lookup::by_key(&self.layers, BY_TOC_DIGEST, digest.digest().as_str())
    }

    /// Lists the images with this digest: the image's own, or that of a manifest.
    ///
    /// Go: `Store.ImagesByDigest`.
    #[must_use]
    pub fn images_by_digest(&self, digest: &Digest) -> Vec<Arc<Image>> {
        lookup::by_key(&self.images, BY_DIGEST, digest.as_str())
    }

    /// Lists the images that have this top layer, or a mapped copy of it.
    ///
    /// Go: `Store.ImagesByTopLayer`.
    #[must_use]
    pub fn images_by_top_layer(&self, layer: &LayerId) -> Vec<Arc<Image>> {
        lookup::by_key(&self.images, BY_TOP_LAYER, layer.as_str())
    }

    /// Finds the container that writes to a layer.
    ///
    /// Go: `Store.ContainerByLayer`.
    #[must_use]
    pub fn container_by_layer(&self, layer: &LayerId) -> Option<Arc<Container>> {
        lookup::by_key(&self.containers, BY_LAYER, layer.as_str()).pop()
    }

    /// Lists the containers created from an image.
    #[must_use]
    pub fn containers_of_image(&self, image: &ImageId) -> Vec<Arc<Container>> {
        lookup::by_key(&self.containers, BY_IMAGE, image.as_str())
    }

    /// Returns the root of the additional store that has a layer; `None` for layers of this store
    /// and unknown ones.
    #[must_use]
    pub fn additional_store_of_layer(&self, layer: &LayerId) -> Option<&Path> {
        self.layers.additional_root(layer.as_str())
    }

    /// Returns the root of the additional store that has an image; `None` for images of this store
    /// and unknown ones.
    #[must_use]
    pub fn additional_store_of_image(&self, image: &ImageId) -> Option<&Path> {
        self.images.additional_root(image.as_str())
    }

    /// Lists damaged records. Parses every record.
    #[must_use]
    pub fn damaged(&self) -> Vec<DamagedRecord> {
        self.damage(
            &RecordSnapshot::verify,
            &RecordSnapshot::verify,
            &RecordSnapshot::verify,
        )
    }

    /// Lists the damage seen so far, without parsing anything. That is record files that are not
    /// lists of records, and records that turned out to be unusable when they were asked for. After
    /// a pass over all records of a kind, it has every record that the pass left out.
    #[must_use]
    pub fn damage_seen(&self) -> Vec<DamagedRecord> {
        self.damage(
            &RecordSnapshot::damaged,
            &RecordSnapshot::damaged,
            &RecordSnapshot::damaged,
        )
    }

    fn damage(
        &self,
        of_layers: &dyn Fn(&RecordSnapshot<Layer>) -> Vec<Damaged>,
        of_images: &dyn Fn(&RecordSnapshot<Image>) -> Vec<Damaged>,
        of_containers: &dyn Fn(&RecordSnapshot<Container>) -> Vec<Damaged>,
    ) -> Vec<DamagedRecord> {
        let of = |kind: ItemKind| move |damage| DamagedRecord { kind, damage };
        let layers = self
            .layers
            .stores()
            .flat_map(|(_, snapshot)| of_layers(snapshot));
        let images = self
            .images
            .stores()
            .flat_map(|(_, snapshot)| of_images(snapshot));
        let containers = self.containers.stores();
        let containers = containers.flat_map(|(_, snapshot)| of_containers(snapshot));
        layers
            .map(of(ItemKind::Layer))
            .chain(images.map(of(ItemKind::Image)))
            .chain(containers.map(of(ItemKind::Container)))
            .collect()
    }
}
