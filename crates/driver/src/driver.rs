//! The graph-driver trait.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use layerhold_archive::Change;
use layerhold_idmap::IdMappings;
use layerhold_ids::{LayerId, TocDigest};
use layerhold_sys::{Dir, tree_usage};

use crate::additional::AdditionalLayer;
use crate::apply::{ApplyRequest, ApplySummary, LayerTarget};
use crate::capabilities::Capabilities;
use crate::contents::{DirContents, LayerContents};
use crate::diff::DiffRequest;
use crate::error::LayerError;
use crate::fallback;
use crate::maintenance::Maintenance;
use crate::mount::{MountOptions, OwnFiles};
use crate::remap::RemapRequest;
use crate::stage::{StageRequest, StagedLayer};
use crate::staged_dir::remap_dir;
use crate::sync::SyncMode;
use crate::trash::Trash;
use crate::tree::{StagedTree, TreeRequest, TreeRoot};
use crate::usage::Usage;
use crate::view::{LayerView, OwnTree};

/// What drivers without [`stage_tree`](Driver::stage_tree) cannot do.
const TAKE_TREES: &str = "take trees that the caller fills";
/// What drivers without [`view_shifted`](Driver::view_shifted) cannot do.
const SHOW_SHIFTED: &str = "show owners shifted";

/// Keeps the contents of layers on disk.
///
/// A driver knows layers by ID, and their parents as the caller names them. Names, digests, mount
/// counts that survive the process, and all JSON belong to the store. A
/// [`DriverFactory`](crate::DriverFactory) opens one driver for each store, which is shared between
/// threads.
///
/// # Which calls need the store's lock
///
/// No method takes a store lock. The caller holds the layers lock for writing around the calls that
/// change what exists under an ID: [`StagedLayer::commit`] and [`remove`](Self::remove). Both are
/// renames, whose cost does not depend on the size of the layer. Long work ([`stage`](Self::stage),
/// unpacking into [`LayerTarget::root`], [`StagedLayer::remap`], [`diff`](Self::diff),
/// [`changes`](Self::changes), [`Trash::erase`]) is called without it.
///
/// # What a driver overrides
///
/// The methods with a body are right for a driver whose layers are plain directory trees (vfs,
/// btrfs, zfs): they use [`diff_dir`](Self::diff_dir), [`mount`](Self::mount) and the [`fallback`]
/// module. Such a driver writes `diff_dir` and the methods without a body, most of which are one
/// line if it keeps its layers in [`LayerDirs`](crate::LayerDirs). A driver that keeps differences
/// as such (overlay, whose upper directory *is* the difference) overrides the rest. Optional
/// abilities are methods with a body that says "none", so that a new one changes no existing
/// driver.
///
/// Checks, repairs and what a crash leaves are not here but in [`Maintenance`].
pub trait Driver: Send + Sync + Debug {
    /// Returns the driver's name, which is also the name of its directory below the graph root.
    fn name(&self) -> &'static str;

    /// Returns what this driver can do beyond the required methods.
    fn capabilities(&self) -> Capabilities;

    // ---- making layers ----

    /// Stages a new layer where no reader sees it, on the filesystem on which it will stay.
    ///
    /// The layer starts as a copy of the request's template, else of its parent, else empty. The
    /// caller fills it ([`LayerTarget::root`]), and [commits](StagedLayer::commit) it under an ID.
    /// A layer that is dropped instead leaves nothing behind; nor does a crash, once the next
    /// writer has recovered the [`temp_roots`](Self::temp_roots).
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`] when parent or template do not exist, [`LayerError::ForeignStaged`]
    /// for a staged parent of another driver, [`LayerError::StorageOptions`] for options the driver
    /// has no use for.
    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError>;

    /// Makes an empty tree that the caller fills, and that becomes the contents of a layer.
    ///
    /// # Errors
    ///
    /// [`LayerError::NotSupported`] by drivers whose layers hold more than what they change;
    /// [`LayerError::Unknown`] and [`LayerError::ReadOnlyStore`] for the layer that it is for.
    fn stage_tree(&self, _request: &TreeRequest<'_>) -> Result<Box<dyn StagedTree>, LayerError> {
        Err(LayerError::NotSupported {
            driver: self.name(),
            operation: TAKE_TREES,
        })
    }

    /// Makes a tree the contents of an existing layer, by renaming it into place. The old contents
    /// go into `trash`.
    ///
    /// The caller holds the layers lock for writing, and has checked that neither the layer nor a
    /// child of it is mounted.
    ///
    /// # Errors
    ///
    /// [`LayerError::ForeignTree`] for a tree of another driver. The tree is erased, and the layer
    /// is as it was before.
    fn replace_tree(
        &self,
        _id: &LayerId,
        _parent: Option<&LayerId>,
        _tree: Box<dyn StagedTree>,
        _root: TreeRoot,
        _trash: &mut Trash,
    ) -> Result<(), LayerError> {
        Err(LayerError::ForeignTree)
    }

    // ---- removing layers ----

    /// Removes a layer: its ID is free afterwards.
    ///
    /// The contents are renamed into `trash` and erased with it, without a lock. Where they cannot
    /// be renamed (no space for the temporary area, a read-only temporary root, another filesystem)
    /// they are erased at once, because a full disk must stay emptiable. Removing a layer that does
    /// not exist succeeds, as in Go.
    ///
    /// # Errors
    ///
    /// [`LayerError::ReadOnlyStore`] when the layer belongs to an additional store.
    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError>;

    // ---- facts ----

    /// Tells whether the driver has a layer of this ID, in its own home or in an additional store.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out. Go reports "no" then.
    fn exists(&self, id: &LayerId) -> Result<bool, LayerError>;

    /// Lists the layers of the driver's own home and of a split-off image store (not those of
    /// additional stores), in an order in which they can be removed one after the other. `None`
    /// when the driver cannot list (zfs).
    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError>;

    /// Returns low-level facts on one layer, in a fixed order (overlay: `WorkDir`, `MergedDir`, …;
    /// vfs: none).
    fn metadata(&self, _id: &LayerId) -> Result<Vec<(String, String)>, LayerError> {
        Ok(Vec::new())
    }

    /// Returns low-level facts on the driver, as rows of the `status` command.
    fn status(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Returns what the writable part of a layer takes on disk: file sizes with each inode once,
    /// and inodes. Unless overridden, that of [`diff_dir`](Self::diff_dir).
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`].
    fn usage(&self, id: &LayerId) -> Result<Usage, LayerError> {
        let usage = tree_usage(&own_dir(self, id, "measure a layer")?)?;
        Ok(Usage {
            bytes: usage.bytes,
            inodes: usage.inodes,
        })
    }

    // ---- mounting and reading ----

    /// Mounts the merged tree of a layer and returns its path.
    ///
    /// Each successful call needs one [`unmount`](Self::unmount). Drivers without mounts return the
    /// path of the tree itself.
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`]; [`LayerError::MountOptions`] for options that the driver does not
    /// support.
    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError>;

    /// Gives one [`mount`](Self::mount) back; the last one unmounts. Drivers without mounts do
    /// nothing.
    fn unmount(&self, _id: &LayerId) -> Result<(), LayerError> {
        Ok(())
    }

    /// Opens an existing layer so that a diff can be unpacked into it (`applydiff`).
    ///
    /// A driver that has to mount the layer for that keeps it mounted until the target is dropped.
    fn apply_target(
        &self,
        id: &LayerId,
        mount_label: &str,
    ) -> Result<Box<dyn LayerTarget>, LayerError>;

    /// Opens the files that a layer itself holds, from which its tar is rebuilt. Unless overridden,
    /// those in [`diff_dir`](Self::diff_dir).
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`].
    fn contents(&self, id: &LayerId) -> Result<Box<dyn LayerContents>, LayerError> {
        let root = own_dir(self, id, "open the files of a layer")?;
        Ok(Box::new(DirContents::new(root)))
    }

    /// Opens the merged tree of a layer for reading, without counting it as a use of the layer's
    /// mount.
    ///
    /// # Errors
    ///
    /// Those of [`mount`](Self::mount).
    fn view(&self, id: &LayerId, mount_label: &str) -> Result<LayerView<'_>, LayerError> {
        LayerView::of_mount(self, id, mount_label)
    }

    /// Opens what a layer itself holds, if its merged tree is just that on top of the merged tree
    /// of `parent`. A check can look at it instead of at the merged tree, which is as large as all
    /// layers together. Returns `None` if only [`view`](Self::view) shows what the layer is, as
    /// this method does unless overridden.
    ///
    /// # Errors
    ///
    /// When the layer, or what it says about its parents, cannot be read.
    fn own_tree(
        &self,
        _id: &LayerId,
        _parent: Option<&LayerId>,
    ) -> Result<Option<OwnTree>, LayerError> {
        Ok(None)
    }

    /// As [`view`](Self::view), with owners shifted by `maps` as a mount for a container shows
    /// them.
    ///
    /// # Errors
    ///
    /// Those of [`view`](Self::view), and [`LayerError::NotSupported`] where this driver cannot
    /// shift owners by these maps.
    fn view_shifted(
        &self,
        _id: &LayerId,
        _mount_label: &str,
        _maps: &IdMappings,
        _own_files: OwnFiles,
    ) -> Result<LayerView<'_>, LayerError> {
        Err(LayerError::NotSupported {
            driver: self.name(),
            operation: SHOW_SHIFTED,
        })
    }

    /// Opens the directory of the files that a layer itself takes space with: the whole tree where
    /// each layer is a full copy (vfs), what the layer changes where layers are stacked (overlay).
    ///
    /// It serves to count the files, to share blocks among them, and unless the driver overrides
    /// [`contents`](Self::contents) to read them, so names and attributes may be the driver's own
    /// (whiteouts). `None` when the driver has no such directory, or when another
    /// program has the contents ([`additional_layer_of`](Self::additional_layer_of)).
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`].
    fn diff_dir(&self, _id: &LayerId) -> Result<Option<Dir>, LayerError> {
        Ok(None)
    }

    // ---- differences ----

    /// Lists what a layer changes relative to its parent, sorted by path; all additions when there
    /// is no parent.
    fn changes(&self, request: &DiffRequest<'_>) -> Result<Vec<Change>, LayerError> {
        fallback::changes(self, request)
    }

    /// Returns the bytes of regular files that are added or modified, each inode once.
    fn diff_size(&self, request: &DiffRequest<'_>) -> Result<u64, LayerError> {
        fallback::diff_size(self, request)
    }

    /// Writes the difference to the parent as an uncompressed tar with AUFS whiteouts (`.wh.NAME`),
    /// owners mapped into the container.
    fn diff(&self, request: &DiffRequest<'_>, out: &mut dyn Write) -> Result<(), LayerError> {
        fallback::diff(self, request, out)
    }

    /// Unpacks an uncompressed tar into an existing layer.
    fn apply_diff(
        &self,
        request: &ApplyRequest<'_>,
        tar: &mut dyn Read,
    ) -> Result<ApplySummary, LayerError> {
        fallback::apply_diff(self, request, tar)
    }

    // ---- ownership ----

    /// Rewrites the owners of a committed layer that has not been used yet. Prefer
    /// [`StagedLayer::remap`], which does the same without a lock, before a reader can see the
    /// layer.
    ///
    /// Unless overridden, the directory of [`apply_target`](Self::apply_target) is taken for the
    /// whole tree.
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`], or when an owner cannot be mapped or set.
    fn update_id_map(&self, id: &LayerId, request: &RemapRequest<'_>) -> Result<(), LayerError> {
        let target = self.apply_target(id, request.mount_label)?;
        let errors = target.unpack_options().chown_errors;
        remap_dir(target.root(), request, errors)
    }

    /// Tells whether mounts can show a layer under these maps without rewriting owners.
    fn supports_shifting(&self, _maps: &IdMappings) -> bool {
        false
    }

    /// Tells whether files that are written to a mount with shifted owners belong to IDs outside on
    /// disk, unlike the files of the parents. That is so where the kernel shifts lower directories.
    /// A mount program that shifts the upper one too writes IDs inside.
    fn writes_ids_outside(&self) -> bool {
        false
    }

    // ---- layers of other programs ----

    /// Looks for a layer in the additional layer stores of the driver options, in their order, by
    /// the digest of its table of contents and the name of the image that it is pulled for. `None`
    /// when no store shows it.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn additional_layer(
        &self,
        _toc: &TocDigest,
        _image: &str,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        Ok(None)
    }

    /// Returns the additional layer that has the contents of a layer of this driver; `None` for all
    /// other layers. Whether the program still shows it is not checked.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn additional_layer_of(
        &self,
        _id: &LayerId,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        Ok(None)
    }

    /// Returns those mount options, of the request or configured for all mounts, that the driver
    /// leaves out because neither kernel nor mount program supports them. The driver may have to
    /// try that out.
    fn ignored_mount_options(&self, _options: &MountOptions) -> Vec<String> {
        Vec::new()
    }

    // ---- check and repair ----

    /// What is needed to check a store, to repair it, and to clean up after processes that died.
    fn maintenance(&self) -> &dyn Maintenance;

    // ---- the home ----

    /// Returns the directories in which this driver makes temporary areas. A writer recovers the
    /// stale areas of each.
    fn temp_roots(&self) -> Vec<PathBuf>;

    /// Returns the roots of additional, read-only image stores given by driver options, in search
    /// order.
    fn additional_stores(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Returns the sync mode the driver options ask for, or `None` when they do not mention it.
    fn sync_mode(&self) -> Option<SyncMode> {
        None
    }

    /// Flushes every filesystem that the driver writes to. This is the one barrier between contents
    /// and the records that name them. Unless overridden, those of the
    /// [temporary roots](Self::temp_roots).
    ///
    /// # Errors
    ///
    /// When a filesystem cannot be flushed.
    fn sync(&self) -> Result<(), LayerError> {
        sync_filesystems_of(&self.temp_roots())
    }

    /// Makes durable which layers exist: every layer that was committed or removed before this call
    /// is in its place, or gone, also after a power cut. Contents are not flushed;
    /// [`sync`](Self::sync) does that before the commit. `replaced` are layers that got other
    /// contents by [`replace_tree`](Self::replace_tree).
    ///
    /// The caller may hold the locks of the store, and calls it before it saves the records that
    /// say the same. The journals of ext4 and XFS keep that order by themselves; btrfs does not.
    ///
    /// # Errors
    ///
    /// When a directory cannot be synced.
    fn sync_places(&self, _replaced: &[&LayerId]) -> Result<(), LayerError> {
        self.sync()
    }

    /// Releases what the driver holds in the kernel (the mount of its home). Layers stay.
    ///
    /// # Errors
    ///
    /// When something cannot be released.
    fn cleanup(&self) -> Result<(), LayerError> {
        Ok(())
    }
}

/// Opens the directory with a layer's own files, for the methods that need one.
fn own_dir(
    driver: &(impl Driver + ?Sized),
    id: &LayerId,
    operation: &'static str,
) -> Result<Dir, LayerError> {
    let own = driver.diff_dir(id)?;
    own.ok_or_else(|| LayerError::NotSupported {
        driver: driver.name(),
        operation,
    })
}

/// Flushes each filesystem once. A root that does not exist yet is on that of the directory above.
fn sync_filesystems_of(roots: &[PathBuf]) -> Result<(), LayerError> {
    let mut synced = Vec::new();
    for root in roots {
        let Some(dir) = nearest(root)? else { continue };
        let filesystem = dir.stat_self()?.dev;
        if !synced.contains(&filesystem) {
            dir.sync_filesystem()?;
            synced.push(filesystem);
        }
    }
    Ok(())
}

/// Opens the nearest directory of a path that exists.
fn nearest(path: &Path) -> Result<Option<Dir>, LayerError> {
    for above in path.ancestors() {
        match Dir::open_ambient(above) {
            Err(error) if error.is_not_found() => {}
            opened => return Ok(Some(opened?)),
        }
    }
    Ok(None)
}
