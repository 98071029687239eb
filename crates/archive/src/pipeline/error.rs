use std::io;

use layerhold_tar_format::ParseError;

use crate::codec::{Codec, CodecError};
use crate::unpack::UnpackError;

/// Why a layer could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The source of the layer failed.
    #[error("read the layer")]
    Read(#[source] io::Error),
    /// The compressed stream is damaged.
    #[error("decompress the layer ({codec})")]
    Decompress {
        /// How it is compressed.
        codec: Codec,
        /// What is wrong.
        source: io::Error,
    },
    /// The codec could not be set up.
    #[error("prepare to decompress the layer")]
    Codec(#[source] CodecError),
    /// The content is no tar archive.
    #[error("the layer is not a valid tar archive")]
    Archive(#[source] ParseError),
    /// The recorder of the archive failed.
    #[error("record the structure of the layer")]
    Record(#[source] io::Error),
    /// The tree could not be written.
    #[error("unpack the layer")]
    Unpack(#[source] UnpackError),
    /// The import was cancelled.
    #[error("the import was cancelled")]
    Cancelled,
    /// The system refused a thread.
    #[error("start a thread")]
    Thread(#[source] io::Error),
}
