//! The codecs, how they are recognised, and their errors.

use std::fmt;

/// How a layer archive is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Not compressed, or in an unknown format.
    #[default]
    Plain,
    /// RFC 1952, one or several members.
    Gzip,
    /// bzip2, one or several streams.
    Bzip2,
    /// The `.xz` container, one or several streams.
    Xz,
    /// RFC 8878, one or several frames, skippable ones included.
    Zstd,
}

/// The most bytes that [`Codec::sniff`] looks at.
pub const SNIFF_LEN: usize = 6;

impl Codec {
    /// Recognises a codec by the first [`SNIFF_LEN`] bytes of a stream.
    ///
    /// An unknown or empty beginning counts as plain; reading it shows whether it is a tar archive
    /// (Go: `pkg/archive/archive.go`, `DetectCompression`, which does not know skippable zstd
    /// frames).
    #[must_use]
    pub fn sniff(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame has sixteen magic numbers, and zstd:chunked
            // files may begin with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Whether this build reads the codec: plain and gzip always, the others by a feature of this
    /// crate.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Plain | Self::Gzip => true,
            Self::Bzip2 => cfg!(feature = "bzip2"),
            Self::Xz => cfg!(feature = "xz"),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }

    /// The codec's number in `layers.json` (Go: `pkg/archive/archive.go`, the `Compression`
    /// constants).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Bzip2 => 1,
            Self::Gzip => 2,
            Self::Xz => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of a number in `layers.json`.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Bzip2),
            2 => Some(Self::Gzip),
            3 => Some(Self::Xz),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

/// Why a stream cannot be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The codec can only be read, as in Go: plain, gzip and zstd are written.
    #[error("cannot write {codec}: it can only be read")]
    WriteUnsupported {
        /// The codec asked for.
        codec: Codec,
    },
    /// The program was built without the codec.
    #[error(
        "cannot use {codec}: the program was built without the feature {feature:?} of layerhold-archive"
    )]
    NotBuiltIn {
        /// The codec asked for.
        codec: Codec,
        /// The feature of `layerhold-archive` that has it. Crates that depend on it have features
        /// of the same name.
        feature: &'static str,
    },
    /// The codec could not be set up.
    #[error("cannot set up {codec}")]
    SetUp {
        /// The codec asked for.
        codec: Codec,
        /// The codec's own error.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sniff_by_magic() {
        let check =
            |bytes: &[u8], expected| assert_eq!(Codec::sniff(bytes), expected, "{bytes:x?}");
        check(&[0x1f, 0x8b, 0x08, 0, 0, 0], Codec::Gzip);
        check(&[0x1f, 0x8b, 0x07, 0, 0, 0], Codec::Plain);
        check(b"BZh9", Codec::Bzip2);
        check(b"\xfd7zXZ\0", Codec::Xz);
        check(b"\xfd7zXZ", Codec::Plain);
        check(&[0x28, 0xb5, 0x2f, 0xfd], Codec::Zstd);
        check(&[0x50, 0x2a, 0x4d, 0x18], Codec::Zstd);
        check(&[0x5f, 0x2a, 0x4d, 0x18, 9], Codec::Zstd);
        check(&[0x60, 0x2a, 0x4d, 0x18], Codec::Plain);
        check(b"", Codec::Plain);
        check(b"B", Codec::Plain);
    }

    #[test]
    fn numbers_are_those_of_go() {
        for (codec, number) in [
            (Codec::Plain, 0),
            (Codec::Bzip2, 1),
            (Codec::Gzip, 2),
            (Codec::Xz, 3),
            (Codec::Zstd, 4),
        ] {
            assert_eq!(codec.number(), number);
            assert_eq!(Codec::from_number(number), Some(codec));
        }
        assert_eq!(Codec::from_number(5), None);
    }
}
