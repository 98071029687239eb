//! Attributes of directories that have to be set last.
//!
//! Creating an entry changes the times of its directory; a mode without write permission would stop
//! an unprivileged process from creating entries; a default ACL would change the modes of new
//! entries.

use std::collections::HashMap;

use layerhold_sys::{Dir, Times};

use crate::entry_path::{os, split};
use crate::unpack::nodes::OWNER_BITS;
use crate::unpack::unpacker::{Place, Result, Unpacker, refused};
use crate::unpack::unsettled::is_no_directory;
use crate::unpack::wanted::Xattrs;

/// Directories whose attributes are deferred, in the order of the archive.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    directories: Vec<Directory>,
    /// Real paths at which directories were removed, and how many directories were deferred by
    /// then.
    removed: HashMap<Vec<u8>, usize>,
    /// The parent directory that was opened last.
    parent: Option<(Vec<u8>, Dir)>,
}

#[derive(Debug)]
struct Directory {
    /// The path with all links resolved.
    path: Vec<u8>,
    times: Times,
    /// The mode, if it lacks permissions for the owner.
    mode: u32,
    xattrs: Xattrs,
}

impl Directory {
    fn is_restricted(&self) -> bool {
        self.mode & OWNER_BITS != OWNER_BITS
    }
}

impl Deferred {
    /// Notes that a directory was removed. Attributes deferred for it and for its descendants do
    /// not apply to later entries of the same names.
    pub(super) fn remove(&mut self, path: Vec<u8>) {
        self.removed.insert(path, self.directories.len());
    }

    /// Removes and returns the directories that still exist.
    fn take(&mut self) -> Vec<Directory> {
        let removed = std::mem::take(&mut self.removed);
        let mut number = 0;
        let mut directories = std::mem::take(&mut self.directories);
        directories.retain(|directory| {
            let was_removed = |path| removed.get(path).is_some_and(|count| number < *count);
            let is_there =
                removed.is_empty() || !with_those_above(&directory.path).any(was_removed);
            number += 1;
            is_there
        });
        directories
    }
}

/// A path and its ancestors, deepest first.
fn with_those_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut next = Some(path).filter(|path| !path.is_empty());
    std::iter::from_fn(move || {
        let path = next?;
        next = Some(split(path).0).filter(|above| !above.is_empty());
        Some(path)
    })
}

impl Unpacker {
    pub(super) fn defer(&mut self, path: Vec<u8>, place: Place<'_>) {
        self.deferred.directories.push(Directory {
            path,
            times: place.wanted.times,
            mode: place.wanted.mode,
            xattrs: place.xattrs,
        });
    }

    pub(super) fn settle_directories(&mut self) -> Result<()> {
        let directories = self.deferred.take();
        for directory in &directories {
            self.settle_directory(directory)?;
        }
        self.restrict_directories(&directories)
    }

    /// Sets extended attributes and times. Of several entries for one directory, the last one wins.
    fn settle_directory(&mut self, directory: &Directory) -> Result<()> {
        let Directory {
            path,
            times,
            xattrs,
            ..
        } = directory;
        if path.is_empty() {
            let root = self.parents.root().clone();
            self.set_xattrs(path, &root, xattrs)?;
            return root
                .set_own_times(times)
                .map_err(|source| refused(path, source));
        }
        let Some(dir) = self.parent_of_directory(path)? else {
            return Ok(());
        };
        let name = os(split(path).1);
        if !xattrs.is_empty() {
            let own = dir.open_dir(name).map_err(|source| refused(path, source))?;
            self.set_xattrs(path, &own, xattrs)?;
        }
        dir.set_times(name, times)
            .map_err(|source| refused(path, source))
    }

    /// Opens the parent of a directory. Returns `None` if the path is no directory any more,
    /// because a later entry removed or replaced it.
    fn parent_of_directory(&mut self, path: &[u8]) -> Result<Option<Dir>> {
        let (parent, name) = split(path);
        let dir = match &self.deferred.parent {
            Some((known, dir)) if known == parent => dir.clone(),
            _ => {
                let root = self.parents.root();
                let dir = match parent.is_empty() {
                    true => Ok(root.clone()),
                    false => root.open_dir_nested(os(parent)),
                };
                match dir {
                    Ok(dir) => dir,
                    Err(error) if is_no_directory(&error) => return Ok(None),
                    Err(source) => return Err(refused(path, source)),
                }
            }
        };
        self.deferred.parent = Some((parent.to_vec(), dir.clone()));
        let stat = dir.stat(os(name)).map_err(|source| refused(path, source))?;
        Ok(stat.is_some_and(|stat| stat.is_dir()).then_some(dir))
    }

    /// Sets restrictive modes, deepest directories first, so that their parents can still be
    /// searched. Of several entries for one directory, the last one wins.
    fn restrict_directories(&mut self, directories: &[Directory]) -> Result<()> {
        if !directories.iter().any(Directory::is_restricted) {
            return Ok(());
        }
        let mut seen = std::collections::HashSet::new();
        for directory in directories.iter().rev() {
            let path = directory.path.as_slice();
            if !seen.insert(path) || !directory.is_restricted() {
                continue;
            }
            let done = if path.is_empty() {
                self.parents.root().set_own_mode(directory.mode)
            } else if let Some(dir) = self.parent_of_directory(path)? {
                dir.open_dir(os(split(path).1))
                    .and_then(|own| own.set_own_mode(directory.mode))
            } else {
                Ok(())
            };
            done.map_err(|source| refused(path, source))?;
        }
        Ok(())
    }
}
