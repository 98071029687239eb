use std::io;

use layerhold_sys::Cancelled;
use layerhold_tar_format::ParseError;

use crate::codec::{Codec, CodecError};
use crate::pipeline::ImportLimit;
use crate::unpack::UnpackError;

/// Why a layer could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The source of the layer failed.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// The compressed stream is damaged.
    #[error("cannot decompress the layer ({codec})")]
    Decompress {
        /// How it is compressed.
        codec: Codec,
        /// The decompressor's error.
        source: io::Error,
    },
    /// The codec could not be set up.
    #[error("cannot prepare to decompress the layer")]
    Codec(#[source] CodecError),
    /// The content is not a tar archive.
    #[error("the layer is not a valid tar archive")]
    Archive(#[source] ParseError),
    /// The recorder of the archive failed.
    #[error("cannot record the structure of the layer")]
    Record(#[source] io::Error),
    /// The tree could not be written.
    #[error("cannot unpack the layer")]
    Unpack(#[source] UnpackError),
    /// The layer exceeds a limit of the options.
    #[error("cannot unpack the whole layer: it has more than {0}")]
    TooLarge(ImportLimit),
    /// The import was cancelled.
    #[error("cannot unpack the whole layer")]
    Cancelled(#[source] Cancelled),
    /// The system refused to start a thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl ImportError {
    /// Whether the filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        layerhold_sys::is_out_of_space(self)
    }

    /// Whether it was cancelled, by the options or by the source.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        layerhold_sys::is_cancelled(self)
    }
}
