//! The handle on an open store.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_archive::Change;
use layerhold_driver::{Driver, SyncMode};
use layerhold_idmap::IdMappings;
use layerhold_ids::{ContainerId, Digest, ImageId, LayerId, TocDigest};
use layerhold_lockfile::LockFile;
use layerhold_schema::Value;

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
use crate::dedup::{DedupOptions, DedupReport};
use crate::delete::error::DeleteError;
use crate::delete::garbage::{CollectError, CollectReport};
use crate::delete::item::DeleteMode;
use crate::edit::update::UpdateError;
use crate::engine::Engine;
use crate::engine::error::OpenError;
use crate::engine::options::StoreOptions;
use crate::mount::error::MountError;
use crate::mount::ignored::Ignored;
use crate::mount::layer::{MountRequest, StillMounted, Unmounting};
use crate::mount::owners::ParentOwners;
use crate::mount::shutdown::{Shutdown, ShutdownError};
use crate::records::big_data_item::BigDataItem;
use crate::records::kinds::ItemId;
use crate::repair::{RepairOptions, RepairReport};
use crate::spec::error::StageError;
use crate::staged_tree::{FilledTree, TreeSpec, TreeToFill};
use crate::transaction::Transaction;
use crate::usage::{UsageError, UsageReport, WrongCounter};
use crate::{
    check, contents, dedup, delete, edit, engine, mount, repair, staged_tree, transaction, usage,
};

/// An open store: a graph root, a run root and a graph driver.
///
/// Cloning is cheap and gives another handle on the same opening. Everything takes `&self` and may
/// be called from any thread. Two stores opened on the same directories behave like two processes.
///
/// # What the keys are
///
/// Where a method takes `key: &str` it may be an ID, a name, or the beginning of one ID only; typed
/// IDs lend themselves as such through `as_str()`. What several kinds of items share (names,
/// metadata, flags) is looked up as Go does: layers first, then images, then containers.
#[derive(Clone)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
}

impl Store {
    /// Opens a store, making it if it does not exist.
    ///
    /// Go: `GetStore`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Driver`] when no driver fits or an option is wrong; [`OpenError::Directory`]
    /// when a directory cannot be made. Damaged records and leftovers of killed processes do not
    /// prevent opening.
    pub fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let engine = Arc::new(engine::open::open(options)?);
        Ok(Self { engine })
    }

    /// Takes a snapshot: layers, images and containers as they are at one moment.
    ///
    /// All three locks are held for reading at once, for as long as it takes to see whether the
    /// files changed since the last time and to read those that did.
    ///
    /// Go: `Store.MultiList`.
    ///
    /// # Errors
    ///
    /// When a lock cannot be taken or a file cannot be read. Damaged records do not prevent it.
    pub fn snapshot(&self) -> Result<Snapshot, AccessError> {
        self.engine.snapshot()
    }

    /// Tells whether anything has this ID, name or unique prefix.
    ///
    /// Go: `Store.Exists`.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    pub fn exists<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> Result<bool, AccessError> {
        self.engine.catalog.exists(&key.into())
    }

    /// Returns the directory of everything that survives a reboot.
    ///
    /// Go: `Store.GraphRoot`.
    #[must_use]
    pub fn graph_root(&self) -> &Path {
        &self.engine.options.graph_root
    }

    /// Returns the directory of what may be lost at a reboot.
    ///
    /// Go: `Store.RunRoot`.
    #[must_use]
    pub fn run_root(&self) -> &Path {
        &self.engine.options.run_root
    }

    /// Returns the name of the graph driver, which is part of most directory names of the store.
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

    /// Returns the options for programs that pull images, as the store was opened with them.
    ///
    /// Go: `Store.PullOptions`.
    #[must_use]
    pub fn pull_options(&self) -> &BTreeMap<String, String> {
        &self.engine.options.pull_options
    }

    /// Returns the mount options that the first driver option `mountopt` asks for, in order.
    ///
    /// Go: `GetMountOptions`.
    #[must_use]
    pub fn default_mount_options(&self) -> Vec<String> {
        // With or without the driver's name in front (Go: store.go, `GetMountOptions`).
        let own = format!("{}.mountopt", self.driver_name());
        let of_mounts = |option: &String| {
            let (key, value) = option.split_once('=')?;
            let key = key.trim().to_ascii_lowercase();
            let is_ours = [own.as_str(), ".mountopt", "mountopt"].contains(&key.as_str());
            is_ours.then(|| value.trim().split(',').map(str::to_owned).collect())
        };
        let options = self.engine.options.driver_options.iter();
        options.filter_map(of_mounts).next().unwrap_or_default()
    }

    /// Returns the maps that layers and containers get which are asked for without maps.
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

    /// Returns the raw driver. What is done with it directly is not recorded in the store.
    ///
    /// Go: `Store.GraphDriver`.
    #[must_use]
    pub fn driver(&self) -> Arc<dyn Driver> {
        self.engine.driver()
    }

    /// Begins a transaction. Nothing is locked, read or written yet; what killed processes left is
    /// erased, so that there is room for what comes ([`Recovery`](crate::Recovery)).
    ///
    /// # Errors
    ///
    /// When the driver was shut down by another process and cannot be opened again.
    pub fn begin(&self) -> Result<Transaction, StageError> {
        transaction::begin(&self.engine)
    }

    /// Makes an empty tree for the caller to fill. No lock is held, now or while it is filled.
    ///
    /// Go: `Store.PrepareStagedLayer`.
    ///
    /// # Errors
    ///
    /// [`StageError::Driver`] with [`ErrorKind::NotSupported`](crate::ErrorKind::NotSupported) by
    /// drivers whose layers hold more than what they change (vfs), and for a layer that is unknown
    /// or in an additional store.
    pub fn stage_tree(&self, spec: TreeSpec) -> Result<TreeToFill, StageError> {
        staged_tree::stage_tree(&self.engine, spec)
    }

    /// Makes a filled tree what an existing layer holds, and records what is known of it. What the
    /// layer held before is erased.
    ///
    /// Go: `Store.ApplyStagedLayer`, for a layer that exists.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for a layer that is unknown or in an additional store;
    /// [`DiffError::Conflict`] when its ID maps are not those of the tree, or when it, or a layer
    /// above it, is mounted; [`DiffError::Driver`] when the driver refuses. The tree is erased
    /// then, and the layer is as it was. When records cannot be saved after that, the layer is left
    /// as a crash would leave it.
    pub fn replace_tree<'k>(
        &self,
        key: impl Into<Key<'k, LayerId>>,
        tree: FilledTree,
    ) -> Result<(), DiffError> {
        staged_tree::replace::replace_tree(&self.engine, &key.into(), tree)
    }

    /// Returns the path of the directory with the files that a layer itself holds, in the form in
    /// which the driver keeps them. It is there as long as the layer is; what is changed in it is
    /// not recorded.
    ///
    /// Go: `Store.DifferTarget`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for an unknown layer, [`DiffError::Driver`] by drivers that have no
    /// such directory.
    pub fn layer_tree_path<'k>(
        &self,
        key: impl Into<Key<'k, LayerId>>,
    ) -> Result<PathBuf, DiffError> {
        staged_tree::replace::layer_tree_path(&self.engine, &key.into())
    }

    /// Unpacks a tar, plain or compressed, into an existing layer, and records its digests as those
    /// of the layer. Returns the sum of the sizes of the files in it.
    ///
    /// Go: `Store.ApplyDiff`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for an unknown layer; [`DiffError::Apply`] for a stream that cannot be
    /// unpacked, of which a part may have been unpacked then; [`DiffError::Conflict`] when the
    /// layer was deleted meanwhile.
    pub fn apply_diff<'k>(
        &self,
        to: impl Into<Key<'k, LayerId>>,
        reader: impl Read + Send,
    ) -> Result<u64, DiffError> {
        contents::apply::apply_diff(&self.engine, &to.into(), reader)
    }

    /// Looks for a layer in the additional layer stores of the driver options
    /// (`additionallayerstore`), by the digest of its table of contents. Stores that tell images
    /// apart have it under the name that the image is pulled by. `None` when no store shows it, and
    /// when the driver knows no such stores.
    ///
    /// Go: `Store.LookupAdditionalLayer`.
    ///
    /// # Errors
    ///
    /// [`AdditionalLayerError::Info`] when what the store tells about the layer is no record.
    pub fn lookup_additional_layer(
        &self,
        toc: &TocDigest,
        image: &str,
    ) -> Result<Option<AdditionalLayer>, AdditionalLayerError> {
        contents::additional_layer::lookup_additional_layer(&self.engine, toc, image)
    }

    /// Returns the difference between two layers as a tar with AUFS whiteouts. `from` is the parent
    /// of `to` unless given.
    ///
    /// The tar of an imported layer is rebuilt bit for bit, and every file is checked against its
    /// checksum on the way; files that were changed since make the reader fail.
    ///
    /// Go: `Store.Diff`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] for unknown layers; [`DiffError::Compress`] for a compression that
    /// cannot be written.
    pub fn diff<'k>(
        &self,
        from: Option<Key<'_, LayerId>>,
        to: impl Into<Key<'k, LayerId>>,
        compression: DiffCompression,
    ) -> Result<Diff, DiffError> {
        contents::diff::diff(&self.engine, from.as_ref(), &to.into(), compression)
    }

    /// Lists what differs between two layers, sorted by path. `from` is the parent of `to` unless
    /// given.
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
        contents::diff::changes(&self.engine, from.as_ref(), &to.into())
    }

    /// Returns the size of the files that differ between two layers, in bytes. `from` is the parent
    /// of `to` unless given.
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
        contents::diff::diff_size(&self.engine, from.as_ref(), &to.into())
    }

    /// Returns the size of a layer's tar in bytes, as recorded.
    ///
    /// Go: `Store.LayerSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::SizeUnknown`] for a layer that was not imported.
    pub fn layer_size<'k>(&self, key: impl Into<Key<'k, LayerId>>) -> Result<u64, DiffError> {
        contents::sizes::layer_size(&self.engine, &key.into())
    }

    /// Returns the size of an image in bytes: the tars of all its layers, each once, and its data
    /// items. Layers whose size is not recorded are compared with their parents, which takes long.
    ///
    /// Go: `Store.ImageSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when the image or one of its layers is unknown.
    pub fn image_size<'k>(&self, key: impl Into<Key<'k, ImageId>>) -> Result<u64, DiffError> {
        contents::sizes::image_size(&self.engine, &key.into())
    }

    /// Returns the size of a container in bytes: what its layer changes, its data items, and the
    /// files in its two directories.
    ///
    /// Go: `Store.ContainerSize`.
    ///
    /// # Errors
    ///
    /// [`DiffError::Lookup`] when the container or its layer is unknown.
    pub fn container_size<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<u64, DiffError> {
        contents::sizes::container_size(&self.engine, &key.into())
    }

    /// Returns the durable directory of an image for its callers' files, made when missing.
    ///
    /// Go: `Store.ImageDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown image.
    pub fn image_directory<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
    ) -> Result<PathBuf, DirectoryError> {
        contents::directories::image_directory(&self.engine, &key.into())
    }

    /// Returns the directory of an image for files that may be lost at a reboot, made when missing.
    ///
    /// Go: `Store.ImageRunDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown image.
    pub fn image_run_directory<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
    ) -> Result<PathBuf, DirectoryError> {
        contents::directories::image_run_directory(&self.engine, &key.into())
    }

    /// Returns the durable directory of a container for its callers' files, made when missing.
    ///
    /// Go: `Store.ContainerDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown container.
    pub fn container_directory<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<PathBuf, DirectoryError> {
        contents::directories::container_directory(&self.engine, &key.into())
    }

    /// Returns the directory of a container for files that may be lost at a reboot, made when
    /// missing.
    ///
    /// Go: `Store.ContainerRunDirectory`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Lookup`] for an unknown container.
    pub fn container_run_directory<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<PathBuf, DirectoryError> {
        contents::directories::container_run_directory(&self.engine, &key.into())
    }

    /// Reads a file below [`container_directory`](Self::container_directory).
    ///
    /// Go: `Store.FromContainerDirectory`.
    ///
    /// # Errors
    ///
    /// A [`DirectoryError::Os`] that says "not found" when there is no such file.
    pub fn container_file<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
        name: &Path,
    ) -> Result<Vec<u8>, DirectoryError> {
        contents::directories::container_file(&self.engine, &key.into(), name)
    }

    /// Writes a file below [`container_directory`](Self::container_directory): readers see the old
    /// or the new contents. The name may have several components; directories between are made.
    ///
    /// Go: `Store.SetContainerDirectoryFile`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::InvalidName`] for a name that leads outside.
    pub fn set_container_file<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
        name: &Path,
        data: &[u8],
    ) -> Result<(), DirectoryError> {
        contents::directories::set_container_file(&self.engine, &key.into(), name, data)
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
        key: impl Into<Key<'k, ContainerId>>,
        name: &Path,
    ) -> Result<Vec<u8>, DirectoryError> {
        contents::directories::container_run_file(&self.engine, &key.into(), name)
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
        key: impl Into<Key<'k, ContainerId>>,
        name: &Path,
        data: &[u8],
    ) -> Result<(), DirectoryError> {
        contents::directories::set_container_run_file(&self.engine, &key.into(), name, data)
    }

    /// Lists the names of a layer, image or container.
    ///
    /// Go: `Store.Names`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn names<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> Result<Vec<String>, UpdateError> {
        edit::update::names(&self.engine, &key.into())
    }

    /// Replaces the names of a layer, image or container. Names that others of the same kind have
    /// move.
    ///
    /// Go: `Store.SetNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn set_names<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        names: &[String],
    ) -> Result<(), UpdateError> {
        edit::update::set_names(&self.engine, &key.into(), names)
    }

    /// Puts names in front of those a layer, image or container has. Names that others of the same
    /// kind have move.
    ///
    /// Go: `Store.AddNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn add_names<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        names: &[String],
    ) -> Result<(), UpdateError> {
        edit::update::add_names(&self.engine, &key.into(), names)
    }

    /// Takes names away from a layer, image or container. Names that it does not have are passed
    /// over.
    ///
    /// Go: `Store.RemoveNames`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn remove_names<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        names: &[String],
    ) -> Result<(), UpdateError> {
        edit::update::remove_names(&self.engine, &key.into(), names)
    }

    /// Returns the caller's free text on a layer, image or container.
    ///
    /// Go: `Store.Metadata`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn metadata<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> Result<String, UpdateError> {
        edit::update::metadata(&self.engine, &key.into())
    }

    /// Replaces the caller's free text on a layer, image or container.
    ///
    /// Go: `Store.SetMetadata`.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing.
    pub fn set_metadata<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        metadata: &str,
    ) -> Result<(), UpdateError> {
        edit::update::set_metadata(&self.engine, &key.into(), metadata)
    }

    /// Sets a flag of a layer, image or container.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Lookup`] when the key means nothing, [`UpdateError::ReservedFlag`] for the
    /// flag of layers that are not complete.
    pub fn set_flag<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        flag: &str,
        value: impl Into<Value>,
    ) -> Result<(), UpdateError> {
        edit::update::set_flag(&self.engine, &key.into(), flag, value)
    }

    /// Removes a flag of a layer, image or container, if it is there.
    ///
    /// # Errors
    ///
    /// As [`set_flag`](Self::set_flag).
    pub fn clear_flag<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        flag: &str,
    ) -> Result<(), UpdateError> {
        edit::update::clear_flag(&self.engine, &key.into(), flag)
    }

    /// Lists the data items of a layer.
    ///
    /// Go: `Store.ListLayerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Lookup`] for an unknown layer.
    pub fn layer_data_names<'k>(
        &self,
        key: impl Into<Key<'k, LayerId>>,
    ) -> Result<Vec<String>, DataError> {
        edit::big_data::layer_data_names(&self.engine, &key.into())
    }

    /// Opens a data item of a layer. Setting it anew does not change what the file reads.
    ///
    /// Go: `Store.LayerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn layer_data<'k>(
        &self,
        key: impl Into<Key<'k, LayerId>>,
        item: &str,
    ) -> Result<File, DataError> {
        edit::big_data::layer_data(&self.engine, &key.into(), item)
    }

    /// Stores a data item of a layer, of any size.
    ///
    /// Go: `Store.SetLayerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Item`] for a name that no item can have, or when `data` cannot be read.
    pub fn set_layer_data<'k>(
        &self,
        key: impl Into<Key<'k, LayerId>>,
        item: &str,
        data: &mut dyn Read,
    ) -> Result<(), DataError> {
        edit::big_data::set_layer_data(&self.engine, &key.into(), item, data)
    }

    /// Lists the data items of an image.
    ///
    /// Go: `Store.ListImageBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Lookup`] for an unknown image.
    pub fn image_data_names<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
    ) -> Result<Vec<String>, DataError> {
        edit::big_data::image_data_names(&self.engine, &key.into())
    }

    /// Reads a data item of an image.
    ///
    /// Go: `Store.ImageBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn image_data<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        item: &str,
    ) -> Result<Vec<u8>, DataError> {
        edit::big_data::image_data(&self.engine, &key.into(), item)
    }

    /// Returns the size of a data item of an image in bytes.
    ///
    /// Go: `Store.ImageBigDataSize`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn image_data_size<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        item: &str,
    ) -> Result<u64, DataError> {
        edit::big_data::image_data_size(&self.engine, &key.into(), item)
    }

    /// Returns the digest of a data item of an image: the recorded one, else the SHA-256 of what is
    /// there.
    ///
    /// Go: `Store.ImageBigDataDigest`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item; [`DataError::DigestNeeded`] for a
    /// manifest without a recorded digest.
    pub fn image_data_digest<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        item: &str,
    ) -> Result<Digest, DataError> {
        edit::big_data::image_data_digest(&self.engine, &key.into(), item)
    }

    /// Stores a data item of an image. Its digest must be given for manifests.
    ///
    /// Go: `Store.SetImageBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::DigestNeeded`] for a manifest without one, [`DataError::Item`] for a name that
    /// no item can have.
    pub fn set_image_data<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        item: BigDataItem,
    ) -> Result<(), DataError> {
        edit::big_data::set_image_data(&self.engine, &key.into(), item)
    }

    /// Lists the data items of a container.
    ///
    /// Go: `Store.ListContainerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Lookup`] for an unknown container.
    pub fn container_data_names<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<Vec<String>, DataError> {
        edit::big_data::container_data_names(&self.engine, &key.into())
    }

    /// Reads a data item of a container.
    ///
    /// Go: `Store.ContainerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn container_data<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
        item: &str,
    ) -> Result<Vec<u8>, DataError> {
        edit::big_data::container_data(&self.engine, &key.into(), item)
    }

    /// Returns the size of a data item of a container in bytes.
    ///
    /// Go: `Store.ContainerBigDataSize`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn container_data_size<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
        item: &str,
    ) -> Result<u64, DataError> {
        edit::big_data::container_data_size(&self.engine, &key.into(), item)
    }

    /// Returns the digest of a data item of a container: the recorded one, else the SHA-256 of what
    /// is there.
    ///
    /// Go: `Store.ContainerBigDataDigest`.
    ///
    /// # Errors
    ///
    /// [`DataError::NotFound`] when there is no such item.
    pub fn container_data_digest<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
        item: &str,
    ) -> Result<Digest, DataError> {
        edit::big_data::container_data_digest(&self.engine, &key.into(), item)
    }

    /// Stores a data item of a container.
    ///
    /// Go: `Store.SetContainerBigData`.
    ///
    /// # Errors
    ///
    /// [`DataError::Item`] for a name that no item can have.
    pub fn set_container_data<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
        item: BigDataItem,
    ) -> Result<(), DataError> {
        edit::big_data::set_container_data(&self.engine, &key.into(), item)
    }

    /// Mounts the layer of a container, or a layer, and returns where. The path may be used until
    /// [`unmount`](Self::unmount) is called as often as this.
    ///
    /// A layer of an additional store is only mounted with the option `ro`.
    ///
    /// Go: `Store.Mount`.
    ///
    /// # Errors
    ///
    /// [`MountError::Lookup`] for an unknown key, or a layer of an additional store without that
    /// option; [`MountError::ShiftingNotEnabled`] for a container with ID maps whose files the
    /// driver cannot show with their owners; [`MountError::Driver`] when the driver refuses.
    pub fn mount<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        request: &MountRequest,
    ) -> Result<PathBuf, MountError> {
        mount::layer::mount(&self.engine, &key.into(), request)
    }

    /// Gives the mount of a container or layer back, named like for [`mount`](Self::mount) or by
    /// the path it is mounted at.
    ///
    /// Go: `Store.Unmount`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when it is not mounted.
    pub fn unmount<'k>(
        &self,
        key: impl Into<Key<'k, ItemId>>,
        how: Unmounting,
    ) -> Result<StillMounted, MountError> {
        mount::layer::unmount(&self.engine, &key.into(), how)
    }

    /// Returns how many uses the mount of a container or layer has.
    ///
    /// Go: `Store.Mounted`.
    ///
    /// # Errors
    ///
    /// [`MountError::Lookup`] for an unknown key.
    pub fn mounted<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> Result<u32, MountError> {
        mount::layer::mounted(&self.engine, &key.into())
    }

    /// Lists the layers that are mounted.
    ///
    /// # Errors
    ///
    /// When the file with the counts cannot be read.
    pub fn mounts(&self) -> Result<Vec<Mounted>, AccessError> {
        mount::layer::mounts(&self.engine)
    }

    /// Mounts the top layer of an image for reading.
    ///
    /// Go: `Store.MountImage`.
    ///
    /// # Errors
    ///
    /// [`MountError::NoLayers`] for an image without layers, [`MountError::Writable`] when `rw` is
    /// asked for, [`MountError::Copy`] when the copy without ID maps that has to be mounted cannot
    /// be made.
    pub fn mount_image<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        request: &MountRequest,
    ) -> Result<PathBuf, MountError> {
        transaction::mount_image::mount_image(&self.engine, &key.into(), request)
    }

    /// Gives the mount of an image's top layer back.
    ///
    /// Go: `Store.UnmountImage`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when it is not mounted.
    pub fn unmount_image<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        how: Unmounting,
    ) -> Result<StillMounted, MountError> {
        transaction::mount_image::unmount_image(&self.engine, &key.into(), how)
    }

    /// Lists the owners of the directories above the mount of a layer that the layer's ID maps do
    /// not cover: a process in that user namespace needs their permission to reach it. Without maps
    /// there are none.
    ///
    /// Go: `Store.LayerParentOwners`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when a layer with maps is not mounted.
    pub fn layer_parent_owners<'k>(
        &self,
        key: impl Into<Key<'k, LayerId>>,
    ) -> Result<ParentOwners, MountError> {
        mount::owners::layer_parent_owners(&self.engine, &key.into())
    }

    /// As [`layer_parent_owners`](Self::layer_parent_owners), for the layer of a container.
    ///
    /// Go: `Store.ContainerParentOwners`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when the layer is not mounted.
    pub fn container_parent_owners<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<ParentOwners, MountError> {
        mount::owners::container_parent_owners(&self.engine, &key.into())
    }

    /// Tells which words of a mount the driver leaves out, because the system cannot do what they
    /// ask for. The words are those of the request and of the driver options.
    ///
    /// Go logs a warning when it mounts.
    #[must_use]
    pub fn ignored_mount_options(&self, request: &MountRequest) -> Vec<Ignored> {
        mount::ignored::ignored_mount_options(&self.engine, request)
    }

    /// Releases what the driver holds in the kernel. Returns the layers that were mounted and have
    /// been unmounted.
    ///
    /// Other processes, and this handle, open the driver again when they next need it: they learn
    /// of the shutdown from `storage.lock`, which is written before anything is released.
    ///
    /// Go: `Store.Shutdown`.
    ///
    /// # Errors
    ///
    /// [`ShutdownError::Mounted`] when layers are mounted and [`Shutdown::Force`] was not asked
    /// for.
    pub fn shutdown(&self, how: Shutdown) -> Result<Vec<LayerId>, ShutdownError> {
        mount::shutdown::shutdown(&self.engine, how)
    }

    /// Returns facts on the driver, as rows of a table.
    ///
    /// Go: `Store.Status`.
    #[must_use]
    pub fn status(&self) -> Vec<(String, String)> {
        mount::shutdown::status(&self.engine)
    }

    /// Returns facts on this library, as rows of a table.
    ///
    /// Go: `Store.Version`.
    #[must_use]
    pub fn version(&self) -> Vec<(String, String)> {
        mount::shutdown::version(&self.engine)
    }

    /// Returns a lock that processes take around work on something of this digest, below the run
    /// root.
    ///
    /// Go: `Store.GetDigestLock`.
    ///
    /// # Errors
    ///
    /// When its path cannot be used.
    pub fn digest_lock(&self, digest: &Digest) -> Result<LockFile, AccessError> {
        mount::shutdown::digest_lock(&self.engine, digest)
    }

    /// Deletes a container with its layer, else an image without its layers, else a layer; before
    /// all of them, one whose whole ID or name the key is. Whether anything uses it is not asked:
    /// see the other methods for that.
    ///
    /// Go: `Store.Delete`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::Lookup`] when the key means nothing.
    pub fn delete<'k>(&self, key: impl Into<Key<'k, ItemId>>) -> Result<(), DeleteError> {
        delete::item::delete(&self.engine, &key.into())
    }

    /// Deletes a layer that nothing uses. Images in which it only stands in for their top layer
    /// forget it. A damaged record can be deleted like any other, here and in the other methods.
    ///
    /// Go: `Store.DeleteLayer`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotA`] for an unknown layer; [`DeleteError::HasChildren`],
    /// [`DeleteError::UsedByImage`] and [`DeleteError::UsedByContainer`] when something uses it.
    pub fn delete_layer<'k>(&self, key: impl Into<Key<'k, LayerId>>) -> Result<(), DeleteError> {
        delete::item::delete_layer(&self.engine, &key.into())
    }

    /// Deletes an image that no container uses, with those of its layers that nothing else needs.
    /// Returns these layers; with [`DeleteMode::DryRun`] they are only listed. Which layers an image
    /// had whose record is damaged cannot be known: they stay.
    ///
    /// Go: `Store.DeleteImage`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotA`] for an unknown image; [`DeleteError::ImageUsedByContainer`].
    pub fn delete_image<'k>(
        &self,
        key: impl Into<Key<'k, ImageId>>,
        mode: DeleteMode,
    ) -> Result<Vec<LayerId>, DeleteError> {
        delete::item::delete_image(&self.engine, &key.into(), mode)
    }

    /// Deletes a container: its layer, its directories, its record. A layer that is gone already is
    /// no reason to fail.
    ///
    /// Go: `Store.DeleteContainer`.
    ///
    /// # Errors
    ///
    /// [`DeleteError::NotA`] for an unknown container.
    pub fn delete_container<'k>(
        &self,
        key: impl Into<Key<'k, ContainerId>>,
    ) -> Result<(), DeleteError> {
        delete::item::delete_container(&self.engine, &key.into())
    }

    /// Deletes all containers, images and layers, the newest layers first, and whatever the driver
    /// holds without a record. What other programs keep below the graph root stays.
    ///
    /// Go: `Store.Wipe`.
    ///
    /// # Errors
    ///
    /// The first thing that could not be removed.
    pub fn wipe(&self) -> Result<(), DeleteError> {
        delete::item::wipe(&self.engine)
    }

    /// Removes directories of containers and images, contents of layers, and files beside layers,
    /// that no record names, and what killed processes left in temporary areas.
    ///
    /// Only what has a name that this library and Go's give is looked at, and nothing is touched as
    /// long as a record file is damaged, or empty or missing although there is content: what its
    /// records named is not garbage. What belongs to containers of a transient opening stays also
    /// if this one is not, and the other way round. What may belong to an opening that names an
    /// image store, an additional store or another run root stays too: files of a layer without
    /// contents here, directories of images in which a caller keeps files, directories of
    /// containers that are not older than the machine runs, with all contents beside these, and
    /// whatever is mounted.
    ///
    /// Go: `Store.GarbageCollect`.
    ///
    /// # Errors
    ///
    /// [`CollectError::Damaged`] in that case; [`CollectError::Driver`] when something cannot be
    /// removed.
    pub fn garbage_collect(&self) -> Result<CollectReport, CollectError> {
        delete::garbage::garbage_collect(&self.engine)
    }

    /// Returns what everything in this store takes, all at one moment.
    ///
    /// Takes no longer than reading the records and one small file, except for layers that were
    /// never counted before and those that containers write to: their files are looked at one by
    /// one. No lock is held meanwhile.
    ///
    /// # Errors
    ///
    /// When records, or the files of such a layer, cannot be read.
    pub fn usage(&self) -> Result<UsageReport, UsageError> {
        usage::usage(&self.engine)
    }

    /// Counts everything anew, and puts the counters right that turn out to be wrong. Returns them
    /// too.
    ///
    /// Blocks that were allocated are not compared: filesystems change them on their own.
    ///
    /// # Errors
    ///
    /// As [`usage`](Self::usage).
    pub fn verify_usage(&self) -> Result<(UsageReport, Vec<WrongCounter>), UsageError> {
        usage::verify_usage(&self.engine)
    }

    /// Makes equal files in the layers of this store's images share their blocks.
    ///
    /// No lock is held, contents stay what they are, and layers may be in use. A filesystem or
    /// driver that cannot share blocks is no error: the report says so.
    ///
    /// Go: `Store.Dedup`.
    ///
    /// # Errors
    ///
    /// When the records cannot be read.
    pub fn dedup(&self, options: &DedupOptions) -> Result<DedupReport, AccessError> {
        dedup::dedup(&self.engine, options)
    }

    /// Looks for damage: in records, in what they name, and in the contents of layers, as far as
    /// the options say.
    ///
    /// Others may use and change the store meanwhile. Nothing is changed, except that the next
    /// process to take the locks would undo what dead processes left of unfinished work, and this
    /// one does so too.
    ///
    /// Go: `Store.Check`.
    ///
    /// # Errors
    ///
    /// When records cannot be locked or read, or directories cannot be listed. Damage is no reason.
    pub fn check(&self, options: &CheckOptions) -> Result<CheckReport, CheckError> {
        check::check(&self.engine, options)
    }

    /// Repairs what a check found. What cannot be repaired is in the report, and is no reason to
    /// stop.
    ///
    /// With [`RepairMode::DryRun`] nothing is done.
    ///
    /// Go: `Store.Repair`.
    pub fn repair(&self, check: &CheckReport, options: &RepairOptions) -> RepairReport {
        repair::repair(&self.engine, check, options)
    }

    /// Removes the damaged layers that repairs have set aside, and returns the directories that
    /// they were in.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn erase_quarantine(&self) -> Result<Vec<PathBuf>, CollectError> {
        repair::quarantine::erase_quarantine(&self.engine)
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
