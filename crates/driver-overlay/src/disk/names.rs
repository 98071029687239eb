//! The names of files and directories of this driver (Go: drivers/overlay/overlay.go).

/// The driver's name, and the name of its directory below the graph root.
pub const NAME: &str = "overlay";

/// Short names of layers, below a home.
pub(crate) const LINKS: &str = "l";
/// Temporary areas, below a home.
pub(crate) const TEMP: &str = "tempdirs";
/// Trees that become the contents of a layer when they are complete, below a home.
pub(crate) const STAGING: &str = "staging";
/// The lock of such a tree, beside it.
pub(crate) const STAGING_LOCK: &str = "staging.lock";
/// The tree itself.
pub(crate) const STAGING_TREE: &str = "dir";
/// Tells whether contents were made through a mount program, below a home.
pub(crate) const MOUNT_PROGRAM_FLAG: &str = ".has-mount-program";
/// The device of the filesystem, for project quota, below a home.
pub(crate) const QUOTA_DEVICE: &str = "backingFsBlockDev";

/// What a layer changes.
pub(crate) const DIFF: &str = "diff";
/// The layer's short name.
pub(crate) const LINK: &str = "link";
/// The short names of all parents.
pub(crate) const LOWER: &str = "lower";
/// The kernel's work directory.
pub(crate) const WORK: &str = "work";
/// Where the layer is mounted.
pub(crate) const MERGED: &str = "merged";
/// Replaces [`MERGED`] after unmounting.
pub(crate) const NEXT_MERGED: &str = "merged.1";
/// A lower directory of a layer without parents.
pub(crate) const EMPTY: &str = "empty";
/// Where lower layers are mounted with shifted owners, while the layer is being mounted.
pub(crate) const MAPPED: &str = "mapped";
/// The path of the layer in an additional layer store.
pub(crate) const ADDITIONAL_LAYER: &str = "additionallayer";

/// The metadata of a layer whose contents are kept by their digests.
pub(crate) const COMPOSEFS: &str = "composefs-data";

/// The mode of a base layer's root directory.
pub(crate) const ROOT_MODE: u32 = 0o555;
/// The mode of directories that only the driver looks into.
pub(crate) const PRIVATE_MODE: u32 = 0o700;
/// The mode of a home and of its [`LINKS`].
pub(crate) const SHARED_MODE: u32 = 0o755;
/// The mode of `link` and `lower`.
pub(crate) const FILE_MODE: u32 = 0o644;

/// The name of the `n`th directory of contents: `diff`, `diff1`, `diff2`, ….
pub(crate) fn diff_name(n: usize) -> String {
    match n {
        0 => DIFF.to_owned(),
        n => format!("{DIFF}{n}"),
    }
}
