//! New layers before they have an ID.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;

use crate::apply::LayerTarget;
use crate::contents::LayerContents;
use crate::error::LayerError;
use crate::remap::RemapRequest;
use crate::tree::{StagedTree, TreeRoot};

/// The parent or template of a layer that is staged.
#[derive(Debug, Clone, Copy)]
pub enum LayerRef<'a> {
    /// A layer that has its ID, in the driver's home or in an additional store.
    Committed(&'a LayerId),
    /// A layer that the same driver staged earlier and that is not committed yet, as when an image
    /// is imported as a whole. It must be committed before its child. [`Stacking`](crate::Stacking)
    /// says whether it must be complete.
    Staged(&'a dyn StagedLayer),
}

/// Whether containers write to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LayerAccess {
    /// An image layer. It goes to the split-off image store, if there is one.
    #[default]
    ReadOnly,
    /// A container's layer. It always goes to the driver's home, and quotas apply to it.
    ReadWrite,
}

/// The description of a new layer.
///
/// ```
/// use layerhold_driver::{LayerAccess, StageRequest};
///
/// let request = StageRequest::new().with_access(LayerAccess::ReadWrite);
/// assert!(request.parent.is_none());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StageRequest<'a> {
    /// The parent, or `None` for a base layer.
    pub parent: Option<LayerRef<'a>>,
    /// A layer with the same parent whose contents the new layer starts with (a copy that is then
    /// [remapped](StagedLayer::remap)).
    pub template: Option<LayerRef<'a>>,
    /// The ID under which it will most likely be committed. It identifies the contents if a power
    /// cut undoes their rename and leaves the temporary area
    /// ([`Maintenance::put_back`](crate::Maintenance::put_back)).
    pub id: Option<&'a LayerId>,
    /// Image layer or container layer.
    pub access: LayerAccess,
    /// The SELinux label for mounts made while staging; empty for none.
    pub mount_label: &'a str,
    /// The maps that decide who owns the root directory of a base layer. A layer with a parent or
    /// template inherits that one's owner.
    pub id_maps: IdMappings,
    /// Per-layer options (`size`, `inodes`), from `--storage-opt`.
    pub storage_options: BTreeMap<String, String>,
}

impl<'a> StageRequest<'a> {
    /// Describes an empty, unlabelled, unmapped image layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the layer on top of `parent`.
    #[must_use]
    pub fn with_parent(mut self, parent: LayerRef<'a>) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Starts the layer with the contents of `template`.
    #[must_use]
    pub fn with_template(mut self, template: LayerRef<'a>) -> Self {
        self.template = Some(template);
        self
    }

    /// Sets the ID that the layer will most likely get.
    #[must_use]
    pub fn with_id(mut self, id: &'a LayerId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets whether containers write to the layer.
    #[must_use]
    pub fn with_access(mut self, access: LayerAccess) -> Self {
        self.access = access;
        self
    }

    /// Sets the SELinux label.
    #[must_use]
    pub fn with_mount_label(mut self, label: &'a str) -> Self {
        self.mount_label = label;
        self
    }

    /// Sets the ID maps.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }

    /// Sets the per-layer options.
    #[must_use]
    pub fn with_storage_options(mut self, options: BTreeMap<String, String>) -> Self {
        self.storage_options = options;
        self
    }

    /// Returns the layer whose contents the new one starts with: the template, else the parent.
    #[must_use]
    pub fn source(&self) -> Option<LayerRef<'a>> {
        self.template.or(self.parent)
    }
}

/// A layer that no reader sees yet.
///
/// It is filled through [`LayerTarget`], which takes no lock. Dropping it erases it.
///
/// What a crash leaves: before [`commit`](Self::commit) a temporary area whose lock is free, which
/// the next writer removes; after it a driver directory under `id`. That directory is a layer if
/// the store has a record of it, an incomplete layer if the record says so, and garbage without a
/// record.
#[must_use = "a staged layer that is dropped is erased"]
pub trait StagedLayer: LayerTarget {
    /// Opens the files that the layer holds so far, for reading before the commit.
    fn contents(&self) -> Result<Box<dyn LayerContents>, LayerError>;

    /// Rewrites the owners of all files of the layer, those of its parents included.
    fn remap(&mut self, request: &RemapRequest<'_>) -> Result<(), LayerError>;

    /// Makes a tree the layer's own contents, by renaming it into place. The old contents are
    /// erased.
    ///
    /// # Errors
    ///
    /// [`LayerError::ForeignTree`] for a tree that was not made by the same driver. The tree is
    /// erased then.
    fn adopt(&mut self, _tree: Box<dyn StagedTree>, _root: TreeRoot) -> Result<(), LayerError> {
        Err(LayerError::ForeignTree)
    }

    /// Makes the layer exist as `id`, by renaming it into place.
    ///
    /// The contents are not synced: call [`Driver::sync`](crate::Driver::sync) once for all layers
    /// of a transaction before, without a lock. The caller holds the layers lock for writing, and
    /// has committed a staged parent earlier.
    ///
    /// # Errors
    ///
    /// [`CommitFailed`] carries the layer, which is still staged: the call may be repeated, also
    /// with another ID. [`LayerError::Exists`] when the ID is taken.
    fn commit(self: Box<Self>, id: &LayerId) -> Result<(), Box<CommitFailed>>;

    /// Lets a driver recognise its own staged layers, when it gets them as [`LayerRef::Staged`].
    fn as_any(&self) -> &dyn Any;
}

/// A commit that did not happen.
#[must_use = "dropping this erases the staged layer"]
#[derive(thiserror::Error)]
#[error("cannot put the staged layer in place as {id}")]
pub struct CommitFailed {
    /// The requested ID.
    pub id: LayerId,
    /// The layer as it was before the call.
    pub staged: Box<dyn StagedLayer>,
    /// The cause.
    #[source]
    pub source: LayerError,
}

impl fmt::Debug for CommitFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitFailed")
            .field("id", &self.id)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl From<Box<CommitFailed>> for LayerError {
    /// Gives the staged layer up, which erases it.
    fn from(failed: Box<CommitFailed>) -> Self {
        failed.source
    }
}
