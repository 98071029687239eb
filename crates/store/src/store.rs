//! The handle on an open store, and the table of contents of the API.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use layerhold_archive::Change;
use layerhold_driver::{Driver, SyncMode};
use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, Digest, ImageId, LayerId, TocDigest};
use layerhold_lockfile::LockFile;
use layerhold_schema::Value;
use layerhold_sys::Cancel;

use crate::catalog::big_data::DataError;
use crate::catalog::error::AccessError;
use crate::catalog::key::Key;
use crate::catalog::mount_counts::Mounted;
use crate::catalog::snapshot::Snapshot;
use crate::check::{CheckError, CheckOptions, CheckReport};
use crate::contents::additional_layer::{AdditionalLayer, AdditionalLayerError};
use crate::contents::diff::{Diff, DiffCompression};
use crate::contents::directories::DirectoryError;
use crate::contents::error::DiffError;
use crate::contents::sizes::ImageSizes;
use crate::dedup::{DedupOptions, DedupReport};
use crate::delete::error::DeleteError;
use crate::delete::garbage::{CollectError, CollectReport};
use crate::delete::item::DeleteMode;
use crate::edit::update::UpdateError;
use crate::engine::Engine;
use crate::engine::error::OpenError;
use crate::engine::options::StoreOptions;
use crate::mount::error::MountError;
use crate::mount::guard::MountGuard;
use crate::mount::ignored::Ignored;
use crate::mount::layer::{MountRequest, StillMounted, Unmounting};
use crate::mount::owners::ParentOwners;
use crate::mount::shutdown::{Shutdown, ShutdownError};
use crate::records::big_data_item::BigDataItem;
use crate::records::kinds::ItemId;
use crate::repair::{RepairOptions, RepairReport};
use crate::spans::operation;
use crate::spec::error::StageError;
use crate::staged_tree::{FilledTree, TreeSpec, TreeToFill};
use crate::transaction::Transaction;
use crate::usage::{ItemUsage, UsageError, UsageReport, WrongCounter};
use crate::{
    check, contents, dedup, delete, edit, engine, mount, repair, staged_tree, transaction, usage,
};

/// An open store: a graph root, a run root and a graph driver.
///
/// Cloning is cheap and returns another handle on the same opening. Every method takes `&self` and
/// may be called from any thread. Two stores opened on the same directories behave like two
/// processes.
///
/// # Keys
///
/// Methods take a [`Key`]: a typed ID, which names one item exactly, or a text, which may be an ID,
/// a name or a unique prefix of an ID. Methods that apply to several kinds of items (names,
/// metadata, flags) look a text up as Go does: among the layers first, then the images, then the
/// containers.
#[derive(Clone)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
}

impl Store {
    // ---- Opening, and the options of this opening ----

    /// Opens a store, creating it if it does not exist.
    ///
    /// Go: `GetStore`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Driver`] when no driver fits or an option is not valid;
    /// [`OpenError::Directory`] when a directory cannot be created. Damaged records and leftovers
    /// of killed processes do not prevent opening.
    pub fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let _span = operation!("open");
        let engine = Arc::new(engine::open::open(options)?);
        Ok(Self { engine })
    }

    /// Opens the store of the user of this process (feature `config`): with the directories, the
    /// driver and the options that podman, buildah and skopeo use for the user, as `storage.conf`,
    /// its drop-ins and the environment say. The store is created if it does not exist.
    ///
    /// Warnings about the configuration are in
    /// [`options().config_warnings`](StoreOptions::config_warnings). To change an option, begin
    /// with [`StoreOptions::of_user`].
    ///
    /// # Users other than root
    ///
    /// Such a user's process can mount layers and create files of several owners only as root of a
    /// user namespace. podman and buildah enter one when they start. A library cannot do that for a
    /// program with several threads, so this function enters none. Run the program with
    /// `podman unshare PROGRAM`, or let the program start itself again that way first. The store is
    /// the user's own inside of the namespace too.
    ///
    /// Outside of it, this fails with [`OpenError::NoUserNamespace`] before it creates a store,
    /// except for one of the driver vfs, which mounts nothing. There, layers with files of other
    /// owners can only be added with the driver option `ignore_chown_errors=true`.
    ///
    /// Go: `GetStore` with `DefaultStoreOptions`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Config`] when the configuration cannot be read or is not valid, and those of
    /// [`open`](Self::open).
    #[cfg(feature = "config")]
    pub fn open_default() -> Result<Self, OpenError> {
        let _span = operation!("open_default");
        let engine = Arc::new(engine::configured::open_default()?);
        Ok(Self { engine })
    }

    /// Returns another handle on this opening, whose operations stop when `cancel` asks them to.
    /// Transactions, trees and diffs that it begins obey it too. It replaces the option
    /// [`StoreOptions::with_cancel`], which says what a stop does.
    ///
    /// The handle shares locks and loaded records with this one and costs little, so that each
    /// operation can have its own. [`Cancel::child`] makes a request that another one includes.
    ///
    /// ```
    /// use layerhold::layerhold_sys::Cancel;
    /// use layerhold::{DeleteMode, Store};
    ///
    /// # fn example(store: &Store) {
    /// let cancel = Cancel::new();         // clones of it go to other threads
    /// let stoppable = store.with_cancel(cancel.clone());
    /// cancel.cancel();
    /// let error = stoppable.garbage_collect(DeleteMode::Delete).unwrap_err();
    /// assert!(error.is_cancelled());
    /// assert!(store.garbage_collect(DeleteMode::Delete).is_ok());
    /// # }
    /// # let scratch = tempfile::tempdir().unwrap();
    /// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
    /// # example(&Store::open(layerhold::StoreOptions::new(graph, run).with_driver("vfs")).unwrap());
    /// ```
    #[must_use]
    pub fn with_cancel(&self, cancel: Cancel) -> Self {
        self.with_engine(self.engine.with_cancel(cancel))
    }

    /// Returns another handle on this opening, with another bound on waits for locks, `None` for no
    /// bound. It replaces [`StoreOptions::with_lock_timeout`].
    #[must_use]
    pub fn with_lock_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        self.with_engine(self.engine.with_lock_timeout(timeout.into()))
    }

    fn with_engine(&self, engine: Engine) -> Self {
        let engine = Arc::new(engine);
        Self { engine }
    }

    /// Returns the graph root: the directory of everything that survives a reboot.
    ///
    /// Go: `Store.GraphRoot`.
    #[must_use]
    pub fn graph_root(&self) -> &Path {
        &self.engine.options.graph_root
    }

    /// Returns the run root: the directory of everything that may be lost at a reboot.
    ///
    /// Go: `Store.RunRoot`.
    #[must_use]
    pub fn run_root(&self) -> &Path {
        &self.engine.options.run_root
    }

    /// Returns the name of the graph driver, the prefix of most directory names in the store.
    ///
    /// Go: `Store.GraphDriverName`.
    #[must_use]
    pub fn driver_name(&self) -> &'static str {
        self.engine.driver_name
    }

    /// Returns the driver options the store was opened with.
    ///
    /// Go: `Store.GraphOptions`.
    #[must_use]
    pub fn driver_options(&self) -> &[String] {
        &self.engine.options.driver_options
    }

    /// Returns the mount options of the first driver option `mountopt`, in order.
    ///
    /// Go: `GetMountOptions`.
    #[must_use]
    pub fn default_mount_options(&self) -> Vec<String> {
        self.engine
            .options
            .default_mount_options(self.driver_name())
    }

    /// Returns the options for programs that pull images, which the store was opened with.
    ///
    /// Go: `Store.PullOptions`.
    #[must_use]
    pub fn pull_options(&self) -> &BTreeMap<String, String> {
        &self.engine.options.pull_options
    }

    /// Returns the default ID maps of layers and containers.
    ///
    /// Go: `Store.UIDMap`, `Store.GIDMap`.
    #[must_use]
    pub fn id_maps(&self) -> &IdMappings {
        &self.engine.options.id_maps
    }

    /// Returns when contents are flushed.
    #[must_use]
    pub fn sync_mode(&self) -> SyncMode {
        self.engine.sync
    }

    /// Returns the options the store was opened with.
    ///
    /// Go: `Store.ImageStore`, `Store.TransientStore`.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.engine.options
    }

    /// Returns the graph driver. Changes made through it are not recorded in the store.
    ///
    /// Go: `Store.GraphDriver`.
    #[must_use]
    pub fn driver(&self) -> Arc<dyn Driver> {
        self.engine.driver()
    }

    /// Returns the status of the driver, as rows of a table.
    ///
    /// Go: `Store.Status`.
    #[must_use]
    pub fn status(&self) -> Vec<(String, String)> {
        self.engine.driver().status()
    }

    /// Returns the versions of this library, as rows of a table.
    ///
    /// Go: `Store.Version`.
    #[must_use]
    pub fn version(&self) -> Vec<(String, String)> {
        vec![("Version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]
    }

    // ---- Reading records ----

    /// Takes a snapshot: layers, images and containers as they are at one moment.
    ///
    /// All three locks are held for reading at once, while files that changed since the last
    /// snapshot are read.
    ///
    /// Go: `Store.MultiList`.
    ///
    /// # Errors
    ///
    /// When a lock cannot be taken or a file cannot be read. Damaged records do not prevent it.
    pub fn snapshot(&self) -> Result<Snapshot, AccessError> {
        let _span = operation!("snapshot");
        self.engine.snapshot()
    }

    /// Tells whether anything has this ID, name or unique prefix.
    ///
    /// Go: `Store.Exists`.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    pub fn exists<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<bool, AccessError> {
        let (item, _span) = operation!("exists", item);
        self.engine.catalog.exists(&item)
    }

    /// Resolves a text that a person typed into the ID of an item: among the layers, then the
    /// images, then the containers. Calls with the ID work on that item only, whatever is renamed.
    ///
    /// Go: `Store.Lookup`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when no item has this ID, name or unique prefix.
    pub fn resolve<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<ItemId, UpdateError> {
        let (item, _span) = operation!("resolve", item);
        edit::update::resolve(&self.engine, &item)
    }

    /// Resolves a text that a person typed into the ID of a layer. This takes the lock of the
    /// layers only.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when no layer has this ID, name or unique prefix.
    pub fn resolve_layer<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
    ) -> Result<LayerId, UpdateError> {
        let (layer, _span) = operation!("resolve_layer", layer);
        edit::update::resolve_layer(&self.engine, &layer)
    }

    /// Resolves a text that a person typed into the ID of an image. This takes the lock of the
    /// images only.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when no image has this ID, name or unique prefix.
    pub fn resolve_image<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
    ) -> Result<ImageId, UpdateError> {
        let (image, _span) = operation!("resolve_image", image);
        edit::update::resolve_image(&self.engine, &image)
    }

    /// Resolves a text that a person typed into the ID of a container. This takes the lock of the
    /// containers only.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when no container has this ID, name or unique prefix, and none has a
    /// layer of this ID.
    pub fn resolve_container<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<ContainerId, UpdateError> {
        let (container, _span) = operation!("resolve_container", container);
        edit::update::resolve_container(&self.engine, &container)
    }

    // ---- Adding layers, images and containers ----

    /// Begins a transaction. No record is locked, read or written yet. Leftovers of killed
    /// processes are erased, to make room ([`Recovery`](crate::Recovery)).
    ///
    /// # Errors
    ///
    /// When the driver was shut down by another process and cannot be opened again.
    pub fn begin(&self) -> Result<Transaction, StageError> {
        let _span = operation!("begin");
        transaction::begin(&self.engine)
    }

    /// Creates an empty tree for the caller to fill. No lock is held, now or while it is filled.
    ///
    /// Go: `Store.PrepareStagedLayer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Driver`] with [`ErrorKind::NotSupported`](crate::ErrorKind::NotSupported) by
    /// drivers whose layers are complete copies (vfs), and for a layer that is unknown or in an
    /// additional store.
    pub fn stage_tree(&self, spec: TreeSpec) -> Result<TreeToFill, StageError> {
        let _span = operation!("stage_tree");
        staged_tree::stage_tree(&self.engine, spec)
    }

    /// Replaces the contents of a layer with a filled tree, and records the tree's facts. The old
    /// contents are erased.
    ///
    /// Go: `Store.ApplyStagedLayer`, for a layer that exists.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for a layer that is unknown or in an additional store;
    /// [`DiffError::Conflict`] when its ID maps are not those of the tree, or when it, or a layer
    /// on top of it, is mounted; [`DiffError::Driver`] when the driver fails. The tree is erased
    /// then, and the layer stays as it was. If records cannot be saved afterwards, the layer is
    /// left as after a crash.
    pub fn replace_tree<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
        tree: FilledTree,
    ) -> Result<(), DiffError> {
        let (layer, _span) = operation!("replace_tree", layer);
        staged_tree::replace::replace_tree(&self.engine, &layer, tree)
    }

    /// Looks up a layer in the additional layer stores (driver option `additionallayerstore`), by
    /// the digest of its table of contents. `image` is the name that the image is pulled by, for
    /// layer stores that distinguish images. `None` when no layer store has it, or the driver does
    /// not support them.
    ///
    /// Go: `Store.LookupAdditionalLayer`.
    ///
    /// # Errors
    ///
    /// [`AdditionalLayerError::Info`] when the description of the layer is not a layer record.
    pub fn lookup_additional_layer(
        &self,
        toc: &TocDigest,
        image: &str,
    ) -> Result<Option<AdditionalLayer>, AdditionalLayerError> {
        let _span = operation!("lookup_additional_layer");
        contents::additional_layer::lookup_additional_layer(&self.engine, toc, image)
    }

    // ---- Names, metadata and flags ----

    /// Lists the names of a layer, image or container.
    ///
    /// Go: `Store.Names`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item.
    pub fn names<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<Vec<String>, UpdateError> {
        let (item, _span) = operation!("names", item);
        edit::update::names(&self.engine, &item)
    }

    /// Replaces the names of a layer, image or container. Names that other items of the same kind
    /// have move to it.
    ///
    /// Go: `Store.SetNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item.
    pub fn set_names<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        names: &[String],
    ) -> Result<(), UpdateError> {
        let (item, _span) = operation!("set_names", item);
        edit::update::set_names(&self.engine, &item, names)
    }

    /// Adds names in front of those of a layer, image or container. Names that other items of the
    /// same kind have move to it.
    ///
    /// Go: `Store.AddNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item.
    pub fn add_names<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        names: &[String],
    ) -> Result<(), UpdateError> {
        let (item, _span) = operation!("add_names", item);
        edit::update::add_names(&self.engine, &item, names)
    }

    /// Removes names of a layer, image or container. Names that it does not have are ignored.
    ///
    /// Go: `Store.RemoveNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item.
    pub fn remove_names<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        names: &[String],
    ) -> Result<(), UpdateError> {
        let (item, _span) = operation!("remove_names", item);
        edit::update::remove_names(&self.engine, &item, names)
    }

    /// Returns the metadata of a layer, image or container: free text of the caller.
    ///
    /// Go: `Store.Metadata`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item.
    pub fn metadata<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<String, UpdateError> {
        let (item, _span) = operation!("metadata", item);
        edit::update::metadata(&self.engine, &item)
    }

    /// Replaces the metadata of a layer, image or container.
    ///
    /// Go: `Store.SetMetadata`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item.
    pub fn set_metadata<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        metadata: &str,
    ) -> Result<(), UpdateError> {
        let (item, _span) = operation!("set_metadata", item);
        edit::update::set_metadata(&self.engine, &item, metadata)
    }

    /// Sets a flag of a layer, image or container.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] for an unknown item; [`UpdateError::ReservedFlag`] for the flag of
    /// incomplete layers.
    pub fn set_flag<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        flag: &str,
        value: impl Into<Value>,
    ) -> Result<(), UpdateError> {
        let (item, _span) = operation!("set_flag", item);
        edit::update::set_flag(&self.engine, &item, flag, value)
    }

    /// Removes a flag of a layer, image or container, if it is set.
    ///
    /// # Errors
    ///
    /// As [`set_flag`](Self::set_flag).
    pub fn clear_flag<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        flag: &str,
    ) -> Result<(), UpdateError> {
        let (item, _span) = operation!("clear_flag", item);
        edit::update::clear_flag(&self.engine, &item, flag)
    }

    // ---- Big data items ----

    /// Lists the big data items of a layer.
    ///
    /// Go: `Store.ListLayerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Lookup`] for an unknown layer.
    pub fn layer_data_names<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
    ) -> Result<Vec<String>, DataError> {
        let (layer, _span) = operation!("layer_data_names", layer);
        edit::big_data::layer_data_names(&self.engine, &layer)
    }

    /// Opens a big data item of a layer. The open file keeps its contents when the item is
    /// replaced.
    ///
    /// Go: `Store.LayerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn layer_data<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
        name: &str,
    ) -> Result<File, DataError> {
        let (layer, _span) = operation!("layer_data", layer);
        edit::big_data::layer_data(&self.engine, &layer, name)
    }

    /// Stores a big data item of a layer, of any size.
    ///
    /// Go: `Store.SetLayerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::InvalidName`] for an invalid name; [`DataError::Input`] when `data` cannot be
    /// read.
    pub fn set_layer_data<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
        name: &str,
        data: &mut dyn Read,
    ) -> Result<(), DataError> {
        let (layer, _span) = operation!("set_layer_data", layer);
        edit::big_data::set_layer_data(&self.engine, &layer, name, data)
    }

    /// Lists the big data items of an image.
    ///
    /// Go: `Store.ListImageBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Lookup`] for an unknown image.
    pub fn image_data_names<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
    ) -> Result<Vec<String>, DataError> {
        let (image, _span) = operation!("image_data_names", image);
        edit::big_data::image_data_names(&self.engine, &image)
    }

    /// Reads a big data item of an image.
    ///
    /// Go: `Store.ImageBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn image_data<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        name: &str,
    ) -> Result<Vec<u8>, DataError> {
        let (image, _span) = operation!("image_data", image);
        edit::big_data::image_data(&self.engine, &image, name)
    }

    /// Returns the size of a big data item of an image in bytes.
    ///
    /// Go: `Store.ImageBigDataSize`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn image_data_size<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        name: &str,
    ) -> Result<u64, DataError> {
        let (image, _span) = operation!("image_data_size", image);
        edit::big_data::image_data_size(&self.engine, &image, name)
    }

    /// Returns the digest of a big data item of an image: the recorded one, else the SHA-256 of its
    /// contents.
    ///
    /// Go: `Store.ImageBigDataDigest`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item; [`DataError::DigestNeeded`] for a
    /// manifest without a recorded digest.
    pub fn image_data_digest<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        name: &str,
    ) -> Result<Digest, DataError> {
        let (image, _span) = operation!("image_data_digest", image);
        edit::big_data::image_data_digest(&self.engine, &image, name)
    }

    /// Stores a big data item of an image. A manifest needs a given digest.
    ///
    /// Go: `Store.SetImageBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::DigestNeeded`] for a manifest without a digest; [`DataError::InvalidName`] for
    /// an invalid name.
    pub fn set_image_data<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        item: BigDataItem,
    ) -> Result<(), DataError> {
        let (image, _span) = operation!("set_image_data", image);
        edit::big_data::set_image_data(&self.engine, &image, item)
    }

    /// Lists the big data items of a container.
    ///
    /// Go: `Store.ListContainerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Lookup`] for an unknown container.
    pub fn container_data_names<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<Vec<String>, DataError> {
        let (container, _span) = operation!("container_data_names", container);
        edit::big_data::container_data_names(&self.engine, &container)
    }

    /// Reads a big data item of a container.
    ///
    /// Go: `Store.ContainerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn container_data<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &str,
    ) -> Result<Vec<u8>, DataError> {
        let (container, _span) = operation!("container_data", container);
        edit::big_data::container_data(&self.engine, &container, name)
    }

    /// Returns the size of a big data item of a container in bytes.
    ///
    /// Go: `Store.ContainerBigDataSize`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn container_data_size<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &str,
    ) -> Result<u64, DataError> {
        let (container, _span) = operation!("container_data_size", container);
        edit::big_data::container_data_size(&self.engine, &container, name)
    }

    /// Returns the digest of a big data item of a container: the recorded one, else the SHA-256 of
    /// its contents.
    ///
    /// Go: `Store.ContainerBigDataDigest`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn container_data_digest<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &str,
    ) -> Result<Digest, DataError> {
        let (container, _span) = operation!("container_data_digest", container);
        edit::big_data::container_data_digest(&self.engine, &container, name)
    }

    /// Stores a big data item of a container.
    ///
    /// Go: `Store.SetContainerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::InvalidName`] for an invalid name.
    pub fn set_container_data<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        item: BigDataItem,
    ) -> Result<(), DataError> {
        let (container, _span) = operation!("set_container_data", container);
        edit::big_data::set_container_data(&self.engine, &container, item)
    }

    // ---- Files of callers, beside images and containers ----

    /// Returns the directory of an image for the caller's files, created if missing. It survives a
    /// reboot.
    ///
    /// Go: `Store.ImageDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown image.
    pub fn image_directory<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
    ) -> Result<PathBuf, DirectoryError> {
        let (image, _span) = operation!("image_directory", image);
        contents::directories::image_directory(&self.engine, &image)
    }

    /// Returns the directory of an image for files that may be lost at a reboot, created if
    /// missing.
    ///
    /// Go: `Store.ImageRunDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown image.
    pub fn image_run_directory<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
    ) -> Result<PathBuf, DirectoryError> {
        let (image, _span) = operation!("image_run_directory", image);
        contents::directories::image_run_directory(&self.engine, &image)
    }

    /// Returns the directory of a container for the caller's files, created if missing. It survives
    /// a reboot.
    ///
    /// Go: `Store.ContainerDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown container.
    pub fn container_directory<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<PathBuf, DirectoryError> {
        let (container, _span) = operation!("container_directory", container);
        contents::directories::container_directory(&self.engine, &container)
    }

    /// Returns the directory of a container for files that may be lost at a reboot, created if
    /// missing.
    ///
    /// Go: `Store.ContainerRunDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown container.
    pub fn container_run_directory<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<PathBuf, DirectoryError> {
        let (container, _span) = operation!("container_run_directory", container);
        contents::directories::container_run_directory(&self.engine, &container)
    }

    /// Reads a file below [`container_directory`](Self::container_directory).
    ///
    /// Go: `Store.FromContainerDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::File`], with `is_not_found`, when there is no such file.
    pub fn container_file<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &Path,
    ) -> Result<Vec<u8>, DirectoryError> {
        let (container, _span) = operation!("container_file", container);
        contents::directories::container_file(&self.engine, &container, name)
    }

    /// Writes a file below [`container_directory`](Self::container_directory), atomically: readers
    /// see the old or the new contents. The name may have several components; missing directories
    /// are created.
    ///
    /// Go: `Store.SetContainerDirectoryFile`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::InvalidName`] for a name that leads out of the directory.
    pub fn set_container_file<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &Path,
        data: &[u8],
    ) -> Result<(), DirectoryError> {
        let (container, _span) = operation!("set_container_file", container);
        contents::directories::set_container_file(&self.engine, &container, name, data)
    }

    /// Reads a file below [`container_run_directory`](Self::container_run_directory).
    ///
    /// Go: `Store.FromContainerRunDirectory`.
    ///
    /// # Errors
    ///
    /// As [`container_file`](Self::container_file).
    pub fn container_run_file<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &Path,
    ) -> Result<Vec<u8>, DirectoryError> {
        let (container, _span) = operation!("container_run_file", container);
        contents::directories::container_run_file(&self.engine, &container, name)
    }

    /// Writes a file below [`container_run_directory`](Self::container_run_directory).
    ///
    /// Go: `Store.SetContainerRunDirectoryFile`.
    ///
    /// # Errors
    ///
    /// As [`set_container_file`](Self::set_container_file).
    pub fn set_container_run_file<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
        name: &Path,
        data: &[u8],
    ) -> Result<(), DirectoryError> {
        let (container, _span) = operation!("set_container_run_file", container);
        contents::directories::set_container_run_file(&self.engine, &container, name, data)
    }

    // ---- Contents of layers ----

    /// Returns the diff between two layers as a tar with AUFS whiteouts. `from` defaults to the
    /// parent of `to`.
    ///
    /// The tar of an imported layer is rebuilt byte for byte, and the checksum of every file is
    /// verified. A file that was changed since makes the reader fail.
    ///
    /// Go: `Store.Diff`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for unknown layers; [`DiffError::Compress`] for a compression that is
    /// only read.
    pub fn diff<'k>(
        &self,
        from: Option<Key<'_, LayerId>>,
        to: impl Into<Key<'k, LayerId>>,
        compression: DiffCompression,
    ) -> Result<Diff, DiffError> {
        let (to, _span) = operation!("diff", to);
        contents::diff::diff(&self.engine, from.as_ref(), &to, compression)
    }

    /// Returns the whole tree of a layer as a tar, with the owners that its container sees: that of
    /// its own changes and of all its parents, without whiteouts. A container stands for its layer,
    /// an image for its top layer.
    ///
    /// No lock is held while the tar is read. Files that a container changes at that time come out
    /// as they are when they are read, or make the reader fail.
    ///
    /// Go has no counterpart: `podman export` mounts the container and packs the tree.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for an unknown item; [`DiffError::NoLayers`] for an image without
    /// layers. The reader fails when the driver cannot show the tree, or a file cannot be read.
    pub fn tree_tar<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<Diff, DiffError> {
        let (item, _span) = operation!("tree_tar", item);
        contents::tree_tar::tree_tar(&self.engine, &item)
    }

    /// Lists the changes between two layers, sorted by path. `from` defaults to the parent of `to`.
    ///
    /// Go: `Store.Changes`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for unknown layers.
    pub fn changes<'k>(
        &self,
        from: Option<Key<'_, LayerId>>,
        to: impl Into<Key<'k, LayerId>>,
    ) -> Result<Vec<Change>, DiffError> {
        let (to, _span) = operation!("changes", to);
        contents::diff::changes(&self.engine, from.as_ref(), &to)
    }

    /// Unpacks a tar, plain or compressed, into an existing layer, and records its digests as those
    /// of the layer. Returns the sum of the file sizes in the tar.
    ///
    /// Go: `Store.ApplyDiff`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for an unknown layer; [`DiffError::Apply`] for a stream that cannot be
    /// unpacked, of which a part may be unpacked already; [`DiffError::Conflict`] when the layer
    /// was deleted while the stream was unpacked.
    pub fn apply_diff<'k>(
        &self,
        to: impl Into<Key<'k, LayerId>>,
        reader: impl Read + Send,
    ) -> Result<u64, DiffError> {
        let (to, _span) = operation!("apply_diff", to);
        contents::apply::apply_diff(&self.engine, &to, reader)
    }

    /// Returns the path of the layer's own tree, in the form in which the driver keeps it. It
    /// exists as long as the layer does. Changes in it are not recorded.
    ///
    /// Go: `Store.DifferTarget`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for an unknown layer, [`DiffError::Driver`] by drivers that have no
    /// such directory.
    pub fn layer_tree_path<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
    ) -> Result<PathBuf, DiffError> {
        let (layer, _span) = operation!("layer_tree_path", layer);
        staged_tree::replace::layer_tree_path(&self.engine, &layer)
    }

    // ---- Sizes and disk usage ----

    /// Returns the size in bytes of the files that differ between two layers. `from` defaults to
    /// the parent of `to`.
    ///
    /// Go: `Store.DiffSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for unknown layers.
    pub fn diff_size<'k>(
        &self,
        from: Option<Key<'_, LayerId>>,
        to: impl Into<Key<'k, LayerId>>,
    ) -> Result<u64, DiffError> {
        let (to, _span) = operation!("diff_size", to);
        contents::diff::diff_size(&self.engine, from.as_ref(), &to)
    }

    /// Returns the recorded size of a layer's uncompressed tar in bytes.
    ///
    /// Go: `Store.LayerSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::SizeUnknown`] for a layer that was not imported.
    pub fn layer_size<'k>(&self, layer: impl Into<Key<'k, LayerId>>) -> Result<u64, DiffError> {
        let (layer, _span) = operation!("layer_size", layer);
        contents::sizes::layer_size(&self.engine, &layer)
    }

    /// Returns the size of an image in bytes: the tars of its layers, each once, and its big data
    /// items. Layers without a recorded size are compared with their parents, which is slow.
    ///
    /// Go: `Store.ImageSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when the image or one of its layers is unknown.
    pub fn image_size<'k>(&self, image: impl Into<Key<'k, ImageId>>) -> Result<u64, DiffError> {
        let (image, _span) = operation!("image_size", image);
        contents::sizes::image_size(&self.engine, &image)
    }

    /// Returns a calculator of the sizes of many images of a snapshot, which looks at each layer
    /// once.
    #[must_use]
    pub fn image_sizes<'s>(&'s self, view: &'s Snapshot) -> ImageSizes<'s> {
        ImageSizes::new(&self.engine, view)
    }

    /// Returns the size of a container in bytes: the changes of its layer, its big data items, and
    /// the files in its two directories.
    ///
    /// Go: `Store.ContainerSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when the container or its layer is unknown.
    pub fn container_size<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<u64, DiffError> {
        let (container, _span) = operation!("container_size", container);
        contents::sizes::container_size(&self.engine, &container)
    }

    /// Returns the disk usage of every item, at one moment.
    ///
    /// This takes no longer than reading the records and one small file. Only layers that were
    /// never counted, and those that containers write to, are walked. No lock is held while they
    /// are.
    ///
    /// # Errors
    ///
    /// When records, or the files of a walked layer, cannot be read.
    pub fn usage(&self) -> Result<UsageReport, UsageError> {
        let _span = operation!("usage");
        usage::usage(&self.engine)
    }

    /// Returns the disk usage of items, in their order, as [`usage`](Self::usage) has it; `None` for
    /// one that this store itself does not have. Only the layers of these items are measured.
    ///
    /// # Errors
    ///
    /// As [`usage`](Self::usage).
    pub fn usage_of(&self, items: &[ItemId]) -> Result<Vec<Option<ItemUsage>>, UsageError> {
        let _span = operation!("usage_of");
        usage::usage_of(&self.engine, items)
    }

    /// Counts everything again, corrects wrong counters, and returns these too.
    ///
    /// Allocated blocks are not compared: filesystems change them on their own.
    ///
    /// # Errors
    ///
    /// As [`usage`](Self::usage).
    pub fn verify_usage(&self) -> Result<(UsageReport, Vec<WrongCounter>), UsageError> {
        let _span = operation!("verify_usage");
        usage::verify_usage(&self.engine)
    }

    /// Makes equal files in the layers of this store's images share their blocks.
    ///
    /// No lock is held, contents do not change, and layers may be in use. If the filesystem or
    /// driver cannot share blocks, the report says so; that is not an error.
    ///
    /// Go: `Store.Dedup`.
    ///
    /// # Errors
    ///
    /// When the records cannot be read.
    pub fn dedup(&self, options: &DedupOptions) -> Result<DedupReport, AccessError> {
        let _span = operation!("dedup");
        dedup::dedup(&self.engine, options)
    }

    // ---- Mounting ----

    /// Mounts a layer, or the layer of a container, and returns its mount point. It stays mounted
    /// until [`unmount`](Self::unmount) is called as often as this.
    ///
    /// A layer of an additional store can only be mounted with the option `ro`.
    ///
    /// ```
    /// # use layerhold::{ContainerSpec, ImageSpec, LayerSpec, StoreOptions};
    /// use layerhold::{MountRequest, StillMounted, Store, Unmounting};
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
    /// let tree = store.mount("box", &MountRequest::new())?;
    /// std::fs::write(tree.join("hello"), "written into the container")?;
    /// assert_eq!(store.unmount("box", Unmounting::Once)?, StillMounted::No);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Go: `Store.Mount`.
    ///
    /// # Errors
    ///
    /// [`MountError::Lookup`] for an unknown item, or a layer of an additional store without that
    /// option; [`MountError::ShiftingNotEnabled`] for a container with ID maps whose owners the
    /// driver cannot shift; [`MountError::Driver`] when the driver fails.
    pub fn mount<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        request: &MountRequest,
    ) -> Result<PathBuf, MountError> {
        let (item, _span) = operation!("mount", item);
        mount::layer::mount(&self.engine, &item, request)
    }

    /// Mounts as [`mount`](Self::mount) does, until the returned guard is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`mount`](Self::mount).
    pub fn mount_guard<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        request: &MountRequest,
    ) -> Result<MountGuard, MountError> {
        let (item, _span) = operation!("mount_guard", item);
        mount::guard::mount_guard(&self.engine, &item, request)
    }

    /// Ends a use of the mount of a layer or container. The text may also be the path of the mount
    /// point.
    ///
    /// Go: `Store.Unmount`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when it is not mounted.
    pub fn unmount<'k>(
        &self,
        item: impl Into<Key<'k, ItemId>>,
        how: Unmounting,
    ) -> Result<StillMounted, MountError> {
        let (item, _span) = operation!("unmount", item);
        mount::layer::unmount(&self.engine, &item, how)
    }

    /// Returns the mount count of a layer or container.
    ///
    /// Go: `Store.Mounted`.
    ///
    /// # Errors
    ///
    /// [`MountError::Lookup`] for an unknown item.
    pub fn mounted<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<u32, MountError> {
        let (item, _span) = operation!("mounted", item);
        mount::layer::mounted(&self.engine, &item)
    }

    /// Lists the layers that are mounted.
    ///
    /// # Errors
    ///
    /// When the mount counts cannot be read.
    pub fn mounts(&self) -> Result<Vec<Mounted>, AccessError> {
        let _span = operation!("mounts");
        mount::layer::mounts(&self.engine)
    }

    /// Mounts the top layer of an image read-only.
    ///
    /// Go: `Store.MountImage`.
    ///
    /// # Errors
    ///
    /// [`MountError::NoLayers`] for an image without layers; [`MountError::Writable`] for the
    /// option `rw`; [`MountError::Copy`] when a copy without ID maps is needed and cannot be
    /// created.
    pub fn mount_image<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        request: &MountRequest,
    ) -> Result<PathBuf, MountError> {
        let (image, _span) = operation!("mount_image", image);
        transaction::mount_image::mount_image(&self.engine, &image, request)
    }

    /// Mounts as [`mount_image`](Self::mount_image) does, until the returned guard is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`mount_image`](Self::mount_image).
    pub fn mount_image_guard<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        request: &MountRequest,
    ) -> Result<MountGuard, MountError> {
        let (image, _span) = operation!("mount_image_guard", image);
        transaction::mount_image::mount_image_guard(&self.engine, &image, request)
    }

    /// Ends a use of the mount of an image.
    ///
    /// Go: `Store.UnmountImage`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when it is not mounted.
    pub fn unmount_image<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        how: Unmounting,
    ) -> Result<StillMounted, MountError> {
        let (image, _span) = operation!("unmount_image", image);
        transaction::mount_image::unmount_image(&self.engine, &image, how)
    }

    /// Lists the owners of the directories above a layer's mount that the layer's ID maps do not
    /// cover. A process in the user namespace needs their permission to reach the mount. Without ID
    /// maps there are none.
    ///
    /// Go: `Store.LayerParentOwners`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when a layer with maps is not mounted.
    pub fn layer_parent_owners<'k>(
        &self,
        layer: impl Into<Key<'k, LayerId>>,
    ) -> Result<ParentOwners, MountError> {
        let (layer, _span) = operation!("layer_parent_owners", layer);
        mount::owners::layer_parent_owners(&self.engine, &layer)
    }

    /// Lists the same as [`layer_parent_owners`](Self::layer_parent_owners), for the layer of a
    /// container.
    ///
    /// Go: `Store.ContainerParentOwners`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when the layer is not mounted.
    pub fn container_parent_owners<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<ParentOwners, MountError> {
        let (container, _span) = operation!("container_parent_owners", container);
        mount::owners::container_parent_owners(&self.engine, &container)
    }

    /// Lists the mount options, of the request and of the driver options, that have no effect
    /// because the system does not support them.
    ///
    /// Go logs a warning when it mounts.
    #[must_use]
    pub fn ignored_mount_options(&self, request: &MountRequest) -> Vec<Ignored> {
        mount::ignored::ignored_mount_options(&self.engine, request)
    }

    // ---- Deleting ----

    /// Deletes a container with its layer, else an image without its layers, else a layer. An item
    /// whose whole ID or name is given comes before those found by a prefix. Users of the item are
    /// not checked; the other methods check them.
    ///
    /// Go: `Store.Delete`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::Lookup`] for an unknown item.
    pub fn delete<'k>(&self, item: impl Into<Key<'k, ItemId>>) -> Result<(), DeleteError> {
        let (item, _span) = operation!("delete", item);
        delete::item::delete(&self.engine, &item)
    }

    /// Deletes a layer that is not in use. An image whose top layer it is a mapped copy of does not
    /// count as a user and drops its note of it. Damaged records can be deleted too, by this and
    /// the other methods.
    ///
    /// Go: `Store.DeleteLayer`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotA`] for an unknown layer; [`DeleteError::HasChildren`],
    /// [`DeleteError::UsedByImage`] and [`DeleteError::UsedByContainer`] when it is in use.
    pub fn delete_layer<'k>(&self, layer: impl Into<Key<'k, LayerId>>) -> Result<(), DeleteError> {
        let (layer, _span) = operation!("delete_layer", layer);
        delete::item::delete_layer(&self.engine, &layer)
    }

    /// Deletes an image that no container uses, with the layers that nothing else uses. Returns
    /// these layers; with [`DeleteMode::DryRun`] they are only listed. The layers of an image with
    /// a damaged record are unknown, and stay.
    ///
    /// Go: `Store.DeleteImage`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotA`] for an unknown image; [`DeleteError::ImageUsedByContainer`].
    pub fn delete_image<'k>(
        &self,
        image: impl Into<Key<'k, ImageId>>,
        mode: DeleteMode,
    ) -> Result<Vec<LayerId>, DeleteError> {
        let (image, _span) = operation!("delete_image", image);
        delete::item::delete_image(&self.engine, &image, mode)
    }

    /// Deletes a container: its layer, its directories, its record. It does not fail if the layer
    /// is gone already.
    ///
    /// Go: `Store.DeleteContainer`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotA`] for an unknown container.
    pub fn delete_container<'k>(
        &self,
        container: impl Into<Key<'k, ContainerId>>,
    ) -> Result<(), DeleteError> {
        let (container, _span) = operation!("delete_container", container);
        delete::item::delete_container(&self.engine, &container)
    }

    /// Deletes all containers, images and layers, the newest layers first, and layers of the driver
    /// without a record. Files of other programs below the graph root stay.
    ///
    /// Go: `Store.Wipe`.
    ///
    /// # Errors
    ///
    /// The first failure to remove something.
    pub fn wipe(&self) -> Result<(), DeleteError> {
        let _span = operation!("wipe");
        delete::item::wipe(&self.engine)
    }

    /// Removes orphans, and leftovers of killed processes in temporary areas. Orphans are contents
    /// of layers, files beside layers, and directories of containers and images that no record
    /// names.
    ///
    /// Only files with names that this library or Go's gives are considered. Nothing is removed
    /// while a record file is damaged, or is empty or missing although there are contents: what its
    /// records named is not garbage. The containers of a transient opening are respected by a
    /// durable one, and the other way round. Files that may belong to an opening with an image
    /// store, an additional store or another run root stay too. Those are: files of a layer without
    /// contents here; directories of images with a caller's files; directories of containers that
    /// are not older than the last boot, with all contents beside them; and all mounted layers.
    ///
    /// With [`DeleteMode::DryRun`] the report lists what would be removed, and nothing is changed
    /// but lock files that are missing.
    ///
    /// Go: `Store.GarbageCollect`.
    ///
    /// # Errors
    ///
    /// [`CollectError::Damaged`] when record files are damaged; [`CollectError::Driver`] when
    /// something cannot be removed.
    pub fn garbage_collect(&self, mode: DeleteMode) -> Result<CollectReport, CollectError> {
        let _span = operation!("garbage_collect");
        delete::garbage::garbage_collect(&self.engine, mode)
    }

    // ---- Checking and repairing ----

    /// Looks for damage in records, in what they name, and in the contents of layers. The options
    /// choose how much is checked.
    ///
    /// Other processes may use and change the store at the same time. The check changes nothing,
    /// except that it undoes unfinished work of dead processes, as any writer does.
    ///
    /// Go: `Store.Check`.
    ///
    /// # Errors
    ///
    /// When records cannot be locked or read, or directories cannot be listed. Damage is not an
    /// error.
    pub fn check(&self, options: &CheckOptions) -> Result<CheckReport, CheckError> {
        let _span = operation!("check");
        check::check(&self.engine, options)
    }

    /// Repairs what a check found. Findings that cannot be repaired are in the report, and do not
    /// stop the repair.
    ///
    /// With [`RepairMode::DryRun`](crate::repair::RepairMode::DryRun) nothing is changed.
    ///
    /// Go: `Store.Repair`.
    pub fn repair(&self, check: &CheckReport, options: &RepairOptions) -> RepairReport {
        let _span = operation!("repair");
        repair::repair(&self.engine, check, options)
    }

    /// Erases the damaged layers that repairs have put into quarantine, and returns the quarantine
    /// directories. With [`DeleteMode::DryRun`] these are only listed.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn erase_quarantine(&self, mode: DeleteMode) -> Result<Vec<PathBuf>, CollectError> {
        let _span = operation!("erase_quarantine");
        repair::quarantine::erase_quarantine(&self.engine, mode)
    }

    // ---- Locks by digest, and shutting down ----

    /// Returns the lock for work on a digest, such as pulling a layer. It is below the run root.
    ///
    /// Go: `Store.GetDigestLock`.
    ///
    /// # Errors
    ///
    /// When the lock file cannot be opened.
    pub fn digest_lock(&self, digest: &Digest) -> Result<LockFile, AccessError> {
        self.engine.catalog.digest_lock(digest)
    }

    /// Releases what the driver holds in the kernel. Returns the layers that it unmounted.
    ///
    /// Other processes, and this handle, open the driver again when they next need it. They see the
    /// shutdown in `storage.lock`, which is written before anything is released.
    ///
    /// Go: `Store.Shutdown`.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::Mounted`] when layers are mounted and the shutdown is not forced.
    pub fn shutdown(&self, how: Shutdown) -> Result<Vec<LayerId>, ShutdownError> {
        let _span = operation!("shutdown");
        mount::shutdown::shutdown(&self.engine, how)
    }
}

impl Transaction {
    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> Store {
        Store {
            engine: Arc::clone(&self.engine),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("graph_root", &self.graph_root())
            .field("run_root", &self.run_root())
            .field("driver", &self.driver_name())
            .finish_non_exhaustive()
    }
}
