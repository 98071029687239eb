//! Completes the tree after the last entry.

use layerhold_idmap::OVERRIDE_STAT_XATTR;
use layerhold_sys::Dir;

use crate::entry_path::{os, shown, split};
use crate::unpack::UnpackError;
use crate::unpack::deferred::Directory;
use crate::unpack::error::{Result, refused};
use crate::unpack::unpacker::{NewEntry, Summary, Unpacker};
use crate::unpack::unsettled::is_no_directory;

impl Unpacker {
    /// Sets what has to be set last, such as the times of directories.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn finish(mut self) -> Result<Summary> {
        self.end()?;
        self.verify_paths()?;
        self.finish_directories()?;
        if self.options.force_mask.is_some() && !self.root_seen {
            self.override_root(b"0:0:0755:dir")?;
        }
        self.summary.uids = self.owners.uids.into_iter().collect();
        self.summary.gids = self.owners.gids.into_iter().collect();
        if self.parents.overlay.is_some() {
            self.summary.unsettled = self.parents.unsettled;
        }
        Ok(self.summary)
    }

    /// Checks that noted files are still where their paths lead.
    fn verify_paths(&mut self) -> Result<()> {
        self.parents.forget();
        for (path, inode) in std::mem::take(&mut self.paths_to_verify) {
            let failed = |source| refused(&path, source);
            let (parent, name) = split(&path);
            let found = match self.parents.find(parent).map_err(failed)? {
                Some(dir) => dir.stat(os(name)).map_err(failed)?,
                None => None,
            };
            if found.is_none_or(|stat| stat.ino != inode) {
                return Err(UnpackError::Unreachable {
                    entry: shown(&path),
                });
            }
        }
        Ok(())
    }

    fn override_root(&mut self, value: &[u8]) -> Result<()> {
        let set = [(OVERRIDE_STAT_XATTR.into(), value.to_vec())];
        let root = self.parents.root().clone();
        self.set_xattrs(b"", &root, &set)
    }

    pub(super) fn defer(&mut self, path: Vec<u8>, new_entry: NewEntry<'_>) {
        self.deferred.directories.push(Directory {
            path,
            times: new_entry.attributes.times,
            mode: new_entry.attributes.mode,
            xattrs: new_entry.xattrs,
        });
    }

    pub(super) fn finish_directories(&mut self) -> Result<()> {
        let directories = self.deferred.take();
        for directory in &directories {
            self.finish_directory(directory)?;
        }
        self.restrict_directories(&directories)
    }

    /// Sets extended attributes and times. Of several entries for one directory, the last one wins.
    fn finish_directory(&mut self, directory: &Directory) -> Result<()> {
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
