//! Recognises, decompresses and compresses gzip, bzip2, xz and zstd.

mod compress;
mod decompress;
mod kind;

pub use compress::{Compressor, Level, compressor, compressor_with};
pub use decompress::decompressor;
pub(crate) use decompress::decompressor_from_buffered;
pub use kind::{Codec, CodecError, SNIFF_LEN};
