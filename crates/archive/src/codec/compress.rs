use std::fmt;
use std::io::{self, Write};

use crate::codec::{Codec, CodecError};

/// The default of the `zstd` program.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

/// Compresses what is written to it into another writer.
///
/// Without [`Compressor::finish`] the stream is incomplete.
#[must_use = "call finish, or the compressed stream has no end"]
pub struct Compressor<W: Write>(Kind<W>);

enum Kind<W: Write> {
    Plain(W),
    Gzip(Box<flate2::write::GzEncoder<W>>),
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

/// Creates a compressor that writes to `writer`.
///
/// # Errors
/// [`CodecError::WriteUnsupported`] for bzip2 and xz, which can only be read, and
/// [`CodecError::NotBuiltIn`] for zstd without the feature `zstd`.
pub fn compressor<W: Write>(codec: Codec, writer: W) -> Result<Compressor<W>, CodecError> {
    Ok(Compressor(match codec {
        Codec::Plain => Kind::Plain(writer),
        Codec::Gzip => Kind::Gzip(Box::new(flate2::write::GzEncoder::new(
            writer,
            flate2::Compression::default(),
        ))),
        #[cfg(feature = "zstd")]
        Codec::Zstd => Kind::Zstd(
            zstd::stream::write::Encoder::new(writer, ZSTD_LEVEL)
                .map_err(|source| CodecError::SetUp { codec, source })?,
        ),
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
