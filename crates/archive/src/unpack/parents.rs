//! Open handles on the directories that entries go into.
//!
//! Archives list a directory's entries together, so nearly every entry finds its
//! directory open already and costs no lookup. A handle stays right until an
//! entry on its path is removed or replaced; whoever does that calls
//! [`Parents::forget`]. Creating new entries cannot redirect a path that was
//! resolved before, because all of its components existed.

use std::collections::HashMap;

use layerhold_sys::{Dir, PathError, has_default_acl, remove_acls};

use crate::entry_path::{os, split};

/// Handles kept open at most. The usual limit of a process is 1024 descriptors,
/// and an embedder may unpack several layers at once.
const MOST_OPEN: usize = 96;

/// Permissions of directories that no entry describes.
const IMPLIED_MODE: u32 = 0o755;

/// What to do about a missing directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Fail,
}

/// Why a directory cannot be entered.
#[derive(Debug)]
pub(crate) enum EnterError {
    /// A component does not exist.
    NotFound(PathError),
    /// A component is no directory and no link to one.
    NotDirectory,
    /// The kernel refused otherwise.
    Refused(PathError),
}

impl From<PathError> for EnterError {
    fn from(error: PathError) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound(error),
            std::io::ErrorKind::NotADirectory => Self::NotDirectory,
            _ => Self::Refused(error),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Parents {
    root: Dir,
    /// Owner of directories that no entry describes, where it is not the creator's.
    implied_owner: Option<(u32, u32)>,
    /// Whether one of the directories entered passes an access control list on.
    inherits: bool,
    open: HashMap<Vec<u8>, Dir>,
    last_path: Vec<u8>,
    last: Dir,
}

impl Parents {
    pub(crate) fn new(root: &Dir, implied_owner: Option<(u32, u32)>) -> Result<Self, PathError> {
        Ok(Self {
            inherits: has_default_acl(root)?,
            root: root.clone(),
            implied_owner,
            open: HashMap::new(),
            last_path: Vec::new(),
            last: root.clone(),
        })
    }

    /// Whether what is made may have an access control list that the archive does not ask for: one of the directories that
    /// were there before passes it on. Those of the archive get their own in the end, when nothing is made in them any more.
    pub(crate) fn inherits(&self) -> bool {
        self.inherits
    }

    pub(crate) fn root(&self) -> &Dir {
        &self.root
    }

    /// Whether a directory is the one entered last, so that nothing is looked up.
    pub(crate) fn is_last(&self, path: &[u8]) -> bool {
        self.last_path == path
    }

    /// Opens the directory of a cleaned path, following links inside the root.
    pub(crate) fn enter(&mut self, path: &[u8], missing: Missing) -> Result<Dir, EnterError> {
        if self.last_path != path {
            self.last = self.look_up(path, missing)?;
            self.last_path.clear();
            self.last_path.extend_from_slice(path);
        }
        Ok(self.last.clone())
    }

    /// Remembers a directory that was just opened for its own entry.
    pub(crate) fn remember(&mut self, path: &[u8], dir: Dir) {
        if self.open.len() >= MOST_OPEN {
            self.open.clear();
        }
        self.open.insert(path.to_vec(), dir);
        if self.last_path == path {
            // The handle may be of a directory that has been replaced.
            self.last_path.clear();
            self.last = self.root.clone();
        }
    }

    /// Forgets all handles, because something on a path may have been removed.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
        self.last_path.clear();
        self.last = self.root.clone();
    }

    fn look_up(&mut self, path: &[u8], missing: Missing) -> Result<Dir, EnterError> {
        let (mut dir, mut done) = self.deepest_open(path);
        while done < path.len() {
            let start = if done == 0 { 0 } else { done + 1 };
            let rest = path.get(start..).unwrap_or_default();
            let length = rest.iter().position(|&byte| byte == b'/');
            let end = start + length.unwrap_or(rest.len());
            let prefix = path.get(..end).unwrap_or(path);
            dir = match self.step(&dir, prefix)? {
                Some(found) => {
                    self.inherits |= has_default_acl(&found)?;
                    found
                }
                None if missing == Missing::Create => self.create(&dir, prefix)?,
                None => return Err(not_found(&dir, prefix).into()),
            };
            self.remember(prefix, dir.clone());
            done = end;
        }
        Ok(dir)
    }

    /// The longest prefix of a path that is open, and its length.
    fn deepest_open(&self, path: &[u8]) -> (Dir, usize) {
        let mut prefix = path;
        while !prefix.is_empty() {
            if let Some(dir) = self.open.get(prefix) {
                return (dir.clone(), prefix.len());
            }
            prefix = split(prefix).0;
        }
        (self.root.clone(), 0)
    }

    /// Opens the last component of `path`; `dir` is what the rest of it leads to. `None` if there is nothing.
    fn step(&self, dir: &Dir, path: &[u8]) -> Result<Option<Dir>, EnterError> {
        let name = os(split(path).1);
        match dir.open_dir(name) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            // Something that is no directory, a link perhaps: let the kernel
            // follow it, with the root of the tree as its root.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                self.follow(path).map(Some)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn follow(&self, path: &[u8]) -> Result<Dir, EnterError> {
        match self.root.resolve_dir_in_root(os(path)) {
            Ok(dir) => Ok(dir),
            // A dangling link is there, so it cannot be made, only replaced.
            Err(error) if error.is_not_found() => Err(EnterError::NotDirectory),
            Err(error) => Err(error.into()),
        }
    }

    fn create(&self, dir: &Dir, path: &[u8]) -> Result<Dir, PathError> {
        let name = os(split(path).1);
        match dir.create_dir(name, IMPLIED_MODE) {
            Err(error) if !error.already_exists() => return Err(error),
            _ => {}
        }
        let made = dir.open_dir(name)?;
        if self.inherits {
            remove_acls(&made)?;
        }
        let stat = made.stat_self()?;
        if let Some((uid, gid)) = self.implied_owner
            && (stat.uid, stat.gid) != (uid, gid)
        {
            made.set_own_owner(Some(uid), Some(gid))?;
        }
        if stat.permissions() & 0o777 != IMPLIED_MODE {
            made.set_own_mode(IMPLIED_MODE)?;
        }
        Ok(made)
    }
}

fn not_found(dir: &Dir, path: &[u8]) -> PathError {
    let path = dir.path().join(os(split(path).1));
    PathError::new("open directory", path, std::io::ErrorKind::NotFound.into())
}
