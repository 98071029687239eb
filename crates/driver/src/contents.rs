//! Reading the files of one layer.

use std::fmt::Debug;
use std::fs::File;
use std::path::Path;

use layerhold_sys::Dir;

use crate::error::LayerError;

/// The regular files a layer itself holds.
///
/// Holds whatever mount it needs until it is dropped.
pub trait LayerContents: Send + Debug {
    /// Opens a regular file for reading.
    ///
    /// `path` is as a tar names it; it is taken below the layer's root however many `..` or absolute links are in it.
    ///
    /// # Errors
    ///
    /// [`LayerError::NotRegular`] for anything but a regular file: a device or FIFO is never opened.
    fn open(&self, path: &Path) -> Result<File, LayerError>;
}

/// The files of a layer whose tree is one directory.
#[derive(Debug)]
pub struct DirContents {
    root: Dir,
}

impl DirContents {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: Dir) -> Self {
        Self { root }
    }
}

impl LayerContents for DirContents {
    fn open(&self, path: &Path) -> Result<File, LayerError> {
        Ok(self.root.open_regular_in_root(path)?)
    }
}
