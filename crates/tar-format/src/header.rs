use crate::{EntryKind, PaxRecords, SparseMap, TarTime};

/// One entry's metadata, with PAX records and GNU long names already applied.
///
/// Strings are bytes: tar does not say what encoding they have.
///
/// The same type is what [`Writer`](crate::Writer) encodes; there, `size` says how much content
/// follows, and atime and ctime are written only where PAX is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// What the entry is.
    pub kind: EntryKind,
    /// The path, not cleaned in any way; it may be absolute or contain `..`.
    pub name: Vec<u8>,
    /// The target of a hard link or symbolic link.
    pub link_name: Vec<u8>,
    /// Permission bits, set-id bits and whatever else the field holds.
    pub mode: i64,
    /// Owning user.
    pub uid: i64,
    /// Owning group.
    pub gid: i64,
    /// The size stated, in bytes, after expansion of holes.
    ///
    /// Entries whose kind has no payload may state any size here, even a negative one; use
    /// [`content_size`](Self::content_size) for the bytes that really follow.
    pub size: i64,
    /// Modification time.
    pub mtime: TarTime,
    /// Access time, where PAX, GNU or star headers state it.
    pub atime: Option<TarTime>,
    /// Status change time, where PAX, GNU or star headers state it.
    pub ctime: Option<TarTime>,
    /// Owning user's name.
    pub user_name: Vec<u8>,
    /// Owning group's name.
    pub group_name: Vec<u8>,
    /// Major number of a device.
    pub device_major: i64,
    /// Minor number of a device.
    pub device_minor: i64,
    /// All PAX records, those that were applied to the fields above included.
    pub records: PaxRecords,
    pub(crate) sparse: Option<SparseMap>,
    pub(crate) stored: u64,
    pub(crate) padding: u64,
}

impl Header {
    /// A header with the given kind and name, everything else zero or empty.
    #[must_use]
    pub fn new(kind: EntryKind, name: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            name: name.into(),
            ..Self::default()
        }
    }

    /// Bytes of content a reader of this entry sees, holes included; 0 for kinds without payload.
    #[must_use]
    pub fn content_size(&self) -> u64 {
        match self.kind {
            EntryKind::GlobalHeader => 0,
            kind if kind.is_header_only() => 0,
            _ => u64::try_from(self.size).unwrap_or(0),
        }
    }

    /// Bytes of payload that follow the header in the archive it was read from, holes and
    /// sparse map not counted; 0 for a header made by hand.
    #[must_use]
    pub fn stored_size(&self) -> u64 {
        self.stored
    }

    /// Bytes of padding after the payload in the archive it was read from, 0 to 511.
    ///
    /// For a [`EntryKind::GlobalHeader`] this is the padding after its records.
    #[must_use]
    pub fn padding(&self) -> u64 {
        self.padding
    }

    /// The data regions of a sparse file; `None` for a file stored as it is.
    #[must_use]
    pub fn sparse(&self) -> Option<&SparseMap> {
        self.sparse.as_ref()
    }

    /// Extended attributes (`SCHILY.xattr.` records), sorted by name.
    ///
    /// Values may be empty, but for those that mean something to the kernel: there an empty one is
    /// none, and setting it fails.
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

    /// Empties the header and keeps its buffers.
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
