//! Directories that receive a layer's diff.

use std::fmt::Debug;

use layerhold_archive::Whiteouts;
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::config::Privilege;

/// A directory into which the entries of a diff are unpacked, and the driver's rules for doing so.
///
/// The unpacking itself is the caller's (so that it can be one stage of a pipeline that also hashes and records); see
/// [`fallback::unpack_options`](crate::fallback::unpack_options) for the options that follow from these rules.
pub trait LayerTarget: Send + Sync + Debug {
    /// The directory that stands for `/` of the layer.
    fn root(&self) -> &Dir;

    /// How deletions of lower files are to be expressed below [`root`](Self::root): carried out at once where
    /// it is the whole tree (vfs), written as overlay whiteouts where it is only the difference.
    fn whiteouts(&self) -> Whiteouts;

    /// Whether owners that cannot be set are left as they are.
    fn chown_errors(&self) -> ChownErrors {
        ChownErrors::Fail
    }

    /// The permissions every file gets, its own being kept in an xattr; `None` for its own.
    fn force_mask(&self) -> Option<u32> {
        None
    }

    /// What the process may do on this target's filesystem.
    fn privilege(&self) -> Privilege;
}

/// What happens when an owner cannot be set (`ignore_chown_errors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChownErrors {
    /// The operation fails.
    #[default]
    Fail,
    /// The file keeps the owner it was created with.
    Ignore,
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
        Self { id, id_maps: IdMappings::default(), mount_label: "", chown_errors: ChownErrors::Fail }
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
