//! Reading the files of one layer.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};

use layerhold_archive::clean_entry_path;
use layerhold_sys::{Dir, PathError};

use crate::error::LayerError;

/// The regular files a layer itself holds.
///
/// Holds the mount that it needs, if any, until it is dropped.
pub trait LayerContents: Send + Debug {
    /// Opens a regular file for reading.
    ///
    /// `path` is a name as in a tar. It is cleaned as text, as unpacking does: `..` stops at the
    /// root, and the component before it need not exist. Links are resolved inside the layer. The
    /// last component is not followed.
    ///
    /// # Errors
    ///
    /// [`LayerError::NotRegular`] for anything but a regular file: a device or FIFO is never
    /// opened.
    fn open(&mut self, path: &Path) -> Result<File, LayerError>;
}

/// The files of a layer whose tree is one directory.
///
/// Remembers the directory of the file opened last, because a tar names the files of a directory
/// one after the other.
#[derive(Debug)]
pub struct DirContents {
    root: Dir,
    latest: Option<(PathBuf, Dir)>,
}

impl DirContents {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: Dir) -> Self {
        Self { root, latest: None }
    }

    fn parent<'p>(&mut self, path: &'p Path) -> Result<(Dir, &'p OsStr), PathError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if let (Some((known, dir)), Some(name)) = (&self.latest, path.file_name())
            && known == parent
        {
            return Ok((dir.clone(), name));
        }
        let (dir, name) = self.root.resolve_parent_in_root(path)?;
        self.latest = Some((parent.to_owned(), dir.clone()));
        Ok((dir, name))
    }
}

impl LayerContents for DirContents {
    fn open(&mut self, path: &Path) -> Result<File, LayerError> {
        let cleaned = clean_entry_path(path.as_os_str());
        let (dir, name) = self.parent(&cleaned)?;
        match dir.stat(name)? {
            Some(stat) if !stat.is_file() => Err(LayerError::NotRegular {
                path: path.to_owned(),
            }),
            // A missing file gets its error from the open.
            _ => Ok(dir.open_file(name)?),
        }
    }
}
