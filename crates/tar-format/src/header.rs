use crate::{EntryKind, PaxRecords, SparseMap, TarTime};

/// The metadata of one entry, with PAX records and GNU long names applied.
///
/// Strings are bytes, because tar does not define their encoding.
///
/// A [`Writer`](crate::Writer) encodes the same type. There, `size` is the length of the content
/// that follows, and atime and ctime are written only in PAX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The type of the entry.
    pub kind: EntryKind,
    /// The path, not cleaned; it may be absolute or contain `..`.
    pub name: Vec<u8>,
    /// The target of a hard link or symbolic link.
    pub link_name: Vec<u8>,
    /// Permission bits, set-id bits and all other bits of the field.
    pub mode: i64,
    /// Owning user.
    pub uid: i64,
    /// Owning group.
    pub gid: i64,
    /// The size in the header, in bytes, holes included.
    ///
    /// Entries without payload may have any size here, even a negative one;
    /// [`content_size`](Self::content_size) is the number of bytes that follow.
    pub size: i64,
    /// Modification time.
    pub mtime: TarTime,
    /// Access time, if PAX, GNU or star headers have it.
    pub atime: Option<TarTime>,
    /// Status change time, if PAX, GNU or star headers have it.
    pub ctime: Option<TarTime>,
    /// Owning user's name.
    pub user_name: Vec<u8>,
    /// Owning group's name.
    pub group_name: Vec<u8>,
    /// Major number of a device.
    pub device_major: i64,
    /// Minor number of a device.
    pub device_minor: i64,
    /// All PAX records, including those applied to the fields above.
    pub records: PaxRecords,
    pub(crate) sparse: Option<SparseMap>,
    pub(crate) stored: u64,
    pub(crate) padding: u64,
}

impl Header {
    /// A header with the given kind and name; all other fields are zero or empty.
    #[must_use]
    pub fn new(kind: EntryKind, name: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            name: name.into(),
            ..Self::default()
        }
    }

    /// Length of the entry's content, holes included; 0 for kinds without payload.
    #[must_use]
    pub fn content_size(&self) -> u64 {
        match self.kind {
            EntryKind::GlobalHeader => 0,
            kind if kind.is_header_only() => 0,
            _ => u64::try_from(self.size).unwrap_or(0),
        }
    }

    /// Length of the payload that follows the header in its archive, without holes and sparse map;
    /// 0 for a header that was not read.
    #[must_use]
    pub fn stored_size(&self) -> u64 {
        self.stored
    }

    /// Length of the padding after the payload in its archive, 0 to 511.
    ///
    /// For a [`EntryKind::GlobalHeader`] this is the padding after its records.
    #[must_use]
    pub fn padding(&self) -> u64 {
        self.padding
    }

    /// The data regions of a sparse file; `None` for other files.
    #[must_use]
    pub fn sparse(&self) -> Option<&SparseMap> {
        self.sparse.as_ref()
    }

    /// Extended attributes (`SCHILY.xattr.` records), sorted by name.
    ///
    /// Empty values are included, except in namespaces with a meaning for the kernel: an empty
    /// value means no attribute there, and setting it fails.
    pub fn xattrs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(crate::pax::XATTR_PREFIX)?;
            let is_kernels = name.starts_with(b"security.") || name.starts_with(b"system.");
            (!value.is_empty() || !is_kernels).then_some((name, value))
        })
    }

    /// Sets an extended attribute, as a `SCHILY.xattr.` record.
    pub fn set_xattr(&mut self, name: &[u8], value: &[u8]) {
        let key = [crate::pax::XATTR_PREFIX, name].concat();
        self.records.insert(&key, value);
    }

    /// Empties the header but keeps its buffers.
    pub(crate) fn reset(&mut self) {
        let Self {
            name,
            link_name,
            user_name,
            group_name,
            records,
            ..
        } = std::mem::take(self);
        *self = Self {
            name,
            link_name,
            user_name,
            group_name,
            records,
            ..Self::default()
        };
        self.name.clear();
        self.link_name.clear();
        self.user_name.clear();
        self.group_name.clear();
        self.records.clear();
    }
}
