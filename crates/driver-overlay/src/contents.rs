//! Reading the files of a layer (Go: drivers/overlay/overlay.go, `DiffGetter`).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use layerhold_archive::clean_entry_path;
use layerhold_driver::{DirContents, LayerContents, LayerError};
use layerhold_sys::{Dir, FileType, PathError};

use crate::chain::{lower_of, resolve};
use crate::core::Core;
use crate::layer::LayerDir;
use crate::link::LinkName;
use crate::stack::Contents;

/// Directories of this many layers stay open. A file that is in none of them is rare, and a process
/// may have few files open.
const KEPT: usize = 8;

/// The files of a layer: in `diff`, in `diff1` and so on, and for layers that Go made as copies in
/// the layers below.
///
/// Directories further down are only opened when a file is not found above them.
#[derive(Debug)]
pub(crate) struct OverlayContents {
    /// The nearest first.
    places: Vec<Place>,
    /// The directories of the first of them.
    opened: Vec<Vec<(Dir, DirContents)>>,
}

/// A layer in which a file may be.
#[derive(Debug)]
enum Place {
    Found(Contents),
    /// One that is looked for when it is needed.
    Below {
        core: Arc<Core>,
        above: Arc<LayerDir>,
        link: LinkName,
    },
}

impl OverlayContents {
    /// Reads these layers, the nearest first.
    pub(crate) fn new(layers: Vec<Contents>) -> Self {
        Self {
            places: layers.into_iter().map(Place::Found).collect(),
            opened: Vec::new(),
        }
    }

    /// Reads a layer, and where that does not have a file those below it.
    pub(crate) fn of(core: &Arc<Core>, layer: LayerDir) -> Result<Self, LayerError> {
        let links = lower_of(&core.homes, &layer)?;
        let mut contents = Self::new(vec![Contents::of(&layer)]);
        let above = Arc::new(layer);
        contents
            .places
            .extend(links.into_iter().map(|link| Place::Below {
                core: Arc::clone(core),
                above: Arc::clone(&above),
                link,
            }));
        Ok(contents)
    }
}

impl Place {
    fn open(&self) -> Result<Vec<(Dir, DirContents)>, LayerError> {
        let dirs = match self {
            Self::Found(contents) => contents.open()?,
            Self::Below { core, above, link } => {
                let found = resolve(&core.homes, above, std::slice::from_ref(link))?;
                let mut dirs = Vec::new();
                for layer in &found {
                    dirs.extend(Contents::of(layer).open()?);
                }
                dirs
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
        for (n, place) in self.places.iter().enumerate() {
            let mut passing;
            let dirs = if n < KEPT {
                if self.opened.len() <= n {
                    self.opened.push(place.open()?);
                }
                self.opened.get_mut(n)
            } else {
                passing = place.open()?;
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
