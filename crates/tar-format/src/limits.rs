/// Limits for the parser's memory use.
///
/// The defaults accept everything that Go's reader accepts, except that Go does not limit the
/// number of extension headers before one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Length of one extension: a PAX header, a GNU long name or a GNU long link.
    ///
    /// 1 MiB in Go (archive/tar/format.go, `maxSpecialFileSize`).
    pub extension: u64,
    /// Length of a PAX 1.0 sparse map. 1 MiB in Go.
    pub sparse_map: u64,
    /// Length of everything before an entry's payload: padding, extensions, header, map.
    pub raw_header: u64,
}

impl Limits {
    /// Limits the length of one extension, in bytes.
    #[must_use]
    pub fn with_extension(mut self, bytes: u64) -> Self {
        self.extension = bytes;
        self
    }

    /// Limits the length of a PAX 1.0 sparse map, in bytes.
    #[must_use]
    pub fn with_sparse_map(mut self, bytes: u64) -> Self {
        self.sparse_map = bytes;
        self
    }

    /// Limits the length of everything before an entry's payload, in bytes.
    #[must_use]
    pub fn with_raw_header(mut self, bytes: u64) -> Self {
        self.raw_header = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            extension: 1 << 20,
            sparse_map: 1 << 20,
            raw_header: 16 << 20,
        }
    }
}
