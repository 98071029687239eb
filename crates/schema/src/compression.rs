//! The compression of a layer.

/// The compression of a layer's stream, stored as a number (Go: pkg/archive/archive.go,
/// `Compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Stored as 0 and therefore left out.
    #[default]
    None,
    /// bzip2, stored as 1.
    Bzip2,
    /// gzip, stored as 2.
    Gzip,
    /// xz, stored as 3.
    Xz,
    /// zstd, stored as 4.
    Zstd,
    /// An unknown number, kept as it is.
    Other(i64),
}

impl From<i64> for Compression {
    fn from(number: i64) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Bzip2,
            2 => Self::Gzip,
            3 => Self::Xz,
            4 => Self::Zstd,
            other => Self::Other(other),
        }
    }
}

impl From<Compression> for i64 {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => 0,
            Compression::Bzip2 => 1,
            Compression::Gzip => 2,
            Compression::Xz => 3,
            Compression::Zstd => 4,
            Compression::Other(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept() {
        for number in -2..9 {
            assert_eq!(i64::from(Compression::from(number)), number);
        }
        assert_eq!(Compression::from(4), Compression::Zstd);
    }
}
