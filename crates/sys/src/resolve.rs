//! Looking up untrusted paths as if a directory were the root of everything.
//!
//! The kernel does it with `openat2` and `RESOLVE_IN_ROOT`: `..` stops at the
//! root, absolute symbolic links start there, and a rename in the middle of the
//! lookup cannot lead out. Kernels before 5.6, and sandboxes that hide the
//! call, get a walk over single components with the same results.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result as Raw};

use crate::dir::{DIR_FLAGS, Dir};
use crate::error::{Context, PathError, Result};
use crate::options::{OpenOptions, permission_bits};

impl Dir {
    /// Opens a path with this directory as the root of the lookup.
    ///
    /// Symbolic links are followed inside; nothing leads outside. An absolute
    /// path starts at this directory too, and so does an empty one.
    pub fn open_in_root(&self, path: impl AsRef<Path>, options: OpenOptions) -> Result<File> {
        let path = path.as_ref();
        open(self.as_fd(), path, options.flags(), options.creation_mode())
            .map(File::from)
            .context("open", || self.below(path))
    }

    /// Opens a directory with this directory as the root of the lookup.
    pub fn resolve_dir_in_root(&self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        open(self.as_fd(), path, DIR_FLAGS, Mode::empty())
            .map(|descriptor| Self::from_descriptor(descriptor, self.below(path)))
            .context("open directory", || self.below(path))
    }

    /// Opens the directory that a path's last component is in, and returns that
    /// component, so that the entry itself can be created, replaced or removed
    /// without following it.
    ///
    /// Fails with `InvalidInput` if the last component is missing or `..`.
    pub fn resolve_parent_in_root<'p>(&self, path: &'p Path) -> Result<(Self, &'p OsStr)> {
        let Some(name) = path.file_name() else {
            let cause = Errno::INVAL.into();
            return Err(PathError::new("resolve parent of", self.below(path), cause));
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() {
            return Ok((self.clone(), name));
        }
        Ok((self.resolve_dir_in_root(parent)?, name))
    }

    /// Opens a directory with this directory as the root of the lookup, making
    /// what is missing with `mode`; calls `created` for each directory it made.
    pub fn create_dir_all_in_root(
        &self,
        path: impl AsRef<Path>,
        mode: u32,
        created: &mut dyn FnMut(&Self) -> Result<()>,
    ) -> Result<Self> {
        let path = path.as_ref();
        match self.resolve_dir_in_root(path) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        // One component at a time from the root, because a missing one may come
        // before a `..` that the next lookup would otherwise not get past.
        let mut prefix = PathBuf::new();
        let mut dir = self.clone();
        for component in path.components() {
            prefix.push(match component {
                Component::Normal(name) => name,
                Component::ParentDir => OsStr::new(".."),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => continue,
            });
            dir = match self.resolve_dir_in_root(&prefix) {
                Err(error) if error.is_not_found() => {
                    let made = make_in(&dir, component.as_os_str(), mode)?;
                    let opened = self.resolve_dir_in_root(&prefix)?;
                    if made {
                        created(&opened)?;
                    }
                    opened
                }
                other => other?,
            };
        }
        Ok(dir)
    }

    /// Path for messages of something below this directory.
    fn below(&self, path: &Path) -> PathBuf {
        self.path().join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn make_in(dir: &Dir, name: &OsStr, mode: u32) -> Result<bool> {
    match rustix::fs::mkdirat(dir, name, permission_bits(mode)) {
        Ok(()) => Ok(true),
        // Somebody else made it, or it is a link that leads nowhere; the
        // lookup that follows tells which.
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error).context("create directory", || dir.path().join(name)),
    }
}

/// How often a lookup is repeated after the kernel saw a rename cross it.
const RACES: u32 = 64;

fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
    match open_by_kernel(root, path, flags, mode) {
        // The kernel lacks the call, or a sandbox pretends so.
        Err(Errno::NOSYS | Errno::PERM) => open_by_walk(root, path, flags, mode),
        // Too many renames crossed the lookup; the walk is immune to them.
        Err(Errno::AGAIN) => open_by_walk(root, path, flags, mode),
        other => other,
    }
}

fn open_by_kernel(root: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
    let path = non_empty(path);
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RACES {
        match rustix::fs::openat2(root, path, flags, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

fn non_empty(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// The number of symbolic links the kernel follows in one lookup (`MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;
/// The longest path the kernel takes, with the final NUL (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// A lookup in progress: where it is, and what is left to go.
struct Walk<'r> {
    root: BorrowedFd<'r>,
    /// The directories entered, so that `..` goes back the way it came.
    entered: Vec<OwnedFd>,
    /// Components still to go; an empty one (from a trailing slash) demands a directory.
    pending: VecDeque<OsString>,
    links: u32,
}

fn open_by_walk(root: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
    let path = non_empty(path);
    if path.as_os_str().len() >= MAX_PATH {
        return Err(Errno::NAMETOOLONG);
    }
    let mut walk = Walk {
        root,
        entered: Vec::new(),
        pending: VecDeque::new(),
        links: 0,
    };
    walk.prepend(path.as_os_str());
    walk.run(flags, mode)
}

impl Walk<'_> {
    /// Puts the components of a path or link target before what is left.
    fn prepend(&mut self, path: &OsStr) {
        if path.as_bytes().first() == Some(&b'/') {
            self.entered.clear();
        }
        let trailing_slash = path.as_bytes().last() == Some(&b'/');
        if trailing_slash && self.pending.is_empty() {
            self.pending.push_front(OsString::from("."));
        }
        let parts = path.as_bytes().split(|byte| *byte == b'/');
        for part in parts.rev().filter(|part| !part.is_empty()) {
            self.pending.push_front(OsString::from_vec(part.to_vec()));
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.entered.last().map_or(self.root, AsFd::as_fd)
    }

    fn run(&mut self, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
        while let Some(name) = self.pending.pop_front() {
            let last = self.pending.is_empty();
            match name.as_bytes() {
                b"." if last => break,
                b"." => self.check_search()?,
                b".." => {
                    self.check_search()?;
                    drop(self.entered.pop());
                }
                _ if last => {
                    if let Some(found) = self.open_last(&name, flags, mode)? {
                        return Ok(found);
                    }
                }
                _ => self.enter(&name)?,
            }
        }
        self.open_here(flags, mode)
    }

    /// `.` and `..` need the right to search the directory they start from.
    fn check_search(&self) -> Raw<()> {
        rustix::fs::statat(self.here(), c".", AtFlags::empty()).map(drop)
    }

    /// The lookup ended at a directory that is open already.
    fn open_here(&self, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
        if flags.contains(OFlags::CREATE) {
            return Err(if flags.contains(OFlags::EXCL) {
                Errno::EXIST
            } else {
                Errno::ISDIR
            });
        }
        rustix::fs::openat(self.here(), c".", flags, mode)
    }

    /// Goes one component down, or replaces it by what the link there says.
    fn enter(&mut self, name: &OsStr) -> Raw<()> {
        let place = open_place(self.here(), name)?;
        match file_type(&place)? {
            rustix::fs::FileType::Directory => {
                self.entered.push(place);
                Ok(())
            }
            rustix::fs::FileType::Symlink => self.follow(&place),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn follow(&mut self, link: &OwnedFd) -> Raw<()> {
        self.links += 1;
        if self.links > MAX_LINKS || is_on_procfs(link)? {
            return Err(Errno::LOOP);
        }
        let target = rustix::fs::readlinkat(link, c"", Vec::new())?;
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        self.prepend(OsStr::from_bytes(target.to_bytes()));
        Ok(())
    }

    /// Opens the last component; `None` if it was a link that was followed.
    fn open_last(&mut self, name: &OsStr, flags: OFlags, mode: Mode) -> Raw<Option<OwnedFd>> {
        let exclusive = flags.contains(OFlags::CREATE | OFlags::EXCL);
        if !flags.contains(OFlags::NOFOLLOW) && !exclusive {
            match open_place(self.here(), name) {
                Ok(place) if file_type(&place)? == rustix::fs::FileType::Symlink => {
                    self.follow(&place)?;
                    return Ok(None);
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        // A link that appears only now is refused (ELOOP) instead of followed.
        rustix::fs::openat(self.here(), name, flags | OFlags::NOFOLLOW, mode).map(Some)
    }
}

fn open_place(dir: BorrowedFd<'_>, name: &OsStr) -> Raw<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

fn file_type(place: &OwnedFd) -> Raw<rustix::fs::FileType> {
    let stat = rustix::fs::fstat(place)?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode))
}

/// Links in procfs may lead anywhere whatever their text says; the kernel tells
/// those apart, the walk refuses them all.
fn is_on_procfs(place: &OwnedFd) -> Raw<bool> {
    Ok(rustix::fs::fstatfs(place)?.f_type == rustix::fs::PROC_SUPER_MAGIC)
}
