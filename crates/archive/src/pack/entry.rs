//! Builds the header of one file (Go: `pkg/archive/archive.go`, `prepareAddFile`).

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use layerhold_idmap::IdMappings;
use layerhold_sys::{Dir, FileType, OpenOptions, PathError, Stat, split_device, stat_file, xattr};
use layerhold_tar_format::{EntryKind, Header, TarTime};

use crate::entry_path::shown;
use crate::ids::CAPABILITY;
use crate::overlay_form::{OverlayForm, USER_PREFIX};
use crate::pack::{HeaderStyle, PackError, PackOptions, UnmappedOwners};
use crate::whiteout::WHITEOUT_PREFIX;

/// An entry of the tree, open if it has content or attributes.
pub(super) struct TreeEntry {
    pub(super) stat: Stat,
    pub(super) open: Opened,
    target: Vec<u8>,
}

pub(super) enum Opened {
    File(File),
    Dir(Dir),
    Nothing,
}

/// Opens an entry, or reads its attributes; returns `None` if it vanished, and for sockets, which
/// archives cannot hold.
pub(super) fn find(
    dir: &Dir,
    name: &OsStr,
    expected: FileType,
) -> Result<Option<TreeEntry>, PathError> {
    let found = match expected {
        FileType::File => find_file(dir, name),
        FileType::Dir => find_dir(dir, name),
        _ => find_other(dir, name),
    };
    match found {
        Err(error) if error.is_not_found() => Ok(None),
        // Its type has changed: look again, with any type accepted.
        Err(error) if expected != FileType::Unknown && is_other_type(&error) => {
            let stat = dir.stat(name)?;
            stat.map_or(Ok(None), |stat| find(dir, name, stat.file_type()))
        }
        other => other,
    }
}

/// A link instead of a file, or something else instead of a directory.
fn is_other_type(error: &PathError) -> bool {
    error.kind() == std::io::ErrorKind::NotADirectory
}

fn find_file(dir: &Dir, name: &OsStr) -> Result<Option<TreeEntry>, PathError> {
    let file = dir.open_with(name, OpenOptions::read())?;
    let stat = stat_file(&file)?;
    if !stat.is_file() {
        return find_other(dir, name);
    }
    Ok(Some(TreeEntry {
        stat,
        open: Opened::File(file),
        target: Vec::new(),
    }))
}

fn find_dir(dir: &Dir, name: &OsStr) -> Result<Option<TreeEntry>, PathError> {
    let own = dir.open_dir(name)?;
    Ok(Some(TreeEntry {
        stat: own.stat_self()?,
        open: Opened::Dir(own),
        target: Vec::new(),
    }))
}

fn find_other(dir: &Dir, name: &OsStr) -> Result<Option<TreeEntry>, PathError> {
    let Some(stat) = dir.stat(name)? else {
        return Ok(None);
    };
    let target = match stat.file_type() {
        FileType::Socket => return Ok(None),
        FileType::Symlink => dir.read_link(name)?.into_os_string().into_encoded_bytes(),
        _ => Vec::new(),
    };
    Ok(Some(TreeEntry {
        stat,
        open: Opened::Nothing,
        target,
    }))
}

impl TreeEntry {
    /// The root of a tree.
    pub(super) fn root(root: &Dir) -> Result<Self, PathError> {
        Ok(TreeEntry {
            stat: root.stat_self()?,
            open: Opened::Dir(root.clone()),
            target: Vec::new(),
        })
    }

    /// The header, with a name relative to the root.
    pub(super) fn header(&self, name: &[u8], options: &PackOptions) -> Result<Header, PackError> {
        let stat = &self.stat;
        let mut header = Header::new(kind(stat.file_type()), name);
        if header.kind == EntryKind::Directory {
            header.name.push(b'/');
        }
        header.link_name.clone_from(&self.target);
        header.mode = stat.permissions().into();
        if header.kind == EntryKind::Regular {
            header.size = i64::try_from(stat.size).unwrap_or(i64::MAX);
        }
        if matches!(header.kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
            let (major, minor) = split_device(stat.rdev);
            header.device_major = major.into();
            header.device_minor = minor.into();
        }
        let (uid, gid) = archived_owner(stat, name, options)?;
        header.uid = uid.into();
        header.gid = gid.into();
        // Fractions are cut off, so that comparing this tree with one unpacked from the archive
        // finds equal times.
        header.mtime = options.timestamp.unwrap_or(TarTime {
            seconds: stat.mtime.seconds,
            nanoseconds: 0,
        });
        if let HeaderStyle::Legacy(names) = &options.style {
            header.mode = stat.mode.into();
            header.user_name = names.user(stat.uid).into();
            header.group_name = names.group(stat.gid).into();
        }
        self.add_xattrs(name, &mut header, options)?;
        Ok(header)
    }

    /// Adds file capabilities, integrity measurements and the `user.` namespace; other attributes
    /// belong to the machine.
    fn add_xattrs(
        &self,
        path: &[u8],
        header: &mut Header,
        options: &PackOptions,
    ) -> Result<(), PackError> {
        let form = options.overlay.as_ref().map(|layers| layers.form);
        let maps = &options.id_maps;
        let added = match &self.open {
            Opened::File(file) => add_packed(file, header, form, "metacopy", maps),
            Opened::Dir(dir) => add_packed(dir, header, form, "redirect", maps),
            // The kernel allows none of these on other types.
            Opened::Nothing => Ok(Attributes::Own),
        };
        match added {
            Ok(Attributes::Own) => Ok(()),
            Ok(Attributes::Reference) => Err(PackError::Reference { entry: shown(path) }),
            Err(source) => Err(PackError::Entry {
                entry: shown(path),
                source,
            }),
        }
    }
}

enum Attributes {
    Own,
    Reference,
}

/// Adds attributes, unless one of them says that the content is in another layer. A file whose
/// content was copied up keeps a `redirect` without meaning.
fn add_packed(
    file: &impl std::os::fd::AsFd,
    header: &mut Header,
    form: Option<OverlayForm>,
    reference: &str,
    maps: &IdMappings,
) -> Result<Attributes, PathError> {
    for key in xattr::list(file)? {
        let name = key.as_bytes();
        if form.is_some_and(|form| form.is_word(name, reference)) {
            return Ok(Attributes::Reference);
        }
        if is_packed(name, form)
            && let Some(value) = xattr::get(file, &key)?
        {
            let inside = match name == CAPABILITY {
                true => crate::ids::capability_to_container(maps, &value),
                false => None,
            };
            header.set_xattr(name, inside.as_ref().unwrap_or(&value));
        }
    }
    Ok(Attributes::Own)
}

fn is_packed(name: &[u8], form: Option<OverlayForm>) -> bool {
    name == CAPABILITY
        || name == b"security.ima"
        || (name.starts_with(b"user.")
            && !name.starts_with(USER_PREFIX.as_bytes())
            && !form.is_some_and(|form| form.owns(name)))
}

/// Whiteouts belong to the process that mounted the overlay, so their owner is not mapped.
fn archived_owner(
    stat: &Stat,
    path: &[u8],
    options: &PackOptions,
) -> Result<(u32, u32), PackError> {
    let name = crate::entry_path::split(path).1;
    let is_device =
        options.overlay.is_some() && stat.file_type() == FileType::CharDevice && stat.rdev == 0;
    if is_device || name.starts_with(WHITEOUT_PREFIX.as_bytes()) {
        return Ok((stat.uid, stat.gid));
    }
    if let Some(owner) = options.owner {
        return Ok(owner);
    }
    match crate::ids::to_container(&options.id_maps, stat.uid, stat.gid) {
        Some(owner) => Ok(owner),
        None if options.unmapped == UnmappedOwners::Overflow => Ok(crate::ids::seen_inside(
            &options.id_maps,
            stat.uid,
            stat.gid,
        )),
        None => Err(PackError::UnmappedOwner {
            entry: shown(path),
            uid: stat.uid,
            gid: stat.gid,
        }),
    }
}

fn kind(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::Dir => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::CharDevice => EntryKind::CharDevice,
        FileType::BlockDevice => EntryKind::BlockDevice,
        _ => EntryKind::Regular,
    }
}
