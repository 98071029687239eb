use std::fmt;
use std::io::{self, Write};

use crate::codec::gzip::GzipWriter;
use crate::codec::{Codec, CodecError};

/// The default of the `zstd` program.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

/// Compresses what is written to it into another writer.
///
/// The result depends on the codec, the level and the bytes, and on where the stream is flushed. It
/// does not depend on the number of threads. Another version of this crate may give another result.
///
/// Without [`Compressor::finish`] the stream is incomplete.
#[must_use = "call finish, or the compressed stream has no end"]
pub struct Compressor<W: Write>(Kind<W>);

enum Kind<W: Write> {
    Plain(W),
    Gzip(Box<GzipWriter<W>>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = match self.0 {
            Kind::Plain(_) => Codec::Plain,
            Kind::Gzip(_) => Codec::Gzip,
            #[cfg(feature = "zstd")]
            Kind::Zstd(_) => Codec::Zstd,
        };
        f.debug_tuple("Compressor").field(&codec).finish()
    }
}

/// How hard a compressor tries: from 1, the fastest, to the highest level of the codec.
/// Higher levels count as that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub u8);

/// The highest level of gzip.
const HIGHEST_GZIP: u8 = 9;
/// The highest level of zstd that needs no special decompressor (`ZSTD_CLEVEL_MAX` without
/// `--ultra`).
#[cfg(feature = "zstd")]
const HIGHEST_ZSTD: u8 = 19;

/// How to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressOptions {
    /// How hard to try; the codec's default if absent.
    pub level: Option<Level>,
    /// How many threads compress. With one it is the thread that writes. With more, the compressor
    /// starts as many, once there is enough for two of them, and holds about 1.5 MiB for each.
    /// Only gzip uses several.
    pub threads: usize,
}

impl Default for CompressOptions {
    fn default() -> Self {
        Self {
            level: None,
            threads: 1,
        }
    }
}

impl CompressOptions {
    /// The codec's default level, on the thread that writes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how hard to try.
    #[must_use]
    pub fn with_level(mut self, level: Option<Level>) -> Self {
        self.level = level;
        self
    }

    /// Sets how many threads may compress. Callers that compress several streams at the same time
    /// share their cores out.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}

/// Creates a compressor that writes to `writer`, with the [default options](CompressOptions::new).
///
/// # Errors
/// [`CodecError::WriteUnsupported`] for bzip2 and xz, which can only be read, and
/// [`CodecError::NotBuiltIn`] for zstd without the feature `zstd`.
pub fn compressor<W: Write>(codec: Codec, writer: W) -> Result<Compressor<W>, CodecError> {
    compressor_with(codec, CompressOptions::new(), writer)
}

/// Creates a compressor that writes to `writer`.
///
/// # Errors
/// As [`compressor`].
pub fn compressor_with<W: Write>(
    codec: Codec,
    options: CompressOptions,
    writer: W,
) -> Result<Compressor<W>, CodecError> {
    let up_to = |highest: u8| options.level.map(|Level(level)| level.clamp(1, highest));
    Ok(Compressor(match codec {
        Codec::Plain => Kind::Plain(writer),
        Codec::Gzip => {
            let level = up_to(HIGHEST_GZIP).map(|level| flate2::Compression::new(level.into()));
            let level = level.unwrap_or_default();
            Kind::Gzip(Box::new(GzipWriter::new(writer, level, options.threads)))
        }
        #[cfg(feature = "zstd")]
        Codec::Zstd => {
            let level = up_to(HIGHEST_ZSTD).map_or(ZSTD_LEVEL, i32::from);
            let encoder = zstd::stream::write::Encoder::new(writer, level);
            Kind::Zstd(encoder.map_err(|source| CodecError::SetUp { codec, source })?)
        }
        #[cfg(not(feature = "zstd"))]
        Codec::Zstd => {
            return Err(CodecError::NotBuiltIn {
                codec,
                feature: "zstd",
            });
        }
        Codec::Bzip2 | Codec::Xz => return Err(CodecError::WriteUnsupported { codec }),
    }))
}

impl<W: Write> Compressor<W> {
    /// Writes the end of the stream and returns the writer.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Kind::Plain(mut writer) => {
                writer.flush()?;
                Ok(writer)
            }
            Kind::Gzip(encoder) => encoder.finish(),
            #[cfg(feature = "zstd")]
            Kind::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(writer) => writer.write(bytes),
            Kind::Gzip(encoder) => encoder.write(bytes),
            #[cfg(feature = "zstd")]
            Kind::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Plain(writer) => writer.flush(),
            Kind::Gzip(encoder) => encoder.flush(),
            #[cfg(feature = "zstd")]
            Kind::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decompressor;
    use std::io::Read;

    #[test]
    fn round_trips() {
        let text = b"written and read back ".repeat(1000);
        for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
            if !codec.is_built_in() {
                let error = compressor(codec, Vec::new()).unwrap_err();
                assert!(matches!(
                    error,
                    CodecError::NotBuiltIn {
                        feature: "zstd",
                        ..
                    }
                ));
                continue;
            }
            let mut writer = compressor(codec, Vec::new()).unwrap();
            writer.write_all(&text).unwrap();
            let packed = writer.finish().unwrap();
            assert_eq!(Codec::sniff(&packed), codec);
            let mut back = Vec::new();
            let mut reader = decompressor(codec, &packed[..]).unwrap();
            reader.read_to_end(&mut back).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn levels_are_within_those_of_the_codec() {
        // Words in an order without a pattern.
        let mut state = 1_u32;
        let mut words = String::new();
        for _ in 0..30_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = (state >> 16) % 3000;
            words.push_str(&(word * word % 90_001).to_string());
        }
        let text = words.into_bytes();
        for codec in [Codec::Gzip, Codec::Zstd] {
            if !codec.is_built_in() {
                continue;
            }
            let packed = |level| {
                let options = CompressOptions::new().with_level(level);
                let mut writer = compressor_with(codec, options, Vec::new()).unwrap();
                writer.write_all(&text).unwrap();
                writer.finish().unwrap()
            };
            assert_eq!(packed(Some(Level(0))), packed(Some(Level(1))));
            let highest = if codec == Codec::Gzip { 9 } else { 19 };
            assert_eq!(packed(Some(Level(200))), packed(Some(Level(highest))));
            assert_ne!(packed(Some(Level(1))), packed(Some(Level(highest))));
        }
    }

    #[test]
    fn bzip2_and_xz_are_not_written() {
        for codec in [Codec::Bzip2, Codec::Xz] {
            let error = compressor(codec, Vec::new()).unwrap_err();
            assert!(matches!(error, CodecError::WriteUnsupported { codec: c } if c == codec));
            assert_eq!(
                error.to_string(),
                format!("cannot write {codec}: it can only be read")
            );
        }
    }
}
