/// How much memory one archive may make the parser use.
///
/// The defaults accept everything Go's reader accepts, except that Go puts no bound on the number
/// of extension headers before one entry, and this does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one extension: a PAX header, a GNU long name or a GNU long link.
    ///
    /// 1 MiB in Go (archive/tar/format.go, `maxSpecialFileSize`).
    pub extension: u64,
    /// Bytes of a PAX 1.0 sparse map.  1 MiB in Go.
    pub sparse_map: u64,
    /// Bytes of everything before the payload of one entry: padding, extensions, header, map.
    pub raw_header: u64,
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
