use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;

use layerhold_idmap::OVERRIDE_STAT_XATTR;
use layerhold_sys::{Dir, FileType, PathError, Stat, remove_tree};
use layerhold_tar_format::{EntryKind, Header};

use crate::entry_path::{clean_into, os, shown, split};
use crate::unpack::deferred::Deferred;
use crate::unpack::file::OpenFile;
use crate::unpack::own::Own;
use crate::unpack::parents::{EnterError, Entered, Parents, joined};
use crate::unpack::unsettled::Unsettled;
use crate::unpack::wanted::{Wanted, Xattrs, override_value, owner, xattrs};
use crate::unpack::{OwnFiles, Replace, UnpackError, UnpackOptions, UserNamespace, Whiteouts};
use crate::whiteout::{Meaning, is_whiteout_path, meaning};

pub(crate) type Result<T> = std::result::Result<T, UnpackError>;

/// The longest path that the kernel accepts: 4096 bytes with the final NUL (`PATH_MAX`).
const LONGEST_PATH: usize = 4095;

/// Size of the buffer of [`Unpacker::entry`].
const READ_BUFFER: usize = 128 * 1024;

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
    to_be_found: Vec<(Vec<u8>, u64)>,
    /// The cleaned path of the current entry.
    pub(super) path: Vec<u8>,
    current: Option<OpenFile>,
    owners: Owners,
    root_seen: bool,
}

/// The owners seen. Consecutive equal ones cost no set operation.
#[derive(Debug, Default)]
struct Owners {
    last: Option<(i64, i64)>,
    uids: BTreeSet<u32>,
    gids: BTreeSet<u32>,
}

impl Owners {
    /// Go keeps the lower 32 bits (`layers.go`, `applyDiff`).
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn note(&mut self, header: &Header) {
        let pair = (header.uid, header.gid);
        if self.last != Some(pair) {
            self.last = Some(pair);
            self.uids.insert(pair.0 as u32);
            self.gids.insert(pair.1 as u32);
        }
    }
}

/// An entry to be created, and its directory.
pub(super) struct Place<'h> {
    /// The directory that the entry goes into.
    pub(super) entered: Entered,
    pub(super) dir: Dir,
    pub(super) header: &'h Header,
    pub(super) wanted: Wanted,
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
        let own = (!keeps && has_content).then(Own::default);
        let overlay = match options.whiteouts {
            Whiteouts::Overlay(namespace) => Some(namespace),
            _ => None,
        };
        Ok(Self {
            parents: Parents::new(root, implied_owner, own, overlay)?,
            options,
            deferred: Deferred::default(),
            summary: Summary::default(),
            to_be_found: Vec::new(),
            path: Vec::new(),
            current: None,
            owners: Owners::default(),
            root_seen: false,
        })
    }

    /// Unpacks one entry with its whole content. Holes are written as zeros, so a huge hole in a
    /// hostile archive fills the disk. A caller that has a parser's pieces keeps holes with
    /// [`Unpacker::write_at`], as [`import`](crate::import) does.
    ///
    /// # Errors
    /// See [`UnpackError`]. The rest of `content` is not read then.
    pub fn entry(&mut self, header: &Header, content: &mut dyn Read) -> Result<()> {
        self.begin(header)?;
        let mut buffer =
            vec![0; READ_BUFFER.min(usize::try_from(header.content_size()).unwrap_or(READ_BUFFER))];
        let mut offset = 0;
        while !buffer.is_empty() {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let entry = shown(&self.path);
                    return Err(UnpackError::Read { entry, source });
                }
            };
            self.write_at(offset, buffer.get(..count).unwrap_or_default())?;
            offset += count as u64;
        }
        self.end()
    }

    /// Begins an entry: does everything except writing a file's content.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn begin(&mut self, header: &Header) -> Result<()> {
        self.current = None;
        self.summary.entries += 1;
        self.summary.bytes = self.summary.bytes.saturating_add(header.content_size());
        if !is_whiteout_path(&header.name) {
            self.owners.note(header);
        }
        if header.kind == EntryKind::GlobalHeader {
            return Ok(());
        }
        clean_into(&header.name, &mut self.path);
        if self.path.len() > LONGEST_PATH {
            let length = header.name.len();
            return Err(UnpackError::PathTooLong { length });
        }
        // Taken out so that it can be borrowed beside `self`.
        let path = std::mem::take(&mut self.path);
        let result = self.begin_at(header, &path);
        self.path = path;
        result
    }

    /// Writes a part of the current entry's content. Has no effect on an entry without a file. Gaps
    /// between the parts become holes.
    ///
    /// # Errors
    /// [`UnpackError::Write`] if the filesystem refuses.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        match &self.current {
            Some(file) => file.write_at(offset, bytes),
            None => Ok(()),
        }
    }

    /// Ends the current entry: sets the final attributes of its file and closes it.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn end(&mut self) -> Result<()> {
        if let Some(file) = self.current.take() {
            self.summary.skipped_xattrs += file.settle()?;
        }
        Ok(())
    }

    /// Hands the current file to the caller, which writes and finishes it.
    pub(crate) fn take_file(&mut self) -> Option<OpenFile> {
        self.current.take()
    }

    /// Sets what has to be set last, such as the times of directories.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn finish(mut self) -> Result<Summary> {
        self.end()?;
        self.find_again()?;
        self.settle_directories()?;
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

    fn begin_at(&mut self, header: &Header, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            return self.root_entry(header);
        }
        let (parent, name) = split(path);
        if self.options.whiteouts != Whiteouts::Keep {
            match meaning(name, header) {
                Meaning::Ordinary => {}
                // Under `force_mask`, a file stands for the device and its attribute says so.
                Meaning::Delete(hidden) if hidden == name && self.options.force_mask.is_some() => {}
                Meaning::Delete(hidden) => return self.white_out(header, path, parent, hidden),
                Meaning::Opaque => return self.make_opaque(path, parent),
                Meaning::Malformed => {
                    let entry = shown(path);
                    return Err(UnpackError::MalformedWhiteout { entry });
                }
            }
        }
        self.ordinary(header, path, parent, os(name))
    }

    fn ordinary(
        &mut self,
        header: &Header,
        path: &[u8],
        parent: &[u8],
        name: &OsStr,
    ) -> Result<()> {
        let place = self.place(header, path, parent)?;
        match header.kind {
            EntryKind::Directory => self.directory(path, name, place),
            EntryKind::Symlink => self.symlink(path, name, &place),
            EntryKind::HardLink => self.hard_link(path, name, &place),
            EntryKind::Regular | EntryKind::Contiguous | EntryKind::GnuSparse => {
                self.open_file(path, name, place)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo
                if self.options.force_mask.is_some() =>
            {
                self.open_file(path, name, place)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice
                if self.options.user_namespace == UserNamespace::Child =>
            {
                self.summary.skipped_devices += 1;
                self.clear_way(path, &place.entered, name, FileType::CharDevice)
                    .map(drop)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => {
                self.node(path, name, &place)
            }
            EntryKind::GlobalHeader => Ok(()),
            other => Err(UnpackError::UnsupportedKind {
                entry: shown(path),
                flag: other.flag(),
            }),
        }
    }

    fn place<'h>(&mut self, header: &'h Header, path: &[u8], parent: &[u8]) -> Result<Place<'h>> {
        let entered = self.enter(path, parent)?;
        let owner = owner(header, &self.options.id_maps, path)?;
        let mut xattrs = xattrs(header, &self.options);
        if self.options.force_mask.is_some()
            && !matches!(header.kind, EntryKind::Symlink | EntryKind::HardLink)
        {
            xattrs.push((OVERRIDE_STAT_XATTR.into(), override_value(header, owner)));
        }
        Ok(Place {
            dir: entered.dir.clone(),
            entered,
            header,
            wanted: Wanted::new(header, owner, &self.options),
            xattrs,
        })
    }

    /// Opens the directory `parent` for the entry `path`.
    fn enter(&mut self, path: &[u8], parent: &[u8]) -> Result<Entered> {
        self.parents.enter(parent).map_err(|error| match error {
            EnterError::NotDirectory | EnterError::Dangling => {
                UnpackError::ParentNotDirectory { entry: shown(path) }
            }
            EnterError::Refused(source) => refused(path, source),
        })
    }

    /// Sets the attributes of the root from its own entry.
    fn root_entry(&mut self, header: &Header) -> Result<()> {
        if header.kind != EntryKind::Directory {
            return Err(UnpackError::RootNotDirectory);
        }
        self.root_seen = true;
        self.parents.unsettled.state_root();
        let root = self.parents.root().clone();
        let place = self.place(header, b"", b"")?;
        self.settle_new_directory(b"", &root, &place)?;
        self.defer(Vec::new(), place);
        Ok(())
    }

    fn override_root(&mut self, value: &[u8]) -> Result<()> {
        let set = [(OVERRIDE_STAT_XATTR.into(), value.to_vec())];
        let root = self.parents.root().clone();
        self.set_xattrs(b"", &root, &set)
    }

    pub(super) fn open_file(&mut self, path: &[u8], name: &OsStr, place: Place<'_>) -> Result<()> {
        self.current = Some(self.create_file(path, name, place)?);
        Ok(())
    }

    /// Notes a file whose path leads through links, which later entries may replace.
    pub(super) fn note_file(&mut self, path: &[u8], place: &Entered, inode: u64) {
        if self.options.own_files == OwnFiles::Keep && *place.path != *split(path).0 {
            self.to_be_found.push((path.to_vec(), inode));
        }
    }

    /// Checks that noted files are still where their paths lead.
    fn find_again(&mut self) -> Result<()> {
        self.parents.forget();
        for (path, inode) in std::mem::take(&mut self.to_be_found) {
            let failed = |source| refused(&path, source);
            let (parent, name) = split(&path);
            let found = match self.parents.find(parent).map_err(failed)? {
                Some(dir) => dir.stat(os(name)).map_err(failed)?,
                None => None,
            };
            if found.is_none_or(|stat| stat.ino != inode) {
                return Err(UnpackError::LostOnTheWay {
                    entry: shown(&path),
                });
            }
        }
        Ok(())
    }

    /// Removes what a new entry replaces, and returns what that was.
    ///
    /// The caller handles a directory that meets a directory.
    pub(super) fn clear_way(
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
            self.to_be_found.push((path, stat.ino));
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

/// An error that names the entry.
pub(super) fn refused(path: &[u8], source: PathError) -> UnpackError {
    UnpackError::Entry {
        entry: shown(path),
        source,
    }
}
