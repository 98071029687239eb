//! Layers whose contents another program has.

use std::fmt::Debug;
use std::fs::File;
use std::path::Path;

use crate::error::LayerError;
use crate::stage::{StageRequest, StagedLayer};

/// A layer that another program shows in an additional layer store (Go: drivers/driver.go,
/// `AdditionalLayer`).
///
/// The program is told when this value is made that the layer is in use, and when it is dropped
/// that the use has ended, so that the program knows which layers it may give up. A program that
/// does not count users is not affected.
pub trait AdditionalLayer: Send + Sync + Debug {
    /// Returns the directory in which the program shows the layer.
    fn path(&self) -> &Path;

    /// Reads the record of the layer that the program keeps, as JSON.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is too long for a record.
    fn info(&self) -> Result<Vec<u8>, LayerError>;

    /// Opens the archive of the layer, compressed as the program received it.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    fn blob(&self) -> Result<File, LayerError>;

    /// Stages a layer whose contents stay where they are. It counts as another use, which ends when
    /// the layer is removed, or dropped before its commit. Nothing can be unpacked into it, and its
    /// owners cannot be rewritten.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::stage`](crate::Driver::stage); [`LayerError::NotSupported`] for a request
    /// with a template.
    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError>;
}
