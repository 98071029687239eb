//! Names of filesystems.

use std::fmt;
use std::path::Path;

use layerhold_sys::{Dir, PathError};

/// The `f_type` of a filesystem (Go: drivers/driver_linux.go).
///
/// ```
/// use layerhold_driver::FsMagic;
///
/// assert_eq!(FsMagic::EXTFS.name(), Some("extfs"));
/// assert_eq!(FsMagic(0x1234).to_string(), "0x1234");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FsMagic(pub u64);

impl FsMagic {
    /// aufs.
    pub const AUFS: Self = Self(0x6175_6673);
    /// btrfs.
    pub const BTRFS: Self = Self(0x9123_683e);
    /// eCryptfs.
    pub const ECRYPTFS: Self = Self(0xf15f);
    /// ext2, ext3 and ext4.
    pub const EXTFS: Self = Self(0xef53);
    /// FUSE.
    pub const FUSE: Self = Self(0x6573_5546);
    /// NFS.
    pub const NFS: Self = Self(0x6969);
    /// Overlay.
    pub const OVERLAY: Self = Self(0x794c_7630);
    /// tmpfs.
    pub const TMPFS: Self = Self(0x0102_1994);
    /// XFS.
    pub const XFS: Self = Self(0x5846_5342);
    /// ZFS.
    pub const ZFS: Self = Self(0x2fc1_2fc1);

    /// Asks for the filesystem an open directory is on.
    ///
    /// # Errors
    ///
    /// That of the system call.
    pub fn of(dir: &Dir) -> Result<Self, PathError> {
        layerhold_sys::fs_magic(dir).map(Self)
    }

    /// Asks for the filesystem a driver's home is, or will be, on: that of the directory above it.
    ///
    /// # Errors
    ///
    /// When that directory cannot be opened.
    pub fn below(home: &Path) -> Result<Self, PathError> {
        Self::of(&Dir::open_ambient(home.parent().unwrap_or(home))?)
    }

    /// Returns the name used in messages and in `status`; `None` for a filesystem that has none there.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(magic, _)| *magic == self.0).map(|(_, name)| *name)
    }
}

impl fmt::Display for FsMagic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// The names Go's table has, and no others: they appear in messages and in `status`.
const NAMES: [(u64, &str); 20] = [
    (0x6175_6673, "aufs"),
    (0x9123_683e, "btrfs"),
    (0x28cd_3d45, "cramfs"),
    (0xf15f, "ecryptfs"),
    (0xe0f5_e1e2, "erofs"),
    (0xef53, "extfs"),
    (0xf2f5_2010, "f2fs"),
    (0x4750_4653, "gpfs"),
    (0x72b6, "jffs2"),
    (0x3153_464a, "jfs"),
    (0x6969, "nfs"),
    (0x794c_7630, "overlayfs"),
    (0x8584_58f6, "ramfs"),
    (0x5265_4973, "reiserfs"),
    (0x517b, "smb"),
    (0x7371_7368, "squashfs"),
    (0x0102_1994, "tmpfs"),
    (0xa501_fcf5, "vxfs"),
    (0x5846_5342, "xfs"),
    (0x2fc1_2fc1, "zfs"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_go() {
        for (magic, name) in [
            (FsMagic::AUFS, "aufs"),
            (FsMagic::BTRFS, "btrfs"),
            (FsMagic::ECRYPTFS, "ecryptfs"),
            (FsMagic::EXTFS, "extfs"),
            (FsMagic::NFS, "nfs"),
            (FsMagic::OVERLAY, "overlayfs"),
            (FsMagic::TMPFS, "tmpfs"),
            (FsMagic::XFS, "xfs"),
            (FsMagic::ZFS, "zfs"),
        ] {
            assert_eq!(magic.name(), Some(name));
        }
        // FUSE is in Go's list of numbers but not in its table of names.
        assert_eq!(FsMagic::FUSE.name(), None);
        assert_eq!(FsMagic::FUSE.to_string(), "0x65735546");
    }
}
