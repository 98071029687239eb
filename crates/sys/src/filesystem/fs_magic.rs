use std::os::fd::AsFd;

use rustix::fs::StatVfsMountFlags;

use crate::error::{Context, Result, descriptor_path};

/// The kernel's number for a type of filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FsMagic(u32);

impl FsMagic {
    /// AUFS.
    pub const AUFS: Self = Self(0x6175_6673);
    /// Btrfs.
    pub const BTRFS: Self = Self(0x9123_683E);
    /// eCryptfs.
    pub const ECRYPTFS: Self = Self(0x0000_F15F);
    /// ext2, ext3 and ext4.
    pub const EXT: Self = Self(0x0000_EF53);
    /// FUSE.
    pub const FUSE: Self = Self(0x6573_5546);
    /// NFS.
    pub const NFS: Self = Self(0x0000_6969);
    /// Overlay.
    pub const OVERLAY: Self = Self(0x794C_7630);
    /// Procfs.
    pub const PROC: Self = Self(0x0000_9FA0);
    /// SMB, the first protocol of Windows shares.
    pub const SMB: Self = Self(0x0000_517B);
    /// tmpfs.
    pub const TMPFS: Self = Self(0x0102_1994);
    /// XFS.
    pub const XFS: Self = Self(0x5846_5342);
    /// ZFS.
    pub const ZFS: Self = Self(0x2FC1_2FC1);

    /// The number that `statfs` reports.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The name that the Go library shows (Go: drivers/driver_linux.go, `FsNames`); `None` if it
    /// has none.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|(number, _)| *number == self.0)
            .map(|(_, name)| *name)
    }
}

const NAMES: [(u32, &str); 19] = [
    (0x6175_6673, "aufs"),
    (0x9123_683E, "btrfs"),
    (0x28CD_3D45, "cramfs"),
    (0x0000_F15F, "ecryptfs"),
    (0xE0F5_E1E2, "erofs"),
    (0x0000_EF53, "extfs"),
    (0xF2F5_2010, "f2fs"),
    (0x4750_4653, "gpfs"),
    (0x0000_72B6, "jffs2"),
    (0x0000_6969, "nfs"),
    (0x794C_7630, "overlayfs"),
    (0x8584_58F6, "ramfs"),
    (0x5265_4973, "reiserfs"),
    (0x0000_517B, "smb"),
    (0x7371_7368, "squashfs"),
    (0x0102_1994, "tmpfs"),
    (0xA501_FCF5, "vxfs"),
    (0x5846_5342, "xfs"),
    (0x2FC1_2FC1, "zfs"),
];

/// The type of filesystem that an open file or directory is on.
pub fn fs_magic(file: &impl AsFd) -> Result<FsMagic> {
    let stat = rustix::fs::fstatfs(file).context("stat filesystem of", || descriptor_path(file))?;
    // The field is signed and wider on most architectures; the number has 32 bits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast
    )]
    Ok(FsMagic(stat.f_type as u32))
}

/// Whether the filesystem of an open file or directory, or the mount through which it was opened,
/// is read-only.
pub fn is_read_only(file: &impl AsFd) -> Result<bool> {
    let stat =
        rustix::fs::fstatvfs(file).context("stat filesystem of", || descriptor_path(file))?;
    Ok(stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::dir::Dir;

    #[test]
    fn procfs_is_recognized() {
        let dir = Dir::open_ambient("/proc").unwrap();
        assert_eq!(fs_magic(&dir).unwrap(), FsMagic::PROC);
        assert_eq!(FsMagic::PROC.name(), None);
    }

    #[test]
    fn names_are_those_of_the_go_library() {
        assert_eq!(FsMagic::EXT.name(), Some("extfs"));
        assert_eq!(FsMagic::OVERLAY.name(), Some("overlayfs"));
        assert_eq!(FsMagic::BTRFS.name(), Some("btrfs"));
    }
}
