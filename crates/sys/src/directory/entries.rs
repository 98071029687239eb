use std::ffi::{OsStr, OsString};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, RawDir, ResolveFlags};
use rustix::io::Errno;

use crate::directory::dir::{DIR_FLAGS, Dir};
use crate::directory::stat::FileType;
use crate::error::{Context, PathError, Result};

/// The longest path of one system call (`PATH_MAX`, without the NUL at its end).
const LONGEST_PATH: usize = 4095;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirEntry {
    /// Its name, one component.
    pub name: OsString,
    /// Its type; looked up if the filesystem does not give it.
    pub file_type: FileType,
    /// Its inode number.
    pub ino: u64,
}

/// Iterator over the entries of a directory, without `.` and `..`.
///
/// The order is that of the filesystem, which is arbitrary.
pub struct Entries {
    dir: Dir,
    stream: rustix::fs::Dir,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("dir", &self.dir).finish()
    }
}

impl Dir {
    /// Starts reading the entries from the first one.
    pub fn entries(&self) -> Result<Entries> {
        // A descriptor of its own: the position belongs to the open directory, so two readers of
        // one handle would share it.
        let stream = self
            .open_again()
            .and_then(rustix::fs::Dir::new)
            .context("read directory", || self.path().to_owned())?;
        Ok(Entries {
            dir: self.clone(),
            stream,
        })
    }
}

impl Dir {
    fn open_again(&self) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat(self, c".", DIR_FLAGS, Mode::empty())
    }

    /// Opens the same directory again, with a position of its own.
    pub(crate) fn reopen(&self) -> Result<Self> {
        self.open_again()
            .map(|descriptor| Self::from_descriptor(descriptor, self.path().to_owned()))
            .context("open directory", || self.path().to_owned())
    }

    /// Opens a directory some levels below, by a path of plain names.
    ///
    /// No component may be a symbolic link, `.` or `..`. The path may be longer than the kernel
    /// accepts in one call.
    pub fn open_dir_nested(&self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(self, path, DIR_FLAGS, Mode::empty(), resolve) {
            Ok(descriptor) => Ok(Self::from_descriptor(descriptor, self.path().join(path))),
            Err(Errno::NAMETOOLONG) => self.open_in_pieces(path),
            Err(Errno::NOSYS | Errno::PERM) => self.open_step_by_step(path),
            Err(error) => Err(error).context("open directory", || self.path().join(path)),
        }
    }

    /// Opens a path that is too long for one call, in pieces of the longest possible length.
    fn open_in_pieces(&self, path: &Path) -> Result<Self> {
        let mut dir = self.clone();
        let mut piece = PathBuf::new();
        for component in path.components() {
            if !piece.as_os_str().is_empty()
                && piece.as_os_str().len() + component.as_os_str().len() + 1 > LONGEST_PATH
            {
                dir = dir.open_dir_nested(&piece)?;
                piece.clear();
            }
            piece.push(component);
        }
        if piece == path {
            // A single name that is too long for every filesystem.
            return self.open_step_by_step(path);
        }
        dir.open_dir_nested(&piece)
    }

    fn open_step_by_step(&self, path: &Path) -> Result<Self> {
        let mut components = path.components();
        let mut dir = match components.next() {
            Some(first) => self.open_dir(first.as_os_str())?,
            None => return self.reopen(),
        };
        for component in components {
            dir = dir.open_dir(component.as_os_str())?;
        }
        Ok(dir)
    }
}

impl Iterator for Entries {
    type Item = Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.stream.next()? {
                Ok(entry) => entry,
                Err(error) => {
                    let path = self.dir.path();
                    return Some(Err(PathError::new("read directory", path, error.into())));
                }
            };
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            match self.resolve(&entry) {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Entries {
    /// Converts an entry; `None` if it vanished before its type was looked up.
    fn resolve(&self, entry: &rustix::fs::DirEntry) -> Result<Option<DirEntry>> {
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        let mut file_type = FileType::from(entry.file_type());
        if file_type == FileType::Unknown {
            match self.dir.stat(&name)? {
                Some(stat) => file_type = stat.file_type(),
                None => return Ok(None),
            }
        }
        Ok(Some(DirEntry {
            name,
            file_type,
            ino: entry.ino(),
        }))
    }
}

/// A buffer for reading directories without an allocation per entry.
#[derive(Default)]
pub(crate) struct EntryBuffer(Vec<MaybeUninit<u8>>);

/// Large enough for a few hundred entries per call.
const BUFFER: usize = 32 * 1024;

impl EntryBuffer {
    /// Visits the remaining entries of a directory, without `.` and `..`.
    ///
    /// It continues at the position of the handle, which must have no other reader. The type of an
    /// entry that vanished before its lookup is `Unknown`.
    pub(crate) fn visit(
        &mut self,
        dir: &Dir,
        mut visitor: impl FnMut(&OsStr, FileType) -> Result<()>,
    ) -> Result<()> {
        self.0.resize(BUFFER, MaybeUninit::uninit());
        let mut raw = RawDir::new(dir.as_fd(), &mut self.0);
        while let Some(entry) = raw.next() {
            let entry = match entry {
                // The directory was removed while it was open.
                Err(Errno::NOENT) => return Ok(()),
                other => other.context("read directory", || dir.path().to_owned())?,
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let name = OsStr::from_bytes(name);
            let mut file_type = FileType::from(entry.file_type());
            if file_type == FileType::Unknown
                && let Some(stat) = dir.stat(name)?
            {
                file_type = stat.file_type();
            }
            visitor(name, file_type)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_complete_and_typed() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        assert_eq!(dir.entries().unwrap().count(), 0);
        for n in 0..2000 {
            drop(
                dir.create_file(format!("file-with-a-name-{n}"), 0o600)
                    .unwrap(),
            );
        }
        dir.create_dir("sub", 0o700).unwrap();
        dir.symlink("sub", "link").unwrap();
        // Two readers of one handle do not affect each other.
        let mut first = dir.entries().unwrap();
        drop(first.next().unwrap().unwrap());
        let second: Vec<_> = dir.entries().unwrap().map(|e| e.unwrap()).collect();
        assert_eq!(second.len(), 2002);
        assert_eq!(first.count(), 2001);
        let type_of = |name: &str| {
            let entry = second.iter().find(|entry| entry.name == name).unwrap();
            assert_eq!(entry.ino, dir.stat(name).unwrap().unwrap().ino);
            entry.file_type
        };
        assert_eq!(type_of("sub"), FileType::Dir);
        assert_eq!(type_of("link"), FileType::Symlink);
        assert_eq!(type_of("file-with-a-name-0"), FileType::File);

        let mut visited = 0;
        let reopened = dir.reopen().unwrap();
        EntryBuffer::default()
            .visit(&reopened, |_, _| {
                visited += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(visited, 2002);
    }

    #[test]
    fn a_path_longer_than_the_kernel_takes_is_opened_in_few_pieces() {
        let scratch = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient(scratch.path()).unwrap();
        let name = "n".repeat(99);
        let mut dir = top.clone();
        for _ in 0..100 {
            dir = dir.ensure_dir(&name, 0o700).unwrap();
        }
        let path = vec![name.as_str(); 100].join("/");
        let before = crate::directories_opened();
        let found = top.open_dir_nested(&path).unwrap();
        assert_eq!(crate::directories_opened() - before, 3);
        let stats = [&found, &dir].map(|dir| dir.stat_self().unwrap());
        assert!(stats[0].is_same_inode(&stats[1]));
        assert_eq!(found.path(), dir.path());
        let missing = top.open_dir_nested(format!("{path}/missing")).unwrap_err();
        assert!(missing.is_not_found());
        let long = top.open_dir_nested("n".repeat(5000)).unwrap_err();
        assert_eq!(long.raw_os_error(), Some(libc::ENAMETOOLONG));
        crate::remove_tree(&top, &name).unwrap();
    }
}
