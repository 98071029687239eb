//! Open handles on the directories that entries go into.
//!
//! Archives list a directory's entries together, so nearly every entry finds its
//! directory open already and costs no lookup. A handle stays right until an
//! entry on its path is removed or replaced; whoever does that calls
//! [`Parents::forget`]. Creating new entries cannot redirect a path that was
//! resolved before, because all of its components existed.
//!
//! Links that the layer has made itself are followed. Anything else but a directory that layers
//! below have on the path is replaced by one, as it is where layers are stacked and the layer has a
//! directory of its own only.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use layerhold_sys::{
    Dir, FileType, PathError, Stat, effective_group, effective_user, has_default_acl, remove_acls,
    remove_tree, xattr,
};

use crate::entry_path::{os, split};
use crate::unpack::OverlayNamespace;
use crate::unpack::own::Own;
use crate::unpack::unsettled::{Unsettled, is_no_directory};

/// Handles kept open at most. The usual limit of a process is 1024 descriptors,
/// and an embedder may unpack several layers at once.
const MOST_OPEN: usize = 96;

/// Permissions of directories that no entry describes.
pub(super) const IMPLIED_MODE: u32 = 0o755;

/// Links followed on one path at most, as in the kernel.
const MOST_LINKS: usize = 40;

/// Why a directory cannot be entered.
#[derive(Debug)]
pub(crate) enum EnterError {
    /// A component is neither a directory nor a link.
    NotDirectory,
    /// A component is a link that leads to no directory.
    Dangling,
    /// The kernel refused otherwise.
    Refused(PathError),
}

impl From<PathError> for EnterError {
    fn from(error: PathError) -> Self {
        Self::Refused(error)
    }
}

/// What a directory is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Put,
    Delete,
}

/// An open directory of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    pub(crate) dir: Dir,
    /// Its inode, if the caller wants to know which layer put something.
    pub(crate) inode: u64,
    /// Its path without links; empty for the root.
    pub(crate) path: Arc<[u8]>,
    /// It is only there for whiteouts.
    tentative: bool,
}

#[derive(Debug)]
pub(crate) struct Parents {
    root: Entered,
    /// What this layer has put, if the tree had anything before.
    pub(super) own: Option<Own>,
    pub(super) unsettled: Unsettled,
    /// The form of whiteouts, if they are written down.
    pub(super) overlay: Option<OverlayNamespace>,
    /// Owner of directories that no entry describes, where it is not the creator's.
    implied_owner: Option<(u32, u32)>,
    /// Whether one of the directories entered passes an access control list on.
    inherits: bool,
    open: HashMap<Vec<u8>, Entered>,
    last_path: Vec<u8>,
    last: Entered,
    /// The directory of the latest target of a hard link.
    target: Option<(Vec<u8>, Dir)>,
    /// The directory of the latest whiteout, where these are carried out.
    sought: Option<(Vec<u8>, Entered)>,
}

impl Parents {
    pub(crate) fn new(
        root: &Dir,
        implied_owner: Option<(u32, u32)>,
        own: Option<Own>,
        overlay: Option<OverlayNamespace>,
    ) -> Result<Self, PathError> {
        let inherits = has_default_acl(root)?;
        let root = Entered {
            dir: root.clone(),
            inode: root.stat_self()?.ino,
            path: Arc::from([]),
            tentative: false,
        };
        Ok(Self {
            last: root.clone(),
            root,
            own,
            unsettled: Unsettled::default(),
            overlay,
            implied_owner,
            inherits,
            open: HashMap::new(),
            last_path: Vec::new(),
            target: None,
            sought: None,
        })
    }

    /// Whether what is made may have an access control list that the archive does not ask for: one
    /// of the directories that were there before passes it on. Those of the archive get their own
    /// in the end, when nothing is made in them any more.
    pub(crate) fn inherits(&self) -> bool {
        self.inherits
    }

    pub(crate) fn root(&self) -> &Dir {
        &self.root.dir
    }

    /// Whether the layer has put what a directory has of a name; all that is there, if the tree was
    /// empty before.
    pub(crate) fn is_own(&self, directory: &Entered, name: &[u8]) -> bool {
        let own = self.own.as_ref();
        own.is_none_or(|own| own.contains(directory.inode, name))
    }

    pub(crate) fn note_own(&mut self, directory: &Entered, name: &[u8]) {
        if let Some(own) = &mut self.own {
            own.insert(directory.inode, name);
        }
    }

    /// Opens the directory of a cleaned path, and makes what is missing of it.
    pub(crate) fn enter(&mut self, path: &[u8]) -> Result<Entered, EnterError> {
        if self.last_path != path || self.last.tentative {
            self.last = self.look_up(path)?;
            self.last_path.clear();
            self.last_path.extend_from_slice(path);
        }
        Ok(self.last.clone())
    }

    /// Opens the directory of a whiteout; `None` where there cannot be anything to delete. A
    /// whiteout makes nothing: a directory that is made here, because the layers below may have it,
    /// is tentative.
    pub(crate) fn seek(&mut self, path: &[u8]) -> Result<Option<Entered>, EnterError> {
        if let Some((known, entered)) = &self.sought
            && known == path
        {
            return Ok(Some(entered.clone()));
        }
        let (mut entered, mut done) = self.deepest_open(path, Purpose::Delete);
        while done < path.len() {
            let prefix = next_prefix(path, done);
            let Some(found) = self.seek_step(&entered, prefix)? else {
                return Ok(None);
            };
            entered = found;
            done = prefix.len();
        }
        self.sought = Some((path.to_vec(), entered.clone()));
        Ok(Some(entered))
    }

    fn seek_step(&mut self, above: &Entered, path: &[u8]) -> Result<Option<Entered>, EnterError> {
        let name = split(path).1;
        match above.dir.open_dir(os(name)) {
            Ok(found) => {
                self.inherits |= has_default_acl(&found)?;
                let mut entered = self.entered(above, name, found)?;
                entered.tentative = self.is_tentative(&entered.dir)?;
                Ok(Some(entered))
            }
            Err(error) if error.is_not_found() && self.overlay.is_some() => {
                let mut made = self.create(above, name)?;
                let inode = made.dir.stat_self()?.ino;
                self.unsettled.imply(inode, &made.path);
                self.unsettled.attempt(inode, &made.path);
                made.tentative = true;
                Ok(Some(made))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                let stat = above.dir.stat(os(name))?;
                let is_link = stat.is_some_and(|stat| stat.file_type() == FileType::Symlink);
                if !is_link || !self.is_own(above, name) {
                    return Ok(None);
                }
                match self.follow(path) {
                    Ok(entered) => Ok(Some(entered)),
                    // The layers below may have what it leads to.
                    Err(EnterError::Dangling) if self.overlay.is_none() => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_tentative(&self, dir: &Dir) -> Result<bool, PathError> {
        Ok(self.unsettled.has_attempts() && self.unsettled.is_attempt(dir.stat_self()?.ino))
    }

    /// Opens a directory by a cleaned path, with all links followed inside the root; `None` if it
    /// leads to no directory.
    pub(crate) fn find(&mut self, path: &[u8]) -> Result<Option<Dir>, PathError> {
        if let Some((known, dir)) = &self.target
            && known == path
        {
            return Ok(Some(dir.clone()));
        }
        let dir = match self.root.dir.resolve_dir_in_root(os(path)) {
            Ok(dir) => dir,
            Err(error) if is_no_directory(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.unsettled.has_attempts() && self.without_links(path)?.is_none() {
            return Ok(None);
        }
        self.target = Some((path.to_vec(), dir.clone()));
        Ok(Some(dir))
    }

    /// Remembers a directory that was just opened for its own entry.
    pub(crate) fn remember(&mut self, path: &[u8], entered: Entered) {
        if self.open.len() >= MOST_OPEN {
            self.open.clear();
        }
        self.open.insert(path.to_vec(), entered);
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
        self.target = None;
        self.sought = None;
    }

    /// A directory of the tree by its path without links; `None` if there is none.
    pub(crate) fn at(&self, path: &[u8]) -> Result<Option<Entered>, PathError> {
        let dir = match path.is_empty() {
            true => Ok(self.root.dir.clone()),
            false => self.root.dir.open_dir_nested(os(path)),
        };
        let dir = match dir {
            Ok(dir) => dir,
            Err(error) if is_no_directory(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Entered {
            inode: dir.stat_self()?.ino,
            dir,
            path: path.into(),
            tentative: false,
        }))
    }

    /// A directory of a directory, and where it is.
    pub(crate) fn entered(
        &self,
        above: &Entered,
        name: &[u8],
        dir: Dir,
    ) -> Result<Entered, PathError> {
        let inode = match &self.own {
            Some(_) => dir.stat_self()?.ino,
            None => 0,
        };
        let path = joined(&above.path, name).into();
        Ok(Entered {
            dir,
            inode,
            path,
            tentative: false,
        })
    }

    fn look_up(&mut self, path: &[u8]) -> Result<Entered, EnterError> {
        let (mut entered, mut done) = self.deepest_open(path, Purpose::Put);
        while done < path.len() {
            let prefix = next_prefix(path, done);
            entered = self.step(&entered, prefix)?;
            self.remember(prefix, entered.clone());
            done = prefix.len();
        }
        Ok(entered)
    }

    /// The longest prefix of a path that is open, and its length.
    fn deepest_open(&self, path: &[u8], purpose: Purpose) -> (Entered, usize) {
        let mut prefix = path;
        while !prefix.is_empty() {
            if let Some(entered) = self.open.get(prefix)
                && (purpose == Purpose::Delete || !entered.tentative)
            {
                return (entered.clone(), prefix.len());
            }
            prefix = split(prefix).0;
        }
        (self.root.clone(), 0)
    }

    /// Opens the last component of `path`; `above` is what the rest of it leads to.
    fn step(&mut self, above: &Entered, path: &[u8]) -> Result<Entered, EnterError> {
        let name = split(path).1;
        match above.dir.open_dir(os(name)) {
            Ok(found) => {
                self.inherits |= has_default_acl(&found)?;
                self.note_own(above, name);
                if self.is_tentative(&found)? {
                    self.unsettled.confirm(found.stat_self()?.ino);
                }
                Ok(self.entered(above, name, found)?)
            }
            Err(error) if error.is_not_found() => {
                let made = self.create(above, name)?;
                let inode = made.dir.stat_self()?.ino;
                // The number may be that of a directory which is gone.
                self.unsettled.confirm(inode);
                self.unsettled.imply(inode, &made.path);
                Ok(made)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                self.past_something(above, path, name)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gets past something on a path that is no directory.
    fn past_something(
        &mut self,
        above: &Entered,
        path: &[u8],
        name: &[u8],
    ) -> Result<Entered, EnterError> {
        let Some(stat) = above.dir.stat(os(name))? else {
            return Err(EnterError::NotDirectory);
        };
        let is_whiteout = self.overlay.is_some() && is_whiteout(&stat);
        if !is_whiteout && self.is_own(above, name) {
            return match stat.file_type() {
                FileType::Symlink => {
                    let entered = self.follow(path)?;
                    self.note_way(&entered.path)?;
                    Ok(entered)
                }
                _ => Err(EnterError::NotDirectory),
            };
        }
        self.forget();
        remove_tree(&above.dir, os(name))?;
        let made = self.create(above, name)?;
        self.unsettled.state(made.dir.stat_self()?.ino);
        self.cut_off(&made.dir)?;
        Ok(made)
    }

    /// Hides what layers below have of a directory that has taken the place of something else.
    pub(super) fn cut_off(&self, dir: &Dir) -> Result<(), PathError> {
        self.overlay.map_or(Ok(()), |namespace| {
            xattr::set(dir, namespace.opaque_attribute(), b"y")
        })
    }

    /// Lets the kernel follow a link, with the root of the tree as its root.
    fn follow(&mut self, path: &[u8]) -> Result<Entered, EnterError> {
        let dir = match self.root.dir.resolve_dir_in_root(os(path)) {
            Ok(dir) => dir,
            // It is there, so it cannot be made, only replaced.
            Err(error) if is_no_directory(&error) => return Err(EnterError::Dangling),
            Err(error) => return Err(error.into()),
        };
        let real = self.without_links(path)?.ok_or(EnterError::Dangling)?;
        self.inherits |= has_default_acl(&dir)?;
        Ok(Entered {
            inode: dir.stat_self()?.ino,
            dir,
            path: real.into(),
            tentative: false,
        })
    }

    /// The same path with the links in it replaced by their targets; `None` if it leads through a
    /// directory that is only there for whiteouts. Such a directory counts as missing, even where
    /// the path leaves it again by `..`.
    ///
    /// Another process may change the tree at any time, so callers compare what they find by the
    /// result by its inode.
    fn without_links(&self, path: &[u8]) -> Result<Option<Vec<u8>>, PathError> {
        let root = &self.root.dir;
        let mut waiting: Vec<Vec<u8>> = path
            .rsplit(|&byte| byte == b'/')
            .map(<[u8]>::to_vec)
            .collect();
        let mut real: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = waiting.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    real.truncate(split(&real).0.len());
                    continue;
                }
                _ => {}
            }
            let above = if real.is_empty() {
                root.clone()
            } else {
                root.open_dir_nested(os(&real))?
            };
            let stat = above.stat(os(&name))?;
            if stat.as_ref().is_some_and(|stat| {
                // Anything else may have got the inode number of an attempt that is gone.
                stat.is_dir() && self.unsettled.is_attempt(stat.ino)
            }) {
                return Ok(None);
            }
            let is_link = stat.is_some_and(|stat| stat.file_type() == FileType::Symlink);
            if !is_link || links == MOST_LINKS {
                real = joined(&real, &name);
                continue;
            }
            links += 1;
            let target: OsString = above.read_link(os(&name))?.into();
            let target = target.as_encoded_bytes();
            if target.starts_with(b"/") {
                real.clear();
            }
            waiting.extend(target.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec));
        }
        Ok(Some(real))
    }

    /// Notes of every directory on a path without links that the layer has put something into it.
    fn note_way(&mut self, path: &[u8]) -> Result<(), PathError> {
        if self.own.is_none() {
            return Ok(());
        }
        let mut above = self.root.clone();
        for name in path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
        {
            self.note_own(&above, name);
            let dir = above.dir.open_dir(os(name))?;
            above = self.entered(&above, name, dir)?;
        }
        Ok(())
    }

    fn create(&mut self, above: &Entered, name: &[u8]) -> Result<Entered, PathError> {
        match above.dir.create_dir(os(name), IMPLIED_MODE) {
            Err(error) if !error.already_exists() => return Err(error),
            _ => {}
        }
        let made = above.dir.open_dir(os(name))?;
        if self.inherits {
            remove_acls(&made)?;
        }
        self.dress(&made)?;
        self.note_own(above, name);
        self.entered(above, name, made)
    }

    /// Gives a directory the attributes of one that no entry describes.
    pub(super) fn dress(&self, dir: &Dir) -> Result<(), PathError> {
        let stat = dir.stat_self()?;
        // A directory with the set-group-ID bit gives its group on.
        let (uid, gid) = self
            .implied_owner
            .unwrap_or_else(|| (effective_user(), effective_group()));
        if (stat.uid, stat.gid) != (uid, gid) {
            dir.set_own_owner(Some(uid), Some(gid))?;
        }
        if stat.permissions() != IMPLIED_MODE {
            dir.set_own_mode(IMPLIED_MODE)?;
        }
        Ok(())
    }
}

/// One component more of a path than the first bytes of it, which end with a component.
fn next_prefix(path: &[u8], done: usize) -> &[u8] {
    let start = if done == 0 { 0 } else { done + 1 };
    let rest = path.get(start..).unwrap_or_default();
    let length = rest.iter().position(|&byte| byte == b'/');
    let end = start + length.unwrap_or(rest.len());
    path.get(..end).unwrap_or(path)
}

/// Whether a name in a directory below an overlay deletes what is below it.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    stat.file_type() == FileType::CharDevice && stat.rdev == 0
}

/// A name in the directory of a path.
pub(super) fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = path.to_vec();
    if !joined.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined
}
