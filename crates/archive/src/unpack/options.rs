use layerhold_idmap::IdMappings;

/// The namespace of the attributes by which overlayfs marks directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayNamespace {
    /// `trusted.overlay.`, for mounts made by root.
    Trusted,
    /// `user.overlay.`, for mounts made in a user namespace (`userxattr`).
    User,
}

impl OverlayNamespace {
    /// The attribute that makes a directory opaque.
    #[must_use]
    pub fn opaque_attribute(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// What happens to the whiteouts of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whiteouts {
    /// They are carried out: what they name is removed from the tree. For
    /// drivers whose layer directory is the whole tree.
    #[default]
    Apply,
    /// They become what overlayfs understands: a character device 0:0, and an
    /// attribute on opaque directories. For drivers whose layer directory holds
    /// only what the layer changed.
    Overlay(OverlayNamespace),
    /// They are unpacked as the empty files they are. For fuse-overlayfs without
    /// the right to make devices.
    Keep,
}

/// Whether an entry may replace one of another kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// Anything may replace anything.
    #[default]
    Any,
    /// A directory replaces only a directory, everything else only what is no
    /// directory (Go's `NoOverwriteDirNonDir`).
    SameKind,
}

/// Whether an entry may replace a regular file that came with the same archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnFiles {
    /// The later entry counts.
    #[default]
    Replace,
    /// Unpacking fails: the archive could not be made again from the tree.
    Keep,
}

/// What happens when owner and group cannot be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChownErrors {
    /// Unpacking fails.
    #[default]
    Fail,
    /// They stay as the file was created (`ignore_chown_errors`).
    Ignore,
}

/// Whether this process lives in a user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserNamespace {
    /// The initial one: everything the archive holds can be made.
    #[default]
    Initial,
    /// Another one: device nodes are left out, and attributes the kernel does
    /// not permit are skipped.
    Child,
}

/// How to unpack.
#[derive(Clone, Debug, Default)]
pub struct UnpackOptions {
    /// Owners in the archive are those of a container; these mappings give the
    /// owners on disk. Empty mappings leave them as they are.
    pub id_maps: IdMappings,
    /// What to do with whiteouts.
    pub whiteouts: Whiteouts,
    /// Where this process lives.
    pub user_namespace: UserNamespace,
    /// What to do when ownership cannot be set.
    pub chown_errors: ChownErrors,
    /// Which kinds may replace each other.
    pub replace: Replace,
    /// Whether two entries may be one file.
    pub own_files: OwnFiles,
    /// With a mask, every file and directory gets exactly these permissions and
    /// keeps the owner it was created with; real owner, mode and type go into the
    /// attribute `user.containers.override_stat`, and device nodes and pipes
    /// become empty files (`force_mask` in storage.conf).
    pub force_mask: Option<u32>,
}

impl UnpackOptions {
    /// The defaults: whiteouts applied, no mapping, initial namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
