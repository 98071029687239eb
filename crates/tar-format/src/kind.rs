/// The type of an entry, by the type flag of its header block.
///
/// The old flag NUL is resolved as in Go: to [`Directory`](EntryKind::Directory) if the name ends
/// in `/`, otherwise to [`Regular`](EntryKind::Regular).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file (`0`).
    #[default]
    Regular,
    /// A hard link to the entry named by the link name (`1`).
    HardLink,
    /// A symbolic link (`2`).
    Symlink,
    /// A character device (`3`).
    CharDevice,
    /// A block device (`4`).
    BlockDevice,
    /// A directory (`5`).
    Directory,
    /// A named pipe (`6`).
    Fifo,
    /// A contiguous file (`7`); distinct because Go does not treat it as a regular file.
    Contiguous,
    /// A sparse file of the old GNU format (`S`); its content is expanded like that of others.
    GnuSparse,
    /// A PAX global header (`g`): has only records, which are not applied to later entries.
    GlobalHeader,
    /// Any other flag. Such an entry has a payload of the size in its header.
    Other(u8),
}

impl EntryKind {
    /// The kind of a type flag; NUL counts as [`EntryKind::Regular`].
    #[must_use]
    pub fn from_flag(flag: u8) -> Self {
        match flag {
            b'0' | 0 => Self::Regular,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' => Self::CharDevice,
            b'4' => Self::BlockDevice,
            b'5' => Self::Directory,
            b'6' => Self::Fifo,
            b'7' => Self::Contiguous,
            b'S' => Self::GnuSparse,
            b'g' => Self::GlobalHeader,
            other => Self::Other(other),
        }
    }

    /// The type flag of this kind.
    #[must_use]
    pub fn flag(self) -> u8 {
        match self {
            Self::Regular => b'0',
            Self::HardLink => b'1',
            Self::Symlink => b'2',
            Self::CharDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
            Self::Contiguous => b'7',
            Self::GnuSparse => b'S',
            Self::GlobalHeader => b'g',
            Self::Other(flag) => flag,
        }
    }

    /// Whether entries of this kind never have a payload, whatever their size field.
    ///
    /// Go: archive/tar/reader.go, `isHeaderOnlyType`.
    #[must_use]
    pub fn is_header_only(self) -> bool {
        matches!(
            self,
            Self::HardLink
                | Self::Symlink
                | Self::CharDevice
                | Self::BlockDevice
                | Self::Directory
                | Self::Fifo
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_but_nul_survives_a_round_trip() {
        for flag in 1..=255u8 {
            assert_eq!(EntryKind::from_flag(flag).flag(), flag);
        }
        assert_eq!(EntryKind::from_flag(0), EntryKind::Regular);
    }
}
