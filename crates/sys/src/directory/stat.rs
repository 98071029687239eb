use std::os::fd::AsFd;

use crate::error::{Context, Result, descriptor_path};

/// A time of a file: seconds since 1970 (UTC, negative before) and the nanoseconds to add, always
/// below 1,000,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds after `seconds`.
    pub nanoseconds: u32,
}

/// The type of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A socket.
    Socket,
    /// A type that this version does not know.
    Unknown,
}

impl FileType {
    /// The type in the upper bits of `st_mode`.
    #[must_use]
    pub fn from_mode(mode: u32) -> Self {
        rustix::fs::FileType::from_raw_mode(mode).into()
    }
}

impl From<rustix::fs::FileType> for FileType {
    fn from(kind: rustix::fs::FileType) -> Self {
        match kind {
            rustix::fs::FileType::RegularFile => Self::File,
            rustix::fs::FileType::Directory => Self::Dir,
            rustix::fs::FileType::Symlink => Self::Symlink,
            rustix::fs::FileType::Fifo => Self::Fifo,
            rustix::fs::FileType::CharacterDevice => Self::CharDevice,
            rustix::fs::FileType::BlockDevice => Self::BlockDevice,
            rustix::fs::FileType::Socket => Self::Socket,
            rustix::fs::FileType::Unknown => Self::Unknown,
        }
    }
}

/// The metadata of a file, directory, link or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// File type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Owner, as this process sees it.
    pub uid: u32,
    /// Group, as this process sees it.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Allocated size in units of 512 bytes.
    pub blocks: u64,
    /// The device of its filesystem.
    pub dev: u64,
    /// Inode number, unique within `dev`.
    pub ino: u64,
    /// Number of hard links.
    pub nlink: u64,
    /// The device number of a device node.
    pub rdev: u64,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last read of the content.
    pub atime: Timestamp,
    /// Last change of content or attributes.
    pub ctime: Timestamp,
}

impl Stat {
    /// The file type.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::from_mode(self.mode)
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type() == FileType::Dir
    }

    /// Whether this is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_type() == FileType::File
    }

    /// Permission, set-id and sticky bits without the file type.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether both are the same inode.
    #[must_use]
    pub fn is_same_inode(&self, other: &Self) -> bool {
        self.dev == other.dev && self.ino == other.ino
    }
}

// The widths of these fields differ between architectures.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
impl From<rustix::fs::Stat> for Stat {
    fn from(stat: rustix::fs::Stat) -> Self {
        let time = |seconds, nanoseconds: u64| Timestamp {
            seconds,
            nanoseconds: nanoseconds as u32,
        };
        Self {
            mode: stat.st_mode.into(),
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            nlink: stat.st_nlink as u64,
            rdev: stat.st_rdev as u64,
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            atime: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

/// The metadata of an open descriptor.
pub fn stat_file(file: &impl AsFd) -> Result<Stat> {
    rustix::fs::fstat(file)
        .map(Stat::from)
        .context("stat", || descriptor_path(file))
}

/// Joins a major and a minor number into a device number.
#[must_use]
pub fn make_device(major: u32, minor: u32) -> u64 {
    rustix::fs::makedev(major, minor)
}

/// Splits a device number into its major and minor number.
#[must_use]
pub fn split_device(device: u64) -> (u32, u32) {
    (rustix::fs::major(device), rustix::fs::minor(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_the_mode() {
        let cases = [
            (0o100_644, FileType::File),
            (0o040_755, FileType::Dir),
            (0o120_777, FileType::Symlink),
            (0o010_600, FileType::Fifo),
            (0o020_600, FileType::CharDevice),
            (0o060_600, FileType::BlockDevice),
            (0o140_600, FileType::Socket),
        ];
        for (mode, expected) in cases {
            assert_eq!(FileType::from_mode(mode), expected, "{mode:o}");
        }
    }

    #[test]
    fn device_numbers_split_into_what_they_were_made_of() {
        for pair in [(0, 0), (1, 3), (0xfff, 0xf_ffff), (259, 70_000)] {
            assert_eq!(split_device(make_device(pair.0, pair.1)), pair);
        }
    }
}
