//! Reading the files of a layer (Go: drivers/overlay/overlay.go, `DiffGetter`).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use layerhold_archive::clean_entry_path;
use layerhold_driver::{DirContents, LayerContents, LayerError};
use layerhold_sys::{Dir, FileType, PathError};

use super::layer::{Layer, LayerDir};
use super::link::LinkName;
use super::parents::{lower_of, resolve_each};
use crate::context::Context;

/// Directories of this many layers stay open. A file that is in none of them is rare, and a process
/// may have few files open.
const KEPT: usize = 8;

/// The files of a layer: in `diff`, in `diff1` and so on, and for layers that Go made as copies in
/// the parents.
///
/// The directories of a parent are only opened when a file is not found above them.
#[derive(Debug)]
pub(crate) struct OverlayContents {
    /// The nearest first.
    layers: Vec<Source>,
    /// The directories of the first of them.
    opened: Vec<Vec<(Dir, DirContents)>>,
}

/// A layer in which a file may be.
#[derive(Debug)]
enum Source {
    Found(LayerDir),
    /// A parent that is looked for when it is needed.
    Parent {
        context: Arc<Context>,
        child: Arc<Layer>,
        link: LinkName,
    },
}

impl OverlayContents {
    /// Reads these layers, the nearest first.
    pub(crate) fn new(layers: Vec<LayerDir>) -> Self {
        Self {
            layers: layers.into_iter().map(Source::Found).collect(),
            opened: Vec::new(),
        }
    }

    /// Reads a layer, and files that it does not have from its parents.
    pub(crate) fn of(context: &Arc<Context>, layer: Layer) -> Result<Self, LayerError> {
        let links = lower_of(&context.homes, &layer)?;
        let mut contents = Self::new(vec![layer.dir().clone()]);
        let child = Arc::new(layer);
        contents
            .layers
            .extend(links.into_iter().map(|link| Source::Parent {
                context: Arc::clone(context),
                child: Arc::clone(&child),
                link,
            }));
        Ok(contents)
    }
}

impl Source {
    fn open(&self) -> Result<Vec<(Dir, DirContents)>, LayerError> {
        let dirs = match self {
            Self::Found(layer) => layer.open_diffs()?,
            Self::Parent {
                context,
                child,
                link,
            } => {
                let link = std::slice::from_ref(link);
                let open = |layer: Layer, _: &LinkName| layer.dir().open_diffs();
                let dirs = resolve_each(&context.homes, child, link, open)?;
                dirs.into_iter().flatten().collect()
            }
        };
        let with_contents = |dir: Dir| (dir.clone(), DirContents::new(dir));
        Ok(dirs.into_iter().map(with_contents).collect())
    }
}

impl LayerContents for OverlayContents {
    fn open(&mut self, path: &Path) -> Result<File, LayerError> {
        let path = clean_entry_path(path.as_os_str());
        let path = path.as_path();
        let mut first = None;
        for (n, layer) in self.layers.iter().enumerate() {
            let mut passing;
            let dirs = if n < KEPT {
                if self.opened.len() <= n {
                    self.opened.push(layer.open()?);
                }
                self.opened.get_mut(n)
            } else {
                passing = layer.open()?;
                Some(&mut passing)
            };
            for (root, contents) in dirs.into_iter().flatten() {
                match contents.open(path) {
                    Ok(file) => return Ok(file),
                    Err(error) if may_be_further_down(&error, root, path)? => {
                        first.get_or_insert(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(first.unwrap_or_else(|| {
            PathError::new("open", path, std::io::ErrorKind::NotFound.into()).into()
        }))
    }
}

/// Whether a file may still be further down: it is not here, or it was deleted since.
fn may_be_further_down(error: &LayerError, root: &Dir, path: &Path) -> Result<bool, LayerError> {
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
