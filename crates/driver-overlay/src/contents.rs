//! Reading the files of a layer (Go: drivers/overlay/overlay.go, `DiffGetter`).

use std::fs::File;
use std::path::Path;

use layerhold_driver::{DirContents, LayerContents, LayerError};
use layerhold_sys::{Dir, FileType, PathError};

use crate::stack::Contents;

/// The files of a layer: in `diff`, in `diff1` and so on, and for layers that Go made as copies in the layers below.
///
/// Directories further down are only opened when a file is not found above them.
#[derive(Debug)]
pub(crate) struct OverlayContents {
    opened: Vec<(Dir, DirContents)>,
    /// Layers not looked into yet, the nearest last.
    waiting: Vec<Contents>,
}

impl OverlayContents {
    /// Reads these layers, the nearest first.
    pub(crate) fn new(mut layers: Vec<Contents>) -> Self {
        layers.reverse();
        Self {
            opened: Vec::new(),
            waiting: layers,
        }
    }

    /// Opens the next layer down; tells whether there was one.
    fn open_more(&mut self) -> Result<bool, LayerError> {
        let Some(layer) = self.waiting.pop() else {
            return Ok(false);
        };
        for dir in layer.open()? {
            self.opened.push((dir.clone(), DirContents::new(dir)));
        }
        Ok(true)
    }
}

impl LayerContents for OverlayContents {
    fn open(&mut self, path: &Path) -> Result<File, LayerError> {
        let mut first = None;
        let mut n = 0;
        loop {
            let Some((root, contents)) = self.opened.get_mut(n) else {
                if self.open_more()? {
                    continue;
                }
                break;
            };
            n += 1;
            match contents.open(path) {
                Ok(file) => return Ok(file),
                Err(error) if is_elsewhere(&error, root, path)? => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(first.unwrap_or_else(|| {
            PathError::new("open", path, std::io::ErrorKind::NotFound.into()).into()
        }))
    }
}

/// Whether a file may still be further down: it is not here, or it was deleted since.
fn is_elsewhere(error: &LayerError, root: &Dir, path: &Path) -> Result<bool, LayerError> {
    match error {
        LayerError::Os(error) => {
            Ok(error.is_not_found() || error.kind() == std::io::ErrorKind::NotADirectory)
        }
        LayerError::NotRegular { .. } => {
            let (dir, name) = root.resolve_parent_in_root(path)?;
            let stat = dir.stat(name)?;
            Ok(stat.is_some_and(|stat| stat.file_type() == FileType::CharDevice && stat.rdev == 0))
        }
        _ => Ok(false),
    }
}
