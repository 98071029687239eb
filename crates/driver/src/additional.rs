//! Layers that another program has.

use std::fmt::Debug;
use std::fs::File;
use std::path::Path;

use crate::error::LayerError;
use crate::stage::{StageRequest, StagedLayer};

/// A layer that another program shows in an additional layer store (Go: drivers/driver.go,
/// `AdditionalLayer`).
///
/// The program is told that the layer is in use when this is made, and that it no longer is when it
/// is dropped, so that it knows what it may give up. Programs that do not count are not disturbed
/// by that.
pub trait AdditionalLayer: Send + Sync + Debug {
    /// Returns the directory in which the program shows the layer.
    fn path(&self) -> &Path;

    /// Reads what the program knows about the layer: a layer's record as JSON.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is too long for a record.
    fn info(&self) -> Result<Vec<u8>, LayerError>;

    /// Opens the archive the layer is made of, compressed as the program got it.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    fn blob(&self) -> Result<File, LayerError>;

    /// Prepares a layer whose contents stay where they are. It counts as a use of its own, which
    /// ends when the layer is removed, or dropped before its commit. Nothing can be unpacked into
    /// it, and its owners cannot be rewritten.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::stage`](crate::Driver::stage); [`LayerError::NotSupported`] for a request
    /// with a template.
    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError>;
}
