use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};
use std::vec::IntoIter;

use layerhold_sys::{Descent, Dir, no_brief_lock};
use layerhold_tar_format::{EntryKind, Header, TarTime, Writer};

use crate::changes::{Change, ChangeKind, LastParent};
use crate::entry_path::{clean_into, shown, split};
use crate::pack::entry::{Opened, TreeEntry, find};
use crate::pack::error::refused;
use crate::pack::overlay::convert;
use crate::pack::{PackError, PackOptions};
use crate::tree::{Named, push, sorted_entries};
use crate::whiteout::WHITEOUT_PREFIX;

/// Size of the buffer for file contents.
const READ_BUFFER: usize = 256 * 1024;

/// Packs a whole tree, without an entry for its root unless it is put
/// [below](PackOptions::below) a directory: depth first, names sorted in each directory,
/// further names of a file as hard links to the first (Go: `pkg/archive/archive.go`,
/// `TarWithOptions`).
///
/// Sockets, and entries that vanish during packing, are left out. Headers and content are written
/// piece by piece, so `writer` should be buffered.
///
/// # Errors
/// See [`PackError`].
pub fn pack<W: Write>(root: &Dir, options: &PackOptions, writer: W) -> Result<W, PackError> {
    no_brief_lock("a tree is packed");
    let mut packer = Packer::new(options, writer);
    packer.pack_tree(root)?;
    packer.finish()
}

/// Packs a list of changes: additions and modifications as they are in the tree, deletions as
/// whiteouts with the current time (Go: `pkg/archive/changes.go`, `ExportChanges`).
///
/// Entries are sorted by path, whatever the order of the changes.
///
/// # Errors
/// See [`PackError`].
pub fn pack_changes<W: Write>(
    root: &Dir,
    changes: &[Change],
    options: &PackOptions,
    writer: W,
) -> Result<W, PackError> {
    no_brief_lock("a tree is packed");
    let mut packer = Packer::new(options, writer);
    packer.pack_changes(root, changes)?;
    packer.finish()
}

struct Packer<'o, W> {
    options: &'o PackOptions,
    writer: Writer<W>,
    /// The first name of each inode with several names.
    linked: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

impl<'o, W: Write> Packer<'o, W> {
    fn new(options: &'o PackOptions, writer: W) -> Self {
        Self {
            options,
            writer: Writer::new(writer),
            linked: HashMap::new(),
            buffer: vec![0; READ_BUFFER],
        }
    }

    fn finish(self) -> Result<W, PackError> {
        self.writer.finish().map_err(|source| PackError::Write {
            entry: shown(b""),
            source,
        })
    }

    fn pack_tree(&mut self, root: &Dir) -> Result<(), PackError> {
        let mut descent = Descent::new(root);
        let names = sorted_entries(root).map_err(|source| refused(b"", source))?;
        let mut path = Vec::new();
        clean_into(self.options.below.as_os_str().as_bytes(), &mut path);
        if !path.is_empty() {
            let found = TreeEntry::root(root).map_err(|source| refused(&path, source))?;
            self.add(&path, &found)?;
        }
        let mut levels: Vec<(IntoIter<Named>, usize)> = vec![(names.into_iter(), path.len())];
        while let Some((names, path_length)) = levels.last_mut() {
            path.truncate(*path_length);
            let Some(Named {
                name, file_type, ..
            }) = names.next()
            else {
                levels.pop();
                descent.leave();
                continue;
            };
            self.options.cancel.check()?;
            push(&mut path, &name);
            let refused = |source| refused(&path, source);
            let parent = match descent.here() {
                Err(error) if error.is_not_found() => continue,
                other => other.map_err(refused)?,
            };
            let Some(found) = find(&parent, &name, file_type).map_err(refused)? else {
                continue;
            };
            self.add(&path, &found)?;
            if let Opened::Dir(dir) = found.open {
                let names = match sorted_entries(&dir) {
                    Err(error) if error.is_not_found() => Vec::new(),
                    other => other.map_err(refused)?,
                };
                descent.enter(name, dir).map_err(refused)?;
                levels.push((names.into_iter(), path.len()));
            }
        }
        Ok(())
    }

    fn pack_changes(&mut self, root: &Dir, changes: &[Change]) -> Result<(), PackError> {
        let mut sorted: Vec<&Change> = changes.iter().collect();
        sorted.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        let mut parents = LastParent::new(root);
        let now = self.options.timestamp.unwrap_or_else(now);
        for change in sorted {
            self.options.cancel.check()?;
            let path = relative(change.path.as_os_str());
            if change.kind == ChangeKind::Delete {
                self.add_whiteout(path, now)?;
                continue;
            }
            let found = parents
                .with(&change.path, |dir, name| {
                    let stat = dir.stat(name)?;
                    stat.map_or(Ok(None), |stat| find(dir, name, stat.file_type()))
                })
                .map_err(|source| refused(path, source))?;
            if let Some(found) = found.flatten() {
                self.add(path, &found)?;
            }
        }
        Ok(())
    }

    fn add_whiteout(&mut self, path: &[u8], now: TarTime) -> Result<(), PackError> {
        let (parent, name) = split(path);
        let mut hidden = OsString::from(WHITEOUT_PREFIX);
        hidden.push(OsStr::from_bytes(name));
        let mut whiteout = parent.to_vec();
        push(&mut whiteout, &hidden);
        let mut header = Header::new(EntryKind::Regular, whiteout);
        header.mtime = now;
        self.write_header(&header)
    }

    fn add(&mut self, path: &[u8], found: &TreeEntry) -> Result<(), PackError> {
        let mut header = found.header(path, self.options)?;
        let stat = &found.stat;
        let inode = (stat.dev, stat.ino);
        let has_names = stat.nlink > 1 && !stat.is_dir();
        if has_names && let Some(first) = self.linked.get(&inode) {
            header.kind = EntryKind::HardLink;
            header.link_name.clone_from(first);
            header.size = 0;
        }
        let opaque = match &self.options.overlay {
            Some(layers) => convert(layers, found, path, &mut header)?,
            None => None,
        };
        self.write_header(&header)?;
        if let Some(opaque) = opaque {
            self.write_header(&opaque)?;
        }
        if header.kind == EntryKind::Regular
            && let Opened::File(file) = &found.open
        {
            self.write_content(path, file, header.content_size())?;
        }
        if has_names && header.kind != EntryKind::HardLink {
            self.linked.insert(inode, header.name);
        }
        Ok(())
    }

    fn write_header(&mut self, header: &Header) -> Result<(), PackError> {
        self.writer
            .write_header(header)
            .map_err(|source| PackError::Write {
                entry: shown(&header.name),
                source,
            })
    }

    /// Writes exactly as much as the header says, even if the file grows in the meantime.
    fn write_content(&mut self, path: &[u8], mut file: &File, size: u64) -> Result<(), PackError> {
        let mut left = size;
        while left > 0 {
            self.options.cancel.check()?;
            let most = usize::try_from(left)
                .unwrap_or(READ_BUFFER)
                .min(READ_BUFFER);
            let space = self.buffer.get_mut(..most).unwrap_or_default();
            let count = match file.read(space) {
                Ok(0) => {
                    return Err(PackError::Shrunk {
                        entry: shown(path),
                        missing: left,
                    });
                }
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let entry = shown(path);
                    return Err(PackError::Read { entry, source });
                }
            };
            let data = self.buffer.get(..count).unwrap_or_default();
            self.writer
                .write_content(data)
                .map_err(|source| PackError::Write {
                    entry: shown(path),
                    source,
                })?;
            left -= count as u64;
        }
        Ok(())
    }
}

/// The path of a change without its leading slash.
fn relative(path: &OsStr) -> &[u8] {
    let bytes = path.as_bytes();
    bytes.strip_prefix(b"/").unwrap_or(bytes)
}

fn now() -> TarTime {
    // A clock before 1970 must not make packing fail.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    TarTime {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}
