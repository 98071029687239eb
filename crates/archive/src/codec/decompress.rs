use std::io::{BufRead, BufReader, Read};

use crate::codec::{Codec, CodecError};

/// Base-two logarithm of the largest window of a zstd frame: 128 MiB, the default limit of the
/// `zstd` program. A frame that asks for more is refused as corrupt.
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Memory limit of an xz block: four times what `xz -9` needs.
#[cfg(feature = "xz")]
const XZ_MEMORY_LIMIT_KIB: u32 = 256 * 1024;

/// Size of the buffer for compressed input.
const INPUT_BUFFER: usize = 128 * 1024;

/// Wraps a compressed stream in a reader of its content.
///
/// Decompresses in this process. Concatenated members, streams and frames are read one after the
/// other. A stream that ends early is an error, and so are trailing bytes that begin no further
/// member. All checksums are verified.
///
/// # Errors
/// If the codec cannot be set up, and [`CodecError::NotBuiltIn`] if the feature of the codec is
/// off. Damaged input is an error of reading.
pub fn decompressor<'a, R: Read + Send + 'a>(
    codec: Codec,
    reader: R,
) -> Result<Box<dyn Read + Send + 'a>, CodecError> {
    match codec {
        Codec::Plain => Ok(Box::new(reader)),
        _ => decompressor_from_buffered(codec, BufReader::with_capacity(INPUT_BUFFER, reader)),
    }
}

/// Like [`decompressor`], for a reader with a buffer of its own.
pub(crate) fn decompressor_from_buffered<'a, R: BufRead + Send + 'a>(
    codec: Codec,
    reader: R,
) -> Result<Box<dyn Read + Send + 'a>, CodecError> {
    Ok(match codec {
        Codec::Plain => Box::new(reader),
        Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        #[cfg(feature = "bzip2")]
        Codec::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        #[cfg(feature = "xz")]
        Codec::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
            reader,
            true,
            XZ_MEMORY_LIMIT_KIB,
        )),
        #[cfg(feature = "zstd")]
        Codec::Zstd => {
            Box::new(zstd_decoder(reader).map_err(|source| CodecError::SetUp { codec, source })?)
        }
        #[cfg(not(feature = "bzip2"))]
        Codec::Bzip2 => return Err(not_built_in(codec, "bzip2")),
        #[cfg(not(feature = "xz"))]
        Codec::Xz => return Err(not_built_in(codec, "xz")),
        #[cfg(not(feature = "zstd"))]
        Codec::Zstd => return Err(not_built_in(codec, "zstd")),
    })
}

#[cfg(not(all(feature = "bzip2", feature = "xz", feature = "zstd")))]
fn not_built_in(codec: Codec, feature: &'static str) -> CodecError {
    CodecError::NotBuiltIn { codec, feature }
}

#[cfg(feature = "zstd")]
fn zstd_decoder<R: BufRead>(reader: R) -> std::io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Write};

    const TEXT: &[u8] = b"a layer, and another layer, and another layer";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[cfg(feature = "bzip2")]
    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[cfg(feature = "xz")]
    fn xz(bytes: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[cfg(feature = "zstd")]
    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 3).unwrap()
    }

    type Pack = fn(&[u8]) -> Vec<u8>;

    fn all() -> Vec<(Codec, Pack)> {
        vec![
            (Codec::Gzip, gzip),
            #[cfg(feature = "bzip2")]
            (Codec::Bzip2, bzip2),
            #[cfg(feature = "xz")]
            (Codec::Xz, xz),
            #[cfg(feature = "zstd")]
            (Codec::Zstd, zstd),
        ]
    }

    #[test]
    fn what_is_not_built_in_is_refused_with_the_name_of_the_feature() {
        for (codec, name) in [
            (Codec::Bzip2, "bzip2"),
            (Codec::Xz, "xz"),
            (Codec::Zstd, "zstd"),
        ] {
            match decompressor(codec, &b""[..]) {
                Ok(_) => assert!(codec.is_built_in()),
                Err(error) => {
                    assert!(!codec.is_built_in());
                    assert_eq!(
                        error.to_string(),
                        format!(
                            "cannot use {codec}: the program was built without the feature \"{name}\" of layerhold-archive"
                        )
                    );
                    assert!(
                        matches!(error, CodecError::NotBuiltIn { feature, .. } if feature == name)
                    );
                }
            }
        }
    }

    fn read(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompressor(Codec::sniff(bytes), bytes)
            .unwrap()
            .read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn plain_passes_through() {
        assert_eq!(read(TEXT).unwrap(), TEXT);
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn one_and_several_parts() {
        for (codec, pack) in all() {
            let mut bytes = pack(TEXT);
            assert_eq!(Codec::sniff(&bytes), codec);
            assert_eq!(read(&bytes).unwrap(), TEXT);
            bytes.extend(pack(b" and more"));
            assert_eq!(
                read(&bytes).unwrap(),
                [TEXT, b" and more"].concat(),
                "{codec}"
            );
        }
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn skippable_zstd_frames_are_skipped() {
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let bytes = [&skippable[..], &zstd(TEXT), &skippable].concat();
        assert_eq!(read(&bytes).unwrap(), TEXT);
    }

    #[test]
    fn what_ends_early_is_an_error() {
        for (codec, pack) in all() {
            let bytes = pack(TEXT);
            let cut = bytes.get(..bytes.len() - 3).unwrap();
            assert_eq!(
                read(cut).unwrap_err().kind(),
                ErrorKind::UnexpectedEof,
                "{codec}"
            );
        }
    }

    #[test]
    fn garbage_after_the_end_is_an_error() {
        for (codec, pack) in all() {
            let bytes = [&pack(TEXT)[..], b"garbage garbage garbage"].concat();
            assert!(read(&bytes).is_err(), "{codec}");
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error() {
        for (codec, pack) in all() {
            let mut bytes = pack(&TEXT.repeat(100));
            if codec == Codec::Zstd {
                // Frames of this crate have no checksum, so damage the structure.
                bytes.truncate(bytes.len() / 2);
            } else {
                let middle = bytes.len() / 2;
                *bytes.get_mut(middle).unwrap() ^= 0x10;
            }
            assert!(read(&bytes).is_err(), "{codec}");
        }
    }

    #[test]
    #[cfg(feature = "zstd")]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        // A frame header that asks for a window of 2 GiB (exponent 21, RFC 8878 3.1.1.1.2).
        let bytes = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        assert!(read(&bytes).is_err());
    }

    /// The beginning of an xz stream whose block needs a dictionary of a size that is coded in one
    /// byte (XZ file format 1.0.4, 5.3.1).
    #[cfg(feature = "xz")]
    fn xz_head(dictionary: u8) -> Vec<u8> {
        let with_sum = |bytes: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(bytes);
            [bytes, &crc.sum().to_le_bytes()].concat()
        };
        let magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00].to_vec();
        let block = [0x02, 0x00, 0x21, 0x01, dictionary, 0, 0, 0];
        [magic, with_sum(&[0x00, 0x01]), with_sum(&block)].concat()
    }

    #[test]
    #[cfg(feature = "xz")]
    fn an_xz_dictionary_beyond_the_limit_is_refused() {
        for (name, dictionary, accepted) in [
            ("64 MiB, the largest of the xz program", 28, true),
            ("192 MiB", 31, true),
            ("512 MiB", 34, false),
            ("4 GiB", 40, false),
        ] {
            let error = read(&xz_head(dictionary)).unwrap_err();
            // An accepted header leads to the missing content.
            let went_on = error.kind() == ErrorKind::UnexpectedEof;
            assert_eq!(went_on, accepted, "{name}: {error}");
        }
    }
}
