//! What of an unpacked layer depends on the layers below it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use layerhold_idmap::OVERRIDE_STAT_XATTR;
use layerhold_sys::{Dir, FileType, NodeKind, PathError, Times, remove_tree, xattr};

use crate::changes::{ChangesError, Found, Lower};
use crate::entry_path::{os, split};
use crate::overlay_form::OverlayForm;
use crate::unpack::OverlayNamespace;
use crate::unpack::parents::is_whiteout;
use crate::unpack::wanted::is_of_machine;

/// What of a layer cannot be decided without the layers below it, where they are stacked.
///
/// A layer's own directory is filled without a look at those below, which may come in at the same
/// time. When they are complete, [`settle`](Self::settle) does the rest:
///
/// - A directory that no entry describes gets the attributes that the layers below give it.
/// - A directory goes that is there for whiteouts only, if the layers below have none: whiteouts
///   make nothing.
/// - Whiteouts in a directory that only this layer has go: nothing is there to be hidden, and
///   overlayfs would list them.
/// - Whatever the layers below have in the root directory gets a whiteout where the root is to be
///   opaque: overlayfs knows no opaque roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Directories that no entry describes: inodes and paths without links.
    implied: BTreeMap<u64, Vec<u8>>,
    /// Those of them that are there for whiteouts only.
    attempts: BTreeMap<u64, Vec<u8>>,
    /// Paths of directories with whiteouts in them.
    whiteouts: BTreeSet<Vec<u8>>,
    opaque_root: bool,
    /// There is an entry for the root.
    root_stated: bool,
}

impl Unsettled {
    pub(super) fn imply(&mut self, inode: u64, path: &[u8]) {
        self.implied.insert(inode, path.to_vec());
    }

    /// A directory is only there because of a whiteout in it.
    pub(super) fn attempt(&mut self, inode: u64, path: &[u8]) {
        self.attempts.insert(inode, path.to_vec());
    }

    pub(super) fn has_attempts(&self) -> bool {
        !self.attempts.is_empty()
    }

    pub(super) fn is_attempt(&self, inode: u64) -> bool {
        self.attempts.contains_key(&inode)
    }

    /// Something else than a whiteout is in the directory.
    pub(super) fn confirm(&mut self, inode: u64) {
        self.attempts.remove(&inode);
    }

    /// An entry describes the directory after all, or it is another one now than that below; tells
    /// whether none did before.
    pub(super) fn state(&mut self, inode: u64) -> bool {
        self.confirm(inode);
        self.implied.remove(&inode).is_some()
    }

    /// The directories below one are other ones now than those of the layers below.
    pub(super) fn state_below(&mut self, directory: &[u8]) {
        self.implied.retain(|_, path| {
            let rest = path.strip_prefix(directory);
            let is_below = match directory {
                b"" => true,
                _ => rest.is_some_and(|rest| rest.starts_with(b"/")),
            };
            !is_below
        });
    }

    pub(super) fn note_whiteout(&mut self, directory: &[u8]) {
        if !self.whiteouts.contains(directory) {
            self.whiteouts.insert(directory.to_vec());
        }
    }

    pub(super) fn make_root_opaque(&mut self) {
        self.opaque_root = true;
    }

    pub(super) fn state_root(&mut self) {
        self.root_stated = true;
    }

    /// Whether nothing depends on other layers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root_stated
            && !self.opaque_root
            && self.implied.is_empty()
            && self.attempts.is_empty()
            && self.whiteouts.is_empty()
    }

    /// Whether of the layers below only the nearest one matters, for the attributes of its root
    /// directory.
    #[must_use]
    pub fn is_about_root(&self) -> bool {
        let rest = Self {
            root_stated: true,
            ..self.clone()
        };
        rest.is_empty()
    }

    /// Does what was left to do in the directory of a layer. `lower` are those of the layers below,
    /// which are complete, the uppermost first.
    ///
    /// # Errors
    /// If one of the directories cannot be read or changed.
    pub fn settle(
        &self,
        upper: &Dir,
        lower: &[Dir],
        namespace: OverlayNamespace,
    ) -> Result<(), PathError> {
        let settling = Settling {
            upper,
            lower,
            namespace,
            form: namespace.into(),
        };
        if let (Some(nearest), false) = (lower.first(), self.root_stated) {
            settling.copy_xattrs(nearest, upper, &[OVERRIDE_STAT_XATTR])?;
        }
        for (inode, path) in &self.attempts {
            let attempt = settling.attempt(*inode, path, self.opaque_root);
            attempt.or_else(Stop::unless_redirected)?;
        }
        if self.opaque_root {
            settling.hide_all_in_root()?;
        } else if !lower.is_empty() {
            for (inode, path) in &self.implied {
                settling
                    .imply(*inode, path)
                    .or_else(Stop::unless_redirected)?;
            }
        }
        for path in &self.whiteouts {
            settling.whiteouts(path).or_else(Stop::unless_redirected)?;
        }
        Ok(())
    }
}

/// Why something stays as it is.
enum Stop {
    Failed(PathError),
    /// A layer below has a directory that continues one of another name; no image layer has.
    Redirected,
}

impl Stop {
    fn unless_redirected(self) -> Result<(), PathError> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Redirected => Ok(()),
        }
    }
}

impl From<PathError> for Stop {
    fn from(error: PathError) -> Self {
        Self::Failed(error)
    }
}

impl From<ChangesError> for Stop {
    fn from(error: ChangesError) -> Self {
        match error {
            ChangesError::New(error) | ChangesError::Old(error) => Self::Failed(error),
            ChangesError::Redirected { .. } => Self::Redirected,
        }
    }
}

/// Whether an opaque directory is another one than those below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opaque {
    Same,
    Other,
}

struct Settling<'a> {
    upper: &'a Dir,
    lower: &'a [Dir],
    namespace: OverlayNamespace,
    form: OverlayForm,
}

impl Settling<'_> {
    fn hide_all_in_root(&self) -> Result<(), PathError> {
        let mut lower = Lower::new(self.lower, self.form);
        let names = lower.names()?;
        keeping_times(self.upper, || {
            names.iter().try_for_each(|name| self.hide_in_root(name))
        })
    }

    fn hide_in_root(&self, name: &OsStr) -> Result<(), PathError> {
        match self.upper.stat(name)? {
            None => self.upper.make_node(name, NodeKind::CharDevice, 0, 0),
            Some(stat) if stat.is_dir() => {
                let dir = self.upper.open_dir(name)?;
                xattr::set(&dir, self.namespace.opaque_attribute(), b"y")
            }
            Some(_) => Ok(()),
        }
    }

    /// Removes a directory that is there for whiteouts only, if the layers below have none.
    fn attempt(&self, inode: u64, path: &[u8], hides_all: bool) -> Result<(), Stop> {
        let Some(dir) = self.open(path)? else {
            return Ok(());
        };
        if dir.stat_self()?.ino != inode
            || (!hides_all && self.below(path, Opaque::Same)?.is_some())
        {
            return Ok(());
        }
        let (parent, name) = split(path);
        match self.open(parent)? {
            Some(parent) => Ok(keeping_times(&parent, || remove_tree(&parent, os(name)))?),
            None => Ok(()),
        }
    }

    /// Gives a directory what the layers below say of it.
    fn imply(&self, inode: u64, path: &[u8]) -> Result<(), Stop> {
        let Some(dir) = self.open(path)? else {
            return Ok(());
        };
        let own = dir.stat_self()?;
        if own.ino != inode {
            return Ok(());
        }
        // An opaque directory is the one below nevertheless, just without what is in that.
        let Some(found) = self.below(path, Opaque::Same)? else {
            return Ok(());
        };
        let (below, stat) = (found.parent.open_dir(os(split(path).1))?, &found.stat);
        if (own.uid, own.gid) != (stat.uid, stat.gid) {
            dir.set_own_owner(Some(stat.uid), Some(stat.gid))?;
        }
        dir.set_own_mode(stat.permissions())?;
        self.copy_xattrs(&below, &dir, &[])?;
        Ok(dir.set_own_times(&Times::of(stat))?)
    }

    /// Copies attributes; what the filesystem or a user namespace does not accept is left out, as
    /// in unpacking.
    fn copy_xattrs(&self, from: &Dir, to: &Dir, but: &[&str]) -> Result<(), PathError> {
        for name in xattr::list(from)? {
            if is_of_machine(name.as_encoded_bytes()) || but.iter().any(|but| name == *but) {
                continue;
            }
            let Some(value) = xattr::get(from, &name)? else {
                continue;
            };
            match xattr::set(to, &name, &value) {
                Err(error)
                    if error.is_unsupported()
                        || error.kind() == std::io::ErrorKind::PermissionDenied => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Removes whiteouts of which the kernel would show the names.
    fn whiteouts(&self, path: &[u8]) -> Result<(), Stop> {
        let Some(dir) = self.open(path)? else {
            return Ok(());
        };
        if path.is_empty() && !self.lower.is_empty() || self.below(path, Opaque::Other)?.is_some() {
            return Ok(());
        }
        let mut names = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            if entry.file_type == FileType::CharDevice {
                names.push(entry.name);
            }
        }
        Ok(keeping_times(&dir, || {
            names
                .iter()
                .try_for_each(|name| remove_whiteout(&dir, name))
        })?)
    }

    /// A directory of the layer; `None` if there is none any more.
    fn open(&self, path: &[u8]) -> Result<Option<Dir>, PathError> {
        if path.is_empty() {
            return Ok(Some(self.upper.clone()));
        }
        match self.upper.open_dir_nested(os(path)) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if is_no_directory(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The directory of this path that the layers below show through this one.
    fn below(&self, path: &[u8], opaque: Opaque) -> Result<Option<Found>, Stop> {
        let mut upper = self.upper.clone();
        let mut lower = Lower::new(self.lower, self.form);
        let mut found = None;
        if path.is_empty() {
            return Ok(None);
        }
        let mut names = path.split(|&byte| byte == b'/').peekable();
        while let Some(name) = names.next() {
            let name = os(name);
            let is_other = names.peek().is_some() || opaque == Opaque::Other;
            if is_other && self.form.is_opaque(&upper, name)? {
                return Ok(None);
            }
            upper = upper.open_dir(name)?;
            let Some(mut here) = lower.find(name)? else {
                return Ok(None);
            };
            let Some(below) = here.below.take() else {
                return Ok(None);
            };
            lower = below;
            found = Some(here);
        }
        Ok(found)
    }
}

/// Changes what is in a directory, and sets its times back: they are those of the archive, or of
/// the layers below.
fn keeping_times(
    dir: &Dir,
    change: impl FnOnce() -> Result<(), PathError>,
) -> Result<(), PathError> {
    let before = dir.stat_self()?;
    change()?;
    dir.set_own_times(&Times::of(&before))
}

fn remove_whiteout(dir: &Dir, name: &OsStr) -> Result<(), PathError> {
    match dir.stat(name)? {
        Some(stat) if is_whiteout(&stat) => dir.remove_file(name),
        _ => Ok(()),
    }
}

/// Whether a lookup failed only because it led to no directory.
pub(super) fn is_no_directory(error: &PathError) -> bool {
    error.is_not_found()
        || error.kind() == std::io::ErrorKind::NotADirectory
        || error.raw_os_error() == Some(ELOOP)
}

/// "Too many levels of symbolic links", the same number on every Linux.
const ELOOP: i32 = 40;
