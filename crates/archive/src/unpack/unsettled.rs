//! Decisions about an unpacked layer that need its lower layers.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use layerhold_idmap::OVERRIDE_STAT_XATTR;
use layerhold_sys::{Dir, FileType, NodeKind, PathError, Times, remove_tree, xattr};

use crate::changes::{Lower, LowerEntry, LowerError};
use crate::entry_path::{os, split};
use crate::overlay_form::{OverlayForm, OverlayNamespace};
use crate::unpack::entry_attributes::is_of_machine;
use crate::unpack::parents::is_whiteout;

/// Decisions about a layer that need its lower layers.
///
/// A layer's directory is filled without reading the lower layers, which may be unpacked at the
/// same time. Once they are complete, [`settle`](Self::settle) does the rest:
///
/// - A directory that no entry describes gets the attributes of the lower layers' directory.
/// - A directory that exists only for whiteouts is removed if no lower layer has it: whiteouts
///   create nothing.
/// - Whiteouts are removed from a directory that only this layer has: they hide nothing, and
///   overlayfs would list them.
/// - If the root is to be opaque, every entry of the lower layers' root gets a whiteout: overlayfs
///   knows no opaque roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Directories that no entry describes: inodes and paths without links.
    implied: BTreeMap<u64, Vec<u8>>,
    /// Those of them that exist only for whiteouts.
    tentative: BTreeMap<u64, Vec<u8>>,
    /// Paths of directories with whiteouts in them.
    whiteouts: BTreeSet<Vec<u8>>,
    opaque_root: bool,
    /// The archive has an entry for the root.
    root_described: bool,
}

impl Unsettled {
    pub(super) fn note_implied(&mut self, inode: u64, path: &[u8]) {
        self.implied.insert(inode, path.to_vec());
    }

    /// Notes a directory that exists only for a whiteout in it.
    pub(super) fn note_tentative(&mut self, inode: u64, path: &[u8]) {
        self.tentative.insert(inode, path.to_vec());
    }

    pub(super) fn has_tentative(&self) -> bool {
        !self.tentative.is_empty()
    }

    pub(super) fn is_tentative(&self, inode: u64) -> bool {
        self.tentative.contains_key(&inode)
    }

    /// Notes that a directory holds something else than whiteouts.
    pub(super) fn confirm(&mut self, inode: u64) {
        self.tentative.remove(&inode);
    }

    /// Notes that an entry describes the directory, or that it no longer continues a lower one.
    /// Returns whether no entry did before.
    pub(super) fn note_described(&mut self, inode: u64) -> bool {
        self.confirm(inode);
        self.implied.remove(&inode).is_some()
    }

    /// Notes that no directory below this one continues a lower one.
    pub(super) fn detach_below(&mut self, directory: &[u8]) {
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

    pub(super) fn note_root_described(&mut self) {
        self.root_described = true;
    }

    /// Whether nothing depends on the lower layers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root_described
            && !self.opaque_root
            && self.implied.is_empty()
            && self.tentative.is_empty()
            && self.whiteouts.is_empty()
    }

    /// Whether only the attributes of the root directory are missing, which come from the nearest
    /// lower layer.
    #[must_use]
    pub fn is_about_root(&self) -> bool {
        let rest = Self {
            root_described: true,
            ..self.clone()
        };
        rest.is_empty()
    }

    /// Completes a layer's directory. `lower` are the directories of the lower layers, the
    /// uppermost first; they have to be complete.
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
        if let (Some(nearest), false) = (lower.first(), self.root_described) {
            settling.copy_xattrs(nearest, upper, &[OVERRIDE_STAT_XATTR])?;
        }
        for (inode, path) in &self.tentative {
            let attempt = settling.remove_tentative(*inode, path, self.opaque_root);
            attempt.or_else(Stop::unless_redirected)?;
        }
        if self.opaque_root {
            settling.hide_all_in_root()?;
        } else if !lower.is_empty() {
            for (inode, path) in &self.implied {
                settling
                    .copy_attributes(*inode, path)
                    .or_else(Stop::unless_redirected)?;
            }
        }
        for path in &self.whiteouts {
            settling.whiteouts(path).or_else(Stop::unless_redirected)?;
        }
        Ok(())
    }
}

/// Why a step is skipped or fails.
enum Stop {
    Failed(PathError),
    /// A lower layer has a redirected directory, which no image layer has.
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

impl From<LowerError> for Stop {
    fn from(error: LowerError) -> Self {
        match error {
            LowerError::Read(error) => Self::Failed(error),
            LowerError::Redirected { .. } => Self::Redirected,
        }
    }
}

/// Whether an opaque directory continues the lower one.
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

    /// Removes a tentative directory if no lower layer has it.
    fn remove_tentative(&self, inode: u64, path: &[u8], hides_all: bool) -> Result<(), Stop> {
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

    /// Copies the lower layers' attributes to a directory.
    fn copy_attributes(&self, inode: u64, path: &[u8]) -> Result<(), Stop> {
        let Some(dir) = self.open(path)? else {
            return Ok(());
        };
        let own = dir.stat_self()?;
        if own.ino != inode {
            return Ok(());
        }
        // An opaque directory continues the lower one without its contents.
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

    /// Copies extended attributes; skips those that the filesystem or the user namespace does not
    /// accept, as unpacking does.
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

    /// Removes whiteouts that the kernel would list.
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

    /// Opens a directory of the layer; returns `None` if it no longer exists.
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

    /// The lower directory that this path of the layer continues.
    fn below(&self, path: &[u8], opaque: Opaque) -> Result<Option<LowerEntry>, Stop> {
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

/// Changes the contents of a directory and restores its times, which are those of the archive or of
/// the lower layers.
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

/// Whether a lookup failed because the path does not lead to a directory.
pub(super) fn is_no_directory(error: &PathError) -> bool {
    error.is_not_found()
        || error.kind() == std::io::ErrorKind::NotADirectory
        || error.raw_os_error() == Some(ELOOP)
}

/// "Too many levels of symbolic links", the same number on every Linux.
const ELOOP: i32 = 40;
