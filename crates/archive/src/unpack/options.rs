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
#[non_exhaustive]
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
#[non_exhaustive]
pub enum OwnFiles {
    /// The later entry wins.
    #[default]
    Replace,
    /// Unpacking fails, because the archive could not be rebuilt from the tree.
    Keep,
}

/// What happens if an owner cannot be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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
    /// Maps owners in the archive to owners on disk.
    #[must_use]
    pub fn with_id_maps(mut self, maps: IdMappings) -> Self {
        self.id_maps = maps;
        self
    }

    /// Sets how whiteouts are treated.
    #[must_use]
    pub fn with_whiteouts(mut self, whiteouts: Whiteouts) -> Self {
        self.whiteouts = whiteouts;
        self
    }

    /// Says whether this process runs in a user namespace.
    #[must_use]
    pub fn with_user_namespace(mut self, namespace: UserNamespace) -> Self {
        self.user_namespace = namespace;
        self
    }

    /// Sets what happens if an owner cannot be set.
    #[must_use]
    pub fn with_chown_errors(mut self, chown_errors: ChownErrors) -> Self {
        self.chown_errors = chown_errors;
        self
    }

    /// Sets whether an entry may replace one of another type.
    #[must_use]
    pub fn with_replace(mut self, replace: Replace) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether an entry may replace a regular file of the same archive.
    #[must_use]
    pub fn with_own_files(mut self, own_files: OwnFiles) -> Self {
        self.own_files = own_files;
        self
    }

    /// Gives every file and directory these permissions; see [`force_mask`](Self::force_mask).
    #[must_use]
    pub fn with_force_mask(mut self, mask: impl Into<Option<u32>>) -> Self {
        self.force_mask = mask.into();
        self
    }
}
