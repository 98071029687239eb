//! What a driver can do beyond the required methods.

/// What a driver can do beyond the required methods.
///
/// ```
/// use layerhold_driver::{Capabilities, Stacking};
///
/// let vfs = Capabilities::new(Stacking::Copies);
/// assert!(!vfs.exact_diffs);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What a child needs of its parent at the moment it is staged.
    pub stacking: Stacking,
    /// Whether a diff is byte for byte the tar that was applied, so that no tar-split file is
    /// needed. No known driver produces such diffs.
    pub exact_diffs: bool,
    /// Whether the difference to the parent is kept as such, so that listing it costs its own size
    /// and not that of the whole tree.
    pub native_diff: bool,
    /// Whether `size` and `inodes` of a layer can be limited.
    pub quotas: bool,
    /// Whether [`Driver::list`](crate::Driver::list) returns a list.
    pub listing: bool,
    /// The most parents that a mounted layer may have, if there is a limit.
    pub max_depth: Option<usize>,
}

impl Capabilities {
    /// Describes a driver that stacks as given, can list its layers, and nothing more.
    #[must_use]
    pub const fn new(stacking: Stacking) -> Self {
        Self {
            stacking,
            exact_diffs: false,
            native_diff: false,
            quotas: false,
            listing: true,
            max_depth: None,
        }
    }

    /// Sets [`native_diff`](Self::native_diff).
    #[must_use]
    pub const fn with_native_diff(mut self, native: bool) -> Self {
        self.native_diff = native;
        self
    }

    /// Sets [`quotas`](Self::quotas).
    #[must_use]
    pub const fn with_quotas(mut self, quotas: bool) -> Self {
        self.quotas = quotas;
        self
    }

    /// Sets [`max_depth`](Self::max_depth).
    #[must_use]
    pub const fn with_max_depth(mut self, layers: usize) -> Self {
        self.max_depth = Some(layers);
        self
    }

    /// Sets [`listing`](Self::listing).
    #[must_use]
    pub const fn with_listing(mut self, listing: bool) -> Self {
        self.listing = listing;
        self
    }
}

/// What a child needs of its parent at the moment it is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stacking {
    /// The parent's finished contents: they are copied or snapshotted (vfs, btrfs, zfs). The layers
    /// of an image are staged and filled one after the other.
    Copies,
    /// Only its name: the mount stacks the layers (overlay). The layers of an image can be filled
    /// at the same time.
    References,
}
