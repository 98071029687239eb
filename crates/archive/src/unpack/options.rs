use layerhold_idmap::IdMappings;

use crate::overlay_form::OverlayNamespace;

/// How whiteouts of an archive are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whiteouts {
    /// Remove what they name from the tree. For drivers whose layer directory holds the whole tree.
    #[default]
    Apply,
    /// Convert them for overlayfs: to character devices 0:0, and to an attribute of opaque
    /// directories. For drivers whose layer directory holds only the layer's changes.
    Overlay(OverlayNamespace),
    /// Unpack them as empty files. For fuse-overlayfs without permission to create devices.
    Keep,
}

/// Whether an entry may replace one of another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// Anything may replace anything.
    #[default]
    Any,
    /// A directory replaces only a directory, anything else only a non-directory (Go's
    /// `NoOverwriteDirNonDir`).
    SameKind,
}

/// Whether an entry may replace a regular file of the same archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnFiles {
    /// The later entry wins.
    #[default]
    Replace,
    /// Unpacking fails, because the archive could not be rebuilt from the tree.
    Keep,
}

/// What happens if an owner cannot be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChownErrors {
    /// Unpacking fails.
    #[default]
    Fail,
    /// The file keeps the owner that it was created with (`ignore_chown_errors`).
    Ignore,
}

/// Whether this process runs in a user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserNamespace {
    /// It runs in the initial one: all entries can be created.
    #[default]
    Initial,
    /// It runs in a child namespace: device nodes are left out, and attributes that the kernel does
    /// not permit are skipped.
    Child,
}

/// How to unpack.
#[derive(Clone, Debug, Default)]
pub struct UnpackOptions {
    /// Maps owners in the archive, as a container sees them, to owners on disk. Empty mappings
    /// change nothing.
    pub id_maps: IdMappings,
    /// How whiteouts are treated.
    pub whiteouts: Whiteouts,
    /// Whether this process runs in a user namespace.
    pub user_namespace: UserNamespace,
    /// What happens if an owner cannot be set.
    pub chown_errors: ChownErrors,
    /// Whether an entry may replace one of another type.
    pub replace: Replace,
    /// Whether an entry may replace a regular file of the same archive.
    pub own_files: OwnFiles,
    /// If set, every file and directory gets exactly these permissions and keeps the owner it was
    /// created with. The real owner, mode and type go into the attribute
    /// `user.containers.override_stat`; device nodes and pipes become empty files (`force_mask` in
    /// storage.conf).
    pub force_mask: Option<u32>,
}

impl UnpackOptions {
    /// The defaults: whiteouts applied, no mapping, initial namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
