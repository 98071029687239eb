//! Transactions: layers, images and containers become visible together.

mod commit;
mod area;
mod container;
mod from_tree;
mod image;
mod labels;
mod layer;
mod check;
mod counting;
pub(crate) mod mount_image;
mod put_additional;
mod copy_from_additional;
mod staged;
pub(crate) mod user_namespace;
pub(crate) mod error;

pub use error::{CommitError, TransactionError};

use std::sync::Arc;

use layerhold_driver::{LayerRef, StagedLayer as DriverLayer};
use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, ImageId, LayerId};
use layerhold_lockfile::WriteGuard;
use layerhold_selinux::LabelPattern;
use layerhold_staging::{StagedAddition, TempArea};

use crate::catalog::error::Conflict;
use crate::catalog::record_stores::Placement;
use crate::catalog::snapshot::Snapshot;
use crate::engine::Engine;
use crate::records::big_data_item::BigDataItem;
use crate::records::kinds::ItemId;
use crate::records::{Container, Image, Layer};
use crate::spec::error::StageError;
use crate::spec::{IfPresent, ImageIfPresent, NameConflict};
use area::Area;
pub use commit::Committed;
use counting::UsageCount;
pub use staged::{StagedContainer, StagedLayer};

/// Changes that become visible together, or not at all.
///
/// Added items are staged at once: layers are unpacked and big data items written, in temporary
/// areas and without a store lock. Other processes are neither blocked nor see anything.
/// [`commit`](Self::commit) flushes the filesystem once, takes the locks briefly, and moves
/// everything into place. A transaction that is dropped or killed leaves at most temporary areas,
/// which the drop or the next writer erases.
///
/// A call that fails leaves the transaction as it was before that call.
///
/// ```
/// use layerhold::{ContainerSpec, ImageSpec, LayerSpec, Store};
/// # use layerhold::StoreOptions;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let options = StoreOptions::new(graph, run).with_driver("vfs").with_driver_option("vfs.ignore_chown_errors=true");
/// # let store = Store::open(options)?;
/// # let (base, upper) = (std::io::Cursor::new(vec![0u8; 1024]), std::io::Cursor::new(vec![0u8; 1024]));
/// let mut tx = store.begin()?;
/// let base = tx.import_layer(LayerSpec::new(), base)?;
/// let upper = tx.import_layer(LayerSpec::new().parent(base.id().clone()), upper)?; // on a layer that is only staged
/// let spec = ImageSpec::new().without_manifest(); // podman needs one: see `layerhold-oci`
/// let image = tx.create_image(spec.name("localhost/example:latest").top_layer(&upper))?;
/// tx.create_container(ContainerSpec::new().name("box").image(image))?;
/// assert_eq!(store.snapshot()?.layers().count(), 0); // nothing is visible yet
/// let committed = tx.commit()?;
/// assert_eq!((committed.images.len(), committed.containers.len()), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before it is committed"]
pub struct Transaction {
    pub(crate) engine: Arc<Engine>,
    area: Area,
    /// The temporary area on the filesystem of the image store, if there is one.
    image_area: Option<Area>,
    layers: Vec<NewLayer>,
    images: Vec<NewImage>,
    containers: Vec<NewContainer>,
    mapped: Vec<MappedLayer>,
    staged: Vec<StagedLayer>,
    /// The lock of user namespace choices, held from the first choice until it is recorded.
    choosing: Option<WriteGuard>,
}

/// A staged layer.
#[derive(Debug)]
struct NewLayer {
    /// The count of its disk usage, if it was imported. Dropped first, so that counting ends before
    /// its contents are dropped.
    counting: Option<UsageCount>,
    record: Layer,
    placement: Placement,
    contents: Box<dyn DriverLayer>,
    tar_split: Option<StagedAddition>,
    data: Option<StagedAddition>,
    if_present: IfPresent,
    /// The ID maps of the parent when its contents were copied.
    parent_maps: Option<IdMappings>,
    /// The area of the tar-split file, for a tree that was staged before this transaction began.
    area_of_tree: Option<TempArea>,
}

/// A staged image.
#[derive(Debug)]
struct NewImage {
    record: Image,
    data: Option<StagedAddition>,
    /// The items in `data` again, for updating an existing image.
    items: Vec<BigDataItem>,
    name_conflict: NameConflict,
    if_present: ImageIfPresent,
}

/// A staged container.
#[derive(Debug)]
struct NewContainer {
    record: Container,
    placement: Placement,
    data: Option<StagedAddition>,
    /// The pattern of its SELinux labels, if their level was drawn.
    pattern: Option<LabelPattern>,
}

/// A copy of an image's top layer with other ID maps, to be noted in the image.
#[derive(Debug)]
struct MappedLayer {
    image: ImageId,
    layer: LayerId,
}

pub(crate) fn begin(engine: &Arc<Engine>) -> Result<Transaction, StageError> {
    drop(engine.use_driver()?);
    engine.erase_leftovers_by_writer();
    Ok(Transaction {
        area: Area::new(engine.catalog.layout.temp_root()),
        image_area: engine.catalog.layout.image_temp_root().map(Area::new),
        engine: Arc::clone(engine),
        layers: Vec::new(),
        images: Vec::new(),
        containers: Vec::new(),
        mapped: Vec::new(),
        staged: Vec::new(),
        choosing: None,
    })
}

impl Transaction {
    /// Finds a layer of this transaction: a new one, or an existing one that it uses.
    #[must_use]
    pub fn staged_layer(&self, id: &LayerId) -> Option<&StagedLayer> {
        self.staged.iter().find(|layer| layer.id() == id)
    }

    /// Returns the area for big data items of images.
    fn image_area(&mut self) -> &mut Area {
        self.image_area.as_mut().unwrap_or(&mut self.area)
    }

    fn new_layer(&self, id: &LayerId) -> Option<&NewLayer> {
        self.layers.iter().find(|layer| layer.record.id() == id)
    }

    fn new_image(&self, id: &ImageId) -> Option<&NewImage> {
        self.images.iter().find(|image| image.record.id() == id)
    }

    /// Returns a layer as the driver sees it: staged in this transaction, or committed.
    fn layer_ref<'a>(&'a self, id: &'a LayerId) -> LayerRef<'a> {
        match self.new_layer(id) {
            Some(new) => LayerRef::Staged(&*new.contents),
            None => LayerRef::Committed(id),
        }
    }

    /// Returns the record of a layer of this transaction or of the store.
    fn layer_record(&self, view: &Snapshot, id: &LayerId) -> Result<Layer, StageError> {
        match self.new_layer(id) {
            Some(new) => Ok(new.record.clone()),
            None => Ok(view
                .layer_by_id(id)?
                .map(|layer| (*layer).clone())
                .ok_or_else(|| unknown_layer(id))?),
        }
    }

    /// Refuses layer names that are taken.
    fn check_layer_names(&self, view: &Snapshot, names: &[String]) -> Result<(), Conflict> {
        for name in names {
            if let Some(new) = self
                .layers
                .iter()
                .find(|new| new.record.names().contains(name))
            {
                return Err(name_conflict(name, ItemId::Layer(new.record.id().clone())));
            }
            check::name_is_free(&view.layers, name)?;
        }
        Ok(())
    }

    /// Refuses a parent that is the layer of a container.
    fn check_parent(&self, view: &Snapshot, parent: &LayerId) -> Result<(), Conflict> {
        let of_new = self
            .containers
            .iter()
            .find(|new| new.record.layer() == parent);
        let container = match of_new {
            Some(new) => Some(new.record.id().clone()),
            None => view
                .container_by_layer(parent)
                .map(|container| container.id().clone()),
        };
        match container {
            Some(container) => Err(Conflict::ParentIsContainer {
                parent: parent.clone(),
                container,
            }),
            None => Ok(()),
        }
    }
}

fn unknown_layer(id: &LayerId) -> crate::catalog::error::LookupError {
    crate::catalog::error::LookupError::Unknown {
        kind: crate::ItemKind::Layer,
        key: id.to_string(),
    }
}

fn name_conflict(name: &str, holder: ItemId) -> Conflict {
    Conflict::Name {
        name: name.to_owned(),
        holder,
    }
}

/// Returns a random ID.
macro_rules! fresh_id {
    ($id:ty) => {{
        let mut failure = None;
        let id = <$id>::generate(|buffer| {
            if let Err(error) = layerhold_sys::random_bytes(buffer) {
                failure = Some(error);
            }
        });
        match (id, failure) {
            (Some(id), None) => Ok(id),
            (_, Some(error)) => Err(crate::spec::error::StageError::from(error)),
            (None, None) => Err(crate::spec::error::StageError::NoRandomness),
        }
    }};
}
use fresh_id;

/// Wraps the ID of a container.
fn container_id(id: &ContainerId) -> ItemId {
    ItemId::Container(id.clone())
}
