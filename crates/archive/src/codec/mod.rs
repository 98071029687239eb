//! Recognises, decompresses and compresses gzip, bzip2, xz and zstd.

mod compress;
mod gzip;
mod decompress;
mod kind;

pub use compress::{CompressOptions, Compressor, Level, compressor, compressor_with};
pub use decompress::decompressor;
pub(crate) use decompress::decompressor_from_buffered;
pub use kind::{Codec, CodecError, SNIFF_LEN};
