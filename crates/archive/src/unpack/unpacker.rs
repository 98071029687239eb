use std::collections::BTreeSet;
use std::ffi::OsStr;

use layerhold_sys::{Dir, FileType, PathError, Stat, remove_tree};
use layerhold_tar_format::Header;

use crate::entry_path::{shown, split};
use crate::unpack::deferred::Deferred;
use crate::unpack::entry_attributes::{EntryAttributes, Xattrs};
use crate::unpack::error::{Result, refused};
use crate::unpack::open_file::OpenFile;
use crate::unpack::own_entries::OwnEntries;
use crate::unpack::parents::{EnterError, Entered, Parents, joined};
use crate::unpack::unsettled::Unsettled;
use crate::unpack::{OwnFiles, Replace, UnpackError, UnpackOptions, Whiteouts};

/// What was unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Total size of all entries' contents in bytes, holes included.
    pub bytes: u64,
    /// Number of entries, whiteouts included.
    pub entries: u64,
    /// User IDs in the archive's headers, ascending, without those of whiteouts.
    pub uids: Vec<u32>,
    /// Group IDs, likewise.
    pub gids: Vec<u32>,
    /// Device nodes left out because of the user namespace.
    pub skipped_devices: u64,
    /// Extended attributes that the filesystem or the user namespace did not accept.
    pub skipped_xattrs: u64,
    /// Entries whose owner could not be set, if that is ignored.
    pub skipped_owners: u64,
    /// What depends on the lower layers, if whiteouts are converted for overlayfs.
    pub unsettled: Unsettled,
}

/// Unpacks the entries of an archive below a directory.
///
/// No archive can reach outside that directory. Paths are looked up with the directory as the root,
/// as if by `chroot`. The last component is newly created and never followed. Attributes are set on
/// the entry just created. Symbolic links keep their targets.
///
/// Entries are given whole, by [`Unpacker::entry`], or in pieces as a parser finds them, by
/// [`Unpacker::begin`], [`Unpacker::write_at`] and [`Unpacker::end`]. [`Unpacker::finish`]
/// completes the tree.
///
/// After an error the tree is incomplete, and the value can only be dropped.
#[derive(Debug)]
pub struct Unpacker {
    pub(super) options: UnpackOptions,
    pub(super) parents: Parents,
    pub(super) deferred: Deferred,
    pub(super) summary: Summary,
    /// Paths and inodes of regular files that a later entry may have made unreachable, by replacing
    /// a link on the path or another name of the file.
    pub(super) paths_to_verify: Vec<(Vec<u8>, u64)>,
    /// The cleaned path of the current entry.
    pub(super) path: Vec<u8>,
    pub(super) current: Option<OpenFile>,
    pub(super) owners: Owners,
    pub(super) root_seen: bool,
}

/// The owners seen. Consecutive equal ones cost no set operation.
#[derive(Debug, Default)]
pub(super) struct Owners {
    pub(super) last: Option<(i64, i64)>,
    pub(super) uids: BTreeSet<u32>,
    pub(super) gids: BTreeSet<u32>,
}

impl Owners {
    /// Go keeps the lower 32 bits (`layers.go`, `applyDiff`).
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn note(&mut self, header: &Header) {
        let pair = (header.uid, header.gid);
        if self.last != Some(pair) {
            self.last = Some(pair);
            self.uids.insert(pair.0 as u32);
            self.gids.insert(pair.1 as u32);
        }
    }
}

/// An entry to be created, and its directory.
pub(super) struct NewEntry<'h> {
    /// The directory that the entry goes into.
    pub(super) entered: Entered,
    pub(super) dir: Dir,
    pub(super) header: &'h Header,
    pub(super) attributes: EntryAttributes,
    pub(super) xattrs: Xattrs,
}

impl Unpacker {
    /// Prepares to unpack below `root`.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn new(root: &Dir, options: UnpackOptions) -> std::result::Result<Self, PathError> {
        let implied_owner = crate::ids::root_pair(&options.id_maps);
        let has_content = match root.entries()?.next() {
            Some(entry) => entry.map(|_| true)?,
            None => false,
        };
        // In an empty tree, whiteouts have nothing to remove.
        let keeps = options.whiteouts == Whiteouts::Keep;
        let own = (!keeps && has_content).then(OwnEntries::default);
        let overlay = match options.whiteouts {
            Whiteouts::Overlay(namespace) => Some(namespace),
            _ => None,
        };
        Ok(Self {
            parents: Parents::new(root, implied_owner, own, overlay)?,
            options,
            deferred: Deferred::default(),
            summary: Summary::default(),
            paths_to_verify: Vec::new(),
            path: Vec::new(),
            current: None,
            owners: Owners::default(),
            root_seen: false,
        })
    }

    /// The entries so far, with the directories that were created without one.
    pub(crate) fn entries(&self) -> u64 {
        self.summary.entries.saturating_add(self.parents.implied)
    }

    /// Opens the directory `parent` for the entry `path`.
    pub(super) fn enter(&mut self, path: &[u8], parent: &[u8]) -> Result<Entered> {
        self.parents.enter(parent).map_err(|error| match error {
            EnterError::NotDirectory | EnterError::Dangling => {
                UnpackError::ParentNotDirectory { entry: shown(path) }
            }
            EnterError::Refused(source) => refused(path, source),
        })
    }

    /// Notes a file whose path leads through links, which later entries may replace.
    pub(super) fn note_file(&mut self, path: &[u8], place: &Entered, inode: u64) {
        if self.options.own_files == OwnFiles::Keep && *place.path != *split(path).0 {
            self.paths_to_verify.push((path.to_vec(), inode));
        }
    }

    /// Removes what a new entry replaces, and returns what that was.
    ///
    /// The caller handles a directory that meets a directory.
    pub(super) fn remove_existing(
        &mut self,
        path: &[u8],
        place: &Entered,
        name: &OsStr,
        incoming: FileType,
    ) -> Result<Option<Stat>> {
        let found = place
            .dir
            .stat(name)
            .map_err(|source| refused(path, source))?;
        let Some(stat) = found else {
            return Ok(None);
        };
        let differs = stat.is_dir() != (incoming == FileType::Dir);
        if differs && self.options.replace == Replace::SameKind && !self.is_hidden(&stat) {
            return Err(UnpackError::KindDiffers { entry: shown(path) });
        }
        if self.options.own_files == OwnFiles::Keep
            && self.has_own_file(path, place, name, &stat)?
        {
            return Err(UnpackError::ReplacesOwn { entry: shown(path) });
        }
        self.remove(path, place, name, &stat)?;
        Ok(Some(stat))
    }

    /// Whether removing a name would remove the last name of one of this layer's own regular files,
    /// at it or below it. Files with other names are checked at the end.
    fn has_own_file(
        &mut self,
        path: &[u8],
        place: &Entered,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<bool> {
        let failed = |source| refused(path, source);
        if !self.parents.is_own(place, name.as_encoded_bytes()) {
            return Ok(false);
        }
        let top = joined(&place.path, name.as_encoded_bytes());
        if !stat.is_dir() {
            return Ok(stat.is_file() && self.is_only_name(top, stat));
        }
        let mut pending = vec![top];
        while let Some(directory) = pending.pop() {
            let Some(here) = self.parents.at(&directory).map_err(failed)? else {
                continue;
            };
            for entry in here.dir.entries().map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.name.as_encoded_bytes();
                match entry.file_type {
                    _ if !self.parents.is_own(&here, name) => {}
                    FileType::File => {
                        let stat = here.dir.stat(&entry.name).map_err(failed)?;
                        let path = joined(&directory, name);
                        if stat.is_some_and(|stat| self.is_only_name(path, &stat)) {
                            return Ok(true);
                        }
                    }
                    FileType::Dir => pending.push(joined(&directory, name)),
                    _ => {}
                }
            }
        }
        Ok(false)
    }

    /// Whether this is the file's last name. If not, its path is checked at the end.
    fn is_only_name(&mut self, path: Vec<u8>, stat: &Stat) -> bool {
        if stat.nlink > 1 {
            self.paths_to_verify.push((path, stat.ino));
        }
        stat.nlink <= 1
    }

    /// Removes an entry of any type and the cached handles that may lead through it.
    pub(super) fn remove(
        &mut self,
        path: &[u8],
        place: &Entered,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<()> {
        if matches!(stat.file_type(), FileType::Dir | FileType::Symlink) {
            self.parents.forget();
        }
        if stat.is_dir() {
            let removed = joined(&place.path, name.as_encoded_bytes());
            self.deferred.remove(removed);
        }
        remove_tree(&place.dir, name).map_err(|source| refused(path, source))
    }
}
