//! The trait every graph driver implements.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::path::PathBuf;

use layerhold_archive::Change;
use layerhold_idmap::IdMappings;
use layerhold_ids::{LayerId, TocDigest};
use layerhold_sys::Dir;

use crate::additional::AdditionalLayer;
use crate::apply::{ApplyRequest, ApplySummary, LayerTarget};
use crate::capabilities::Capabilities;
use crate::contents::LayerContents;
use crate::diff::DiffRequest;
use crate::error::LayerError;
use crate::fallback;
use crate::maintenance::Maintenance;
use crate::mount::{MountOptions, OwnFiles};
use crate::remap::RemapRequest;
use crate::stage::{StageRequest, StagedLayer};
use crate::sync::SyncMode;
use crate::trash::Trash;
use crate::tree::{StagedTree, TreeRequest, TreeRoot};
use crate::usage::Usage;
use crate::view::LayerView;

/// What drivers that cannot [`stage_tree`](Driver::stage_tree) cannot do.
const TAKE_TREES: &str = "take trees that somebody else fills";
/// What drivers that cannot [`view_shifted`](Driver::view_shifted) cannot do.
const SHOW_SHIFTED: &str = "show owners shifted";

/// Keeps the contents of layers on disk.
///
/// A driver knows layers by ID and by the parent it is told; names, digests, counts of mounts that
/// must survive the process, and all JSON belong to the store. A value is opened once per store by
/// a [`DriverFactory`](crate::DriverFactory) and shared between threads.
///
/// # Which calls need the store's lock
///
/// No method takes a store lock. The caller holds the layers lock for writing around the calls that
/// change what exists under an ID — [`StagedLayer::commit`] and [`remove`](Self::remove) — and both
/// are renames, whose cost does not depend on the size of the layer. Everything long
/// ([`stage`](Self::stage), unpacking into [`LayerTarget::root`], [`StagedLayer::remap`],
/// [`diff`](Self::diff), [`changes`](Self::changes), [`Trash::erase`]) is called without it.
///
/// # What a driver adds on its own
///
/// The methods with a body are right for a driver whose mounted layers are plain directory trees
/// (vfs, btrfs, zfs): they go through [`mount`](Self::mount) and the [`fallback`] module. A driver
/// with a native form (overlay, whose upper directory *is* the difference) overrides them. Later
/// optional abilities are added as methods with a body that says "none", so that no existing driver
/// changes.
pub trait Driver: Send + Sync + Debug {
    /// Returns the driver's name, which is also the name of its directory below the graph root.
    fn name(&self) -> &'static str;

    /// Says what this driver can do beyond the required methods.
    fn capabilities(&self) -> Capabilities;

    // ---- bringing layers in ----

    /// Prepares a new layer where no reader sees it, on the filesystem on which it will stay.
    ///
    /// The layer starts as the request's template, else as its parent, else empty. The caller then
    /// fills it ([`LayerTarget::root`]), and [commits](StagedLayer::commit) it under an ID.
    /// Dropping it instead leaves nothing behind; so does a crash, once the next writer has
    /// recovered the [`temp_roots`](Self::temp_roots).
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`] when parent or template do not exist, [`LayerError::ForeignStaged`]
    /// for a staged parent of another driver, [`LayerError::StorageOptions`] for options the driver
    /// has no use for.
    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError>;

    /// Prepares an empty tree that somebody else fills, to become the contents of a layer.
    ///
    /// # Errors
    ///
    /// [`LayerError::NotSupported`] by drivers whose layers hold more than what they change;
    /// [`LayerError::Unknown`] and [`LayerError::ReadOnlyStore`] for the layer that it is to be
    /// for.
    fn stage_tree(&self, _request: &TreeRequest<'_>) -> Result<Box<dyn StagedTree>, LayerError> {
        Err(LayerError::NotSupported {
            driver: self.name(),
            operation: TAKE_TREES,
        })
    }

    /// Makes a tree the contents of an existing layer, by renaming it into place. What was there
    /// goes into `trash`.
    ///
    /// The caller holds the layers lock for writing, and has made sure that nobody has the layer,
    /// or one above it, mounted.
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

    // ---- taking layers out ----

    /// Makes a layer disappear: from here on its ID is free.
    ///
    /// The contents are renamed into `trash` and erased with it, outside all locks. Where that
    /// cannot be done (no space for the temporary area, a read-only temporary root, another
    /// filesystem) they are erased at once, because a full disk must stay emptiable. Removing a
    /// layer that does not exist succeeds, as it does in Go.
    ///
    /// # Errors
    ///
    /// [`LayerError::ReadOnlyStore`] when the layer belongs to an additional store.
    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError>;

    // ---- asking ----

    /// Tells whether the driver has a layer of this ID, in its own home or in an additional store.
    ///
    /// # Errors
    ///
    /// Only when the answer cannot be found out; Go reports "no" then.
    fn exists(&self, id: &LayerId) -> Result<bool, LayerError>;

    /// Lists the layers of the driver's own home and of a split-off image store (not those of
    /// additional stores), in an order in which they could be removed one after the other. `None`
    /// when the driver cannot list (zfs).
    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError>;

    /// Returns low-level facts on one layer, in a fixed order (overlay: `WorkDir`, `MergedDir`, …;
    /// vfs: none).
    fn metadata(&self, id: &LayerId) -> Result<Vec<(String, String)>, LayerError>;

    /// Returns low-level facts on the driver, as rows of the `status` command.
    fn status(&self) -> Vec<(String, String)>;

    /// Returns what the writable part of a layer takes on disk: file sizes with each inode once,
    /// and inodes.
    fn usage(&self, id: &LayerId) -> Result<Usage, LayerError>;

    // ---- using ----

    /// Makes the merged tree of a layer visible and returns its path.
    ///
    /// Each successful call needs one [`unmount`](Self::unmount). Drivers without mounts return the
    /// tree itself.
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`], [`LayerError::MountOptions`] for options the driver cannot honour.
    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError>;

    /// Gives one [`mount`](Self::mount) back; the last one unmounts.
    fn unmount(&self, id: &LayerId) -> Result<(), LayerError>;

    /// Opens a layer for having a diff applied in place (`applydiff` on an existing layer).
    ///
    /// The layer stays mounted, where the driver mounts, until the target is dropped.
    fn apply_target(
        &self,
        id: &LayerId,
        mount_label: &str,
    ) -> Result<Box<dyn LayerTarget>, LayerError>;

    /// Opens the files a layer itself holds, for rebuilding its recorded tar.
    fn contents(&self, id: &LayerId) -> Result<Box<dyn LayerContents>, LayerError>;

    /// Opens the merged tree of a layer for reading, without counting it as a use of the layer's
    /// mount.
    ///
    /// # Errors
    ///
    /// Those of [`mount`](Self::mount).
    fn view(&self, id: &LayerId, mount_label: &str) -> Result<LayerView<'_>, LayerError> {
        LayerView::of_mount(self, id, mount_label)
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

    /// Opens the files that a layer itself takes space with, as they lie on the disk: all of it
    /// where each layer is a full copy (vfs), what it changes where layers are stacked (overlay).
    /// For counting them and for sharing blocks among them, so names and attributes may be those of
    /// the driver (whiteouts). `None` when the driver has no such tree, or another program has the
    /// contents ([`additional_layer_of`](Self::additional_layer_of)).
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

    /// Rewrites the owners of a committed layer that has not been used yet. [`StagedLayer::remap`]
    /// does the same before anybody can see the layer, without a lock: prefer it.
    fn update_id_map(&self, id: &LayerId, request: &RemapRequest<'_>) -> Result<(), LayerError>;

    /// Tells whether mounts can show a layer under these maps without owners being rewritten.
    fn supports_shifting(&self, _maps: &IdMappings) -> bool {
        false
    }

    /// Tells whether what is written to a mount that shows owners shifted belongs to IDs outside on
    /// disk, unlike the files of the layers below. That is so where the kernel shifts lower
    /// directories; a program that shifts the upper one too writes IDs inside.
    fn writes_ids_outside(&self) -> bool {
        false
    }

    // ---- layers of other programs ----

    /// Looks for a layer in the additional layer stores of the driver options, in their order, by
    /// the digest of its table of contents and the name of the image it is pulled for. `None` when
    /// no store shows it.
    ///
    /// # Errors
    ///
    /// Only when it cannot be found out.
    fn additional_layer(
        &self,
        _toc: &TocDigest,
        _image: &str,
    ) -> Result<Option<Box<dyn AdditionalLayer>>, LayerError> {
        Ok(None)
    }

    /// Returns the additional layer that a layer of this driver has its contents in; `None` for all
    /// others. It is not looked whether the program still shows it.
    ///
    /// # Errors
    ///
    /// Only when it cannot be found out.
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

    /// Flushes every filesystem the driver writes to: the one barrier between contents and the
    /// records naming them.
    fn sync(&self) -> Result<(), LayerError>;

    /// Makes durable which layers are where: every layer that was committed or removed before this
    /// call is in its place, or out of it, after a power cut too. Contents are not flushed, which
    /// is what [`sync`](Self::sync) does before the commit. `replaced` are layers that got other
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

    /// Releases what the driver holds in the kernel (mounts of its home). Layers stay.
    fn cleanup(&self) -> Result<(), LayerError>;
}
