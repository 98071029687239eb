use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use rustix::fs::Mode;

use crate::dir::{DIR_FLAGS, Dir};
use crate::error::{Context, PathError, Result};
use crate::stat::FileType;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirEntry {
    /// Its name, one component.
    pub name: OsString,
    /// What it is; asked for separately where the filesystem does not tell.
    pub file_type: FileType,
    /// Its inode number.
    pub ino: u64,
}

/// Iterator over the entries of a directory, without `.` and `..`.
///
/// Names appear in the order of the filesystem, which is no order.
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
    /// Starts reading the entries, from the first one on.
    pub fn entries(&self) -> Result<Entries> {
        // A descriptor of its own, because the position belongs to the open
        // directory and two readers of one handle would share it.
        let stream = rustix::fs::openat(self, c".", DIR_FLAGS, Mode::empty())
            .and_then(rustix::fs::Dir::new)
            .context("read directory", || self.path().to_owned())?;
        Ok(Entries {
            dir: self.clone(),
            stream,
        })
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
    /// Converts an entry; `None` if it vanished while its type was asked for.
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
