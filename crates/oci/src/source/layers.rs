//! The layers of a source, one at a time.

use std::io::Read;

use super::error::SourceError;
use super::found::{FoundLayer, SourceKind};

/// Where the bytes of layers come from.
pub(crate) trait Layers {
    fn kind(&self) -> SourceKind;
    /// Tells which layers will be opened, in this order, so that the source can begin with them.
    fn expect(&self, _indices: &[usize]) {}
    /// Opens the blob of a layer. `index` is its position in the image.
    fn open(&self, index: usize, layer: &FoundLayer) -> Result<LayerStream<'_>, SourceError>;
}

/// The bytes of a layer blob.
pub(crate) struct LayerStream<'a> {
    pub(crate) reader: Box<dyn Read + Send + 'a>,
    /// The number of bytes, where known before they are read.
    pub(crate) size: Option<u64>,
}
