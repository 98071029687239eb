//! Directories that receive a layer's diff.

use std::fmt::Debug;

use layerhold_archive::{ChownErrors, UnpackOptions, Unsettled, Whiteouts};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::error::LayerError;

/// A directory into which the entries of a diff are unpacked, and the driver's rules for doing so.
///
/// The caller does the unpacking, so that it can be one stage of a pipeline that also hashes and
/// records:
///
/// ```
/// use layerhold_driver::LayerTarget;
/// use layerhold_driver::layerhold_archive::UnpackOptions;
/// use layerhold_driver::layerhold_idmap::IdMappings;
///
/// fn options_for(target: &dyn LayerTarget, maps: IdMappings) -> UnpackOptions {
///     let mut options = target.unpack_options();
///     options.id_maps = maps;
///     options
/// }
/// ```
pub trait LayerTarget: Send + Sync + Debug {
    /// The directory that stands for `/` of the layer.
    fn root(&self) -> &Dir;

    /// Returns how to unpack below [`root`](Self::root), without the ID maps: whether whiteouts
    /// delete at once, because the directory is the whole tree (vfs), or are written, because it is
    /// the difference (overlay); whether owners that cannot be set are an error; what the process
    /// may do.
    fn unpack_options(&self) -> UnpackOptions;

    /// Completes what unpacking had to leave open, because it depends on the parents. The parents
    /// are complete when it is called.
    ///
    /// # Errors
    ///
    /// When the layer or a parent cannot be read or changed.
    fn settle(&self, _unsettled: &Unsettled) -> Result<(), LayerError> {
        Ok(())
    }

    /// How deletions of lower files are expressed below [`root`](Self::root).
    fn whiteouts(&self) -> Whiteouts {
        self.unpack_options().whiteouts
    }
}

/// A diff to be applied to an existing layer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ApplyRequest<'a> {
    /// The layer.
    pub id: &'a LayerId,
    /// The maps from owners in the tar to owners on disk.
    pub id_maps: IdMappings,
    /// The SELinux label of the mount; empty for none.
    pub mount_label: &'a str,
    /// Overrides the driver's own rule when it says [`ChownErrors::Ignore`].
    pub chown_errors: ChownErrors,
}

impl<'a> ApplyRequest<'a> {
    /// Describes an unmapped, unlabelled application to `id`.
    #[must_use]
    pub fn new(id: &'a LayerId) -> Self {
        Self {
            id,
            id_maps: IdMappings::default(),
            mount_label: "",
            chown_errors: ChownErrors::Fail,
        }
    }

    /// Sets the ID maps.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }

    /// Sets the SELinux label.
    #[must_use]
    pub fn with_mount_label(mut self, label: &'a str) -> Self {
        self.mount_label = label;
        self
    }

    /// Sets what happens when an owner cannot be set.
    #[must_use]
    pub fn with_chown_errors(mut self, errors: ChownErrors) -> Self {
        self.chown_errors = errors;
        self
    }
}

/// What an applied diff contained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplySummary {
    /// Bytes of file contents, as the `diff-size` of a layer record counts them.
    pub bytes: u64,
    /// The user IDs of the entries, as written in the tar, sorted.
    pub uids: Vec<u32>,
    /// The group IDs of the entries, as written in the tar, sorted.
    pub gids: Vec<u32>,
}

impl ApplySummary {
    /// Makes a summary.
    #[must_use]
    pub fn new(bytes: u64, uids: Vec<u32>, gids: Vec<u32>) -> Self {
        Self { bytes, uids, gids }
    }
}
