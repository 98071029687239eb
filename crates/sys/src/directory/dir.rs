use std::cell::Cell;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::directory::options::{Create, OpenOptions, permission_bits};
use crate::directory::stat::{Stat, stat_file};
use crate::error::{Context, PathError, Result};

pub(crate) const DIR_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// An open directory, and the path by which it was opened, for messages.
///
/// All operations are relative to the open descriptor, so renaming or replacing the directory
/// cannot redirect them. Names passed to its methods are one component: an empty name, `.`, `..`
/// and names with `/` are refused with [`io::ErrorKind::InvalidInput`], and symbolic links are
/// never followed. For untrusted paths of several components see [`Dir::open_in_root`].
///
/// Cloning is cheap and shares the descriptor.
#[derive(Clone)]
pub struct Dir(Arc<Inner>);

struct Inner {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dir").field(&self.0.path).finish()
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.descriptor.as_fd()
    }
}

thread_local! {
    static OPENED: Cell<u64> = const { Cell::new(0) };
}

/// The number of directories that this thread has opened. A walk of a tree should open each
/// directory a bounded number of times, however deep it is; tests check that by this number instead
/// of by time.
#[must_use]
pub fn directories_opened() -> u64 {
    OPENED.get()
}

impl Dir {
    pub(crate) fn from_descriptor(descriptor: OwnedFd, path: PathBuf) -> Self {
        OPENED.set(OPENED.get() + 1);
        Self(Arc::new(Inner { descriptor, path }))
    }

    /// Opens a directory by an ordinary path, following symbolic links.
    pub fn open_ambient(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        rustix::fs::openat(CWD, path, DIR_FLAGS, Mode::empty())
            .map(|descriptor| Self::from_descriptor(descriptor, path.to_owned()))
            .context("open directory", || path.to_owned())
    }

    /// Opens a directory by an ordinary path; creates it and missing parents with `mode` (before
    /// the umask).
    pub fn create_ambient_all(path: impl AsRef<Path>, mode: u32) -> Result<Self> {
        let path = path.as_ref();
        match Self::open_ambient(path) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        create_parents_and(path, permission_bits(mode))?;
        Self::open_ambient(path)
    }

    /// A second handle for the same open directory.
    ///
    /// It cannot fail today; the return type leaves room for a descriptor of its own.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(self.clone())
    }

    /// The path by which the directory was opened. Only for messages, and for programs that need a
    /// path: the directory may have moved since.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The path of an entry, for messages.
    pub(crate) fn join(&self, name: &OsStr) -> PathBuf {
        self.0.path.join(name)
    }

    /// Refuses a name that is not exactly one component.
    pub(crate) fn check(&self, operation: &'static str, name: &OsStr) -> Result<()> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
            let cause = io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name is not a single path component",
            );
            return Err(PathError::new(operation, self.join(name), cause));
        }
        Ok(())
    }

    /// Opens a directory below this one.
    pub fn open_dir(&self, name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        self.check("open directory", name)?;
        rustix::fs::openat(self, name, DIR_FLAGS | OFlags::NOFOLLOW, Mode::empty())
            .map(|descriptor| Self::from_descriptor(descriptor, self.join(name)))
            .context("open directory", || self.join(name))
    }

    /// Creates a directory that must not exist yet; `mode` is subject to the umask.
    pub fn create_dir(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<()> {
        let name = name.as_ref();
        self.check("create directory", name)?;
        rustix::fs::mkdirat(self, name, permission_bits(mode))
            .context("create directory", || self.join(name))
    }

    /// Opens a directory; creates it if it is missing.
    pub fn ensure_dir(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        let name = name.as_ref();
        match self.open_dir(name) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        match self.create_dir(name, mode) {
            Err(error) if !error.already_exists() => Err(error),
            _ => self.open_dir(name),
        }
    }

    /// Opens a file for reading. Never blocks, even on a FIFO; the caller checks the type if it
    /// matters.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> Result<File> {
        self.open_with(name, OpenOptions::read())
    }

    /// Creates a file that must not exist yet and opens it for reading and writing.
    pub fn create_file(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File> {
        let options = OpenOptions::read_write().create(Create::New).mode(mode);
        self.open_with(name, options)
    }

    /// Opens an entry with the given options, never following a symbolic link.
    pub fn open_with(&self, name: impl AsRef<OsStr>, options: OpenOptions) -> Result<File> {
        let name = name.as_ref();
        self.check("open", name)?;
        let flags = options.flags() | OFlags::NOFOLLOW;
        rustix::fs::openat(self, name, flags, options.creation_mode())
            .map(File::from)
            .context("open", || self.join(name))
    }

    /// Reads a whole regular file; `None` if it does not exist.
    ///
    /// Fails with [`io::ErrorKind::FileTooLarge`] if it holds more than `limit` bytes, and with
    /// [`io::ErrorKind::InvalidInput`] if it is not a regular file.
    pub fn read_file(&self, name: impl AsRef<OsStr>, limit: u64) -> Result<Option<Vec<u8>>> {
        let name = name.as_ref();
        let Some((file, stat)) = self.open_regular(name, limit)? else {
            return Ok(None);
        };
        read_to_end(file, &stat, limit)
            .map(Some)
            .context("read", || self.join(name))
    }

    /// Opens a regular file for reading; `None` if it does not exist. Fails like
    /// [`read_file`](Self::read_file), but does not notice if the file grows beyond `limit` later.
    pub fn open_to_read(&self, name: impl AsRef<OsStr>, limit: u64) -> Result<Option<File>> {
        let opened = self.open_regular(name.as_ref(), limit)?;
        Ok(opened.map(|(file, _)| file))
    }

    fn open_regular(&self, name: &OsStr, limit: u64) -> Result<Option<(File, Stat)>> {
        let file = match self.open_file(name) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let stat = stat_file(&file)?;
        check_regular(&stat, limit).context("read", || self.join(name))?;
        Ok(Some((file, stat)))
    }

    /// The metadata of an entry, without following links; `None` if it does not exist.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>> {
        let name = name.as_ref();
        self.check("stat", name)?;
        match rustix::fs::statat(self, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(PathError::new("stat", self.join(name), error.into())),
        }
    }

    /// The metadata of this directory itself.
    pub fn stat_self(&self) -> Result<Stat> {
        rustix::fs::fstat(self)
            .map(Stat::from)
            .context("stat", || self.path().to_owned())
    }

    /// Whether the directory has an entry of this name, of any type.
    pub fn exists(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        Ok(self.stat(name)?.is_some())
    }

    /// Makes the entries of this directory durable: created, renamed and removed names survive a
    /// power cut.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(self).context("sync directory", || self.path().to_owned())
    }

    /// Writes the whole filesystem of this directory to the disk.
    pub fn sync_filesystem(&self) -> Result<()> {
        rustix::fs::syncfs(self).context("sync filesystem", || self.path().to_owned())
    }
}

fn check_regular(stat: &Stat, limit: u64) -> io::Result<()> {
    if !stat.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    if stat.size > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(())
}

fn read_to_end(mut file: File, stat: &Stat, limit: u64) -> io::Result<Vec<u8>> {
    // One byte more than the size, so that reading to the end needs no growth.
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0).saturating_add(1));
    file.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn create_parents_and(path: &Path, mode: Mode) -> Result<()> {
    match rustix::fs::mkdirat(CWD, path, mode) {
        Ok(()) | Err(Errno::EXIST) => return Ok(()),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(PathError::new("create directory", path, error.into())),
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let Some(parent) = parent else {
        return Err(PathError::new(
            "create directory",
            path,
            Errno::NOENT.into(),
        ));
    };
    create_parents_and(parent, mode)?;
    match rustix::fs::mkdirat(CWD, path, mode) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(PathError::new("create directory", path, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        (scratch, dir)
    }

    #[test]
    fn only_single_components_are_names() {
        let (_scratch, dir) = scratch();
        for name in ["", ".", "..", "a/b", "/", "a/", "/a"] {
            let kinds = [
                dir.open_dir(name).unwrap_err().kind(),
                dir.create_dir(name, 0o700).unwrap_err().kind(),
                dir.create_file(name, 0o600).unwrap_err().kind(),
                dir.stat(name).unwrap_err().kind(),
                dir.remove_file(name).unwrap_err().kind(),
                dir.symlink("x", name).unwrap_err().kind(),
                crate::remove_tree(&dir, name).unwrap_err().kind(),
            ];
            assert_eq!(kinds, [io::ErrorKind::InvalidInput; 7], "{name:?}");
        }
        let error = dir.create_file("nul\0", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn links_are_never_followed() {
        let (_scratch, dir) = scratch();
        drop(dir.create_file("file", 0o600).unwrap());
        dir.create_dir("dir", 0o700).unwrap();
        dir.symlink("file", "to-file").unwrap();
        dir.symlink("dir", "to-dir").unwrap();
        assert_eq!(
            dir.open_file("to-file").unwrap_err().raw_os_error(),
            Some(libc::ELOOP)
        );
        assert_eq!(
            dir.open_dir("to-dir").unwrap_err().raw_os_error(),
            Some(libc::ENOTDIR)
        );
        assert!(dir.read_file("to-file", 10).is_err());
        assert!(dir.ensure_dir("to-dir", 0o700).is_err());
    }

    #[test]
    fn directories_are_made_with_their_parents() {
        let (scratch, dir) = scratch();
        let path = scratch.path().join("a/b/c");
        let made = Dir::create_ambient_all(&path, 0o700).unwrap();
        assert_eq!(made.path(), path);
        assert_eq!(dir.stat("a").unwrap().unwrap().permissions(), 0o700);
        let again = Dir::create_ambient_all(&path, 0o700).unwrap();
        assert!(
            again
                .stat_self()
                .unwrap()
                .is_same_inode(&made.stat_self().unwrap())
        );
        let error = Dir::create_ambient_all(scratch.path().join("a/b/c/../../../x/../y/z"), 0o700);
        assert!(error.is_ok());
        assert!(dir.exists("y").unwrap());
    }

    #[test]
    fn reading_has_a_limit_and_takes_only_files() {
        let (_scratch, dir) = scratch();
        dir.create_file("f", 0o600)
            .unwrap()
            .write_all(b"12345")
            .unwrap();
        assert_eq!(dir.read_file("f", 5).unwrap().unwrap(), b"12345");
        let error = dir.read_file("f", 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(dir.read_file("missing", 4).unwrap(), None);
        dir.create_dir("d", 0o700).unwrap();
        assert_eq!(
            dir.read_file("d", 4).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        // Opening a FIFO without a writer must not block.
        dir.make_node("fifo", crate::NodeKind::Fifo, 0o600, 0)
            .unwrap();
        assert_eq!(
            dir.read_file("fifo", 4).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn what_exists_is_not_created_again() {
        let (_scratch, dir) = scratch();
        drop(dir.create_file("f", 0o640).unwrap());
        assert!(dir.create_file("f", 0o600).unwrap_err().already_exists());
        assert!(dir.create_dir("f", 0o600).unwrap_err().already_exists());
        assert_eq!(dir.stat("f").unwrap().unwrap().permissions(), 0o640);
    }
}
