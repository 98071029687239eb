//! Walking a tree by handles, as deep as it may be.

use std::ffi::OsString;

use layerhold_sys::{Dir, FileType, PathError};

use crate::entry_path::{os, split};

/// Directories kept open on the way down; those further up are opened anew when
/// the walk returns to them, so that no tree is too deep for the descriptors.
const MOST_OPEN: usize = 32;

/// One name in a directory.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: OsString,
    pub(crate) file_type: FileType,
    pub(crate) ino: u64,
}

/// The entries of a directory, sorted by name.
pub(crate) fn sorted_entries(dir: &Dir) -> Result<Vec<Named>, PathError> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        names.push(Named {
            name: entry.name,
            file_type: entry.file_type,
            ino: entry.ino,
        });
    }
    names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(names)
}

/// Adds a name to a path.
pub(crate) fn push(path: &mut Vec<u8>, name: &OsString) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.as_encoded_bytes());
}

/// The open directories on the way from a root to where a walk is.
#[derive(Debug)]
pub(crate) struct Descent {
    root: Dir,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    dir: Option<Dir>,
    path: Vec<u8>,
}

impl Descent {
    pub(crate) fn new(root: &Dir) -> Self {
        Self {
            root: root.clone(),
            levels: Vec::new(),
        }
    }

    /// Goes down into a directory just opened; `path` leads to it from the root.
    pub(crate) fn enter(&mut self, dir: Dir, path: &[u8]) {
        self.levels.push(Level {
            dir: Some(dir),
            path: path.to_vec(),
        });
        let deepest = self.levels.len();
        if let Some(far) = deepest
            .checked_sub(MOST_OPEN + 1)
            .and_then(|index| self.levels.get_mut(index))
        {
            far.dir = None;
        }
    }

    pub(crate) fn leave(&mut self) {
        drop(self.levels.pop());
    }

    /// The directory the walk is in.
    pub(crate) fn here(&mut self) -> Result<Dir, PathError> {
        match self.levels.last() {
            None => return Ok(self.root.clone()),
            Some(Level { dir: Some(dir), .. }) => return Ok(dir.clone()),
            Some(_) => {}
        }
        // The walk goes on upwards from here, so those above are opened as well:
        // one long lookup for many levels.
        let first = self.levels.len().saturating_sub(MOST_OPEN);
        let mut above: Option<Dir> = None;
        for level in self.levels.iter_mut().skip(first) {
            let dir = match &above {
                None => self.root.open_dir_nested(os(&level.path))?,
                Some(above) => above.open_dir(os(split(&level.path).1))?,
            };
            level.dir = Some(dir.clone());
            above = Some(dir);
        }
        Ok(above.unwrap_or_else(|| self.root.clone()))
    }
}
