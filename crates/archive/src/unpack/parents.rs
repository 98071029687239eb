//! Opens the directories that entries are created in, and caches their handles.
//!
//! Archives list a directory's entries together, so nearly every entry finds its directory open
//! already and costs no lookup. A handle is valid until an entry on its path is removed or
//! replaced; the code that does so calls [`Parents::forget`]. A new entry cannot redirect a path
//! that was resolved before, because all components of that path existed.
//!
//! Links that the layer itself created are followed. Any other non-directory on the path belongs to
//! a lower layer and is replaced by a directory, as when layers are stacked and the upper one has a
//! directory there.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use layerhold_sys::{
    Dir, FileType, PathError, Stat, effective_group, effective_user, has_default_acl, remove_acls,
    remove_tree, xattr,
};

use crate::entry_path::{os, split};
use crate::overlay_form::OverlayNamespace;
use crate::unpack::own_entries::OwnEntries;
use crate::unpack::unsettled::{Unsettled, is_no_directory};

/// The most handles kept open. A process usually has 1024 descriptors, and a program may unpack
/// several layers at once.
const MOST_OPEN: usize = 96;

/// Permissions of directories that no entry describes.
pub(super) const IMPLIED_MODE: u32 = 0o755;

/// The most links followed on one path, as in the kernel.
const MOST_LINKS: usize = 40;

/// Why a directory cannot be entered.
#[derive(Debug)]
pub(crate) enum EnterError {
    /// A component is neither a directory nor a link.
    NotDirectory,
    /// A component is a link that does not lead to a directory.
    Dangling,
    /// Any other error.
    Refused(PathError),
}

impl From<PathError> for EnterError {
    fn from(error: PathError) -> Self {
        Self::Refused(error)
    }
}

/// Why a directory is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Put,
    Delete,
}

/// An open directory of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    pub(crate) dir: Dir,
    /// Its inode, if a layer's own entries are tracked.
    pub(crate) inode: u64,
    /// Its path with all links resolved; empty for the root.
    pub(crate) path: Arc<[u8]>,
    /// It exists only for the whiteouts in it.
    tentative: bool,
}

#[derive(Debug)]
pub(crate) struct Parents {
    root: Entered,
    /// The layer's own entries, if the tree was not empty before.
    pub(super) own: Option<OwnEntries>,
    pub(super) unsettled: Unsettled,
    /// The namespace of overlay attributes, if whiteouts are converted for overlayfs.
    pub(super) overlay: Option<OverlayNamespace>,
    /// Owner of directories that no entry describes, if it is not the creating process's.
    implied_owner: Option<(u32, u32)>,
    /// How many directories without an entry were created.
    pub(super) implied: u64,
    /// Whether a directory on a path has a default access control list.
    inherits: bool,
    open: HashMap<Vec<u8>, Entered>,
    last_path: Vec<u8>,
    last: Entered,
    /// The directory of the latest hard link target.
    target: Option<(Vec<u8>, Dir)>,
    /// The directory of the latest whiteout, if whiteouts are applied.
    whiteout_dir: Option<(Vec<u8>, Entered)>,
}

impl Parents {
    pub(crate) fn new(
        root: &Dir,
        implied_owner: Option<(u32, u32)>,
        own: Option<OwnEntries>,
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
            implied: 0,
            inherits,
            open: HashMap::new(),
            last_path: Vec::new(),
            target: None,
            whiteout_dir: None,
        })
    }

    /// Whether new entries may inherit an access control list from a directory that existed before.
    /// Directories of the archive get theirs at the end, when nothing is created in them any more.
    pub(crate) fn inherits(&self) -> bool {
        self.inherits
    }

    pub(crate) fn root(&self) -> &Dir {
        &self.root.dir
    }

    /// Whether this layer created the entry `name` of a directory. True for every entry if the tree
    /// was empty before.
    pub(crate) fn is_own(&self, directory: &Entered, name: &[u8]) -> bool {
        let own = self.own.as_ref();
        own.is_none_or(|own| own.contains(directory.inode, name))
    }

    pub(crate) fn note_own(&mut self, directory: &Entered, name: &[u8]) {
        if let Some(own) = &mut self.own {
            own.insert(directory.inode, name);
        }
    }

    /// Opens the directory of a cleaned path and creates missing components.
    pub(crate) fn enter(&mut self, path: &[u8]) -> Result<Entered, EnterError> {
        if self.last_path != path || self.last.tentative {
            self.last = self.look_up(path)?;
            self.last_path.clear();
            self.last_path.extend_from_slice(path);
        }
        Ok(self.last.clone())
    }

    /// Opens the directory of a whiteout; returns `None` if there cannot be anything to delete. A
    /// whiteout creates nothing: a directory that is created here, because a lower layer may have
    /// it, is tentative.
    pub(crate) fn enter_for_whiteout(
        &mut self,
        path: &[u8],
    ) -> Result<Option<Entered>, EnterError> {
        if let Some((known, entered)) = &self.whiteout_dir
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
        self.whiteout_dir = Some((path.to_vec(), entered.clone()));
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
                self.unsettled.note_implied(inode, &made.path);
                self.unsettled.note_tentative(inode, &made.path);
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
                    // A lower layer may have the target of the link.
                    Err(EnterError::Dangling) if self.overlay.is_none() => Ok(None),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_tentative(&self, dir: &Dir) -> Result<bool, PathError> {
        Ok(self.unsettled.has_tentative() && self.unsettled.is_tentative(dir.stat_self()?.ino))
    }

    /// Opens a directory by a cleaned path, following links inside the root; returns `None` if the
    /// path does not lead to a directory.
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
        if self.unsettled.has_tentative() && self.resolve_links(path)?.is_none() {
            return Ok(None);
        }
        self.target = Some((path.to_vec(), dir.clone()));
        Ok(Some(dir))
    }

    /// Caches the handle of a directory that its own entry opened.
    pub(crate) fn remember(&mut self, path: &[u8], entered: Entered) {
        if self.open.len() >= MOST_OPEN {
            self.open.clear();
        }
        self.open.insert(path.to_vec(), entered);
        if self.last_path == path {
            // The cached handle may be of a directory that has been replaced.
            self.last_path.clear();
            self.last = self.root.clone();
        }
    }

    /// Drops all cached handles, because a component of a path may have been removed.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
        self.last_path.clear();
        self.last = self.root.clone();
        self.target = None;
        self.whiteout_dir = None;
    }

    /// Opens a directory by a path without links; returns `None` if it does not exist.
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

    /// The child `name` of a directory, with its path and inode.
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

    /// The longest prefix of a path whose handle is cached, and its length.
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

    /// Opens the last component of `path`; `above` is its parent.
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
                // The number may be that of a directory that was removed.
                self.unsettled.confirm(inode);
                self.unsettled.note_implied(inode, &made.path);
                Ok(made)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                self.enter_non_directory(above, path, name)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Enters a component that is not a directory: follows the layer's own link, or replaces an
    /// entry of a lower layer.
    fn enter_non_directory(
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
                    self.note_path_as_own(&entered.path)?;
                    Ok(entered)
                }
                _ => Err(EnterError::NotDirectory),
            };
        }
        self.forget();
        remove_tree(&above.dir, os(name))?;
        let made = self.create(above, name)?;
        self.unsettled.note_described(made.dir.stat_self()?.ino);
        self.mark_opaque(&made.dir)?;
        Ok(made)
    }

    /// Makes a directory opaque after it replaced an entry of another type.
    pub(super) fn mark_opaque(&self, dir: &Dir) -> Result<(), PathError> {
        self.overlay.map_or(Ok(()), |namespace| {
            xattr::set(dir, namespace.opaque_attribute(), b"y")
        })
    }

    /// Lets the kernel follow a link, with the root of the tree as its root.
    fn follow(&mut self, path: &[u8]) -> Result<Entered, EnterError> {
        let dir = match self.root.dir.resolve_dir_in_root(os(path)) {
            Ok(dir) => dir,
            // It exists, so it cannot be created, only replaced.
            Err(error) if is_no_directory(&error) => return Err(EnterError::Dangling),
            Err(error) => return Err(error.into()),
        };
        let real = self.resolve_links(path)?.ok_or(EnterError::Dangling)?;
        self.inherits |= has_default_acl(&dir)?;
        Ok(Entered {
            inode: dir.stat_self()?.ino,
            dir,
            path: real.into(),
            tentative: false,
        })
    }

    /// Resolves the links of a path. Returns `None` if it leads through a tentative directory: such
    /// a directory counts as missing, even if the path leaves it again by `..`.
    ///
    /// Another process may change the tree at any time, so callers check the inode of what they
    /// open by the result.
    fn resolve_links(&self, path: &[u8]) -> Result<Option<Vec<u8>>, PathError> {
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
                stat.is_dir() && self.unsettled.is_tentative(stat.ino)
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

    /// Notes every directory on a path without links as the layer's own.
    fn note_path_as_own(&mut self, path: &[u8]) -> Result<(), PathError> {
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
        self.implied += 1;
        match above.dir.create_dir(os(name), IMPLIED_MODE) {
            Err(error) if !error.already_exists() => return Err(error),
            _ => {}
        }
        let made = above.dir.open_dir(os(name))?;
        if self.inherits {
            remove_acls(&made)?;
        }
        self.set_implied_attributes(&made)?;
        self.note_own(above, name);
        self.entered(above, name, made)
    }

    /// Sets the attributes of a directory that no entry describes.
    pub(super) fn set_implied_attributes(&self, dir: &Dir) -> Result<(), PathError> {
        let stat = dir.stat_self()?;
        // A directory with the set-group-ID bit passes its group on.
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

/// The first `done` bytes of a path and its next component.
fn next_prefix(path: &[u8], done: usize) -> &[u8] {
    let start = if done == 0 { 0 } else { done + 1 };
    let rest = path.get(start..).unwrap_or_default();
    let length = rest.iter().position(|&byte| byte == b'/');
    let end = start + length.unwrap_or(rest.len());
    path.get(..end).unwrap_or(path)
}

/// Whether an entry of an overlay's directory is a whiteout.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    stat.file_type() == FileType::CharDevice && stat.rdev == 0
}

/// Appends a name to a path.
pub(super) fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = path.to_vec();
    if !joined.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined
}
