//! Access by ordinary paths, for the few files that are named that way: lock files, and paths from
//! the command line. Symbolic links are followed.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::directory::options::OpenOptions;
use crate::directory::stat::Stat;
use crate::error::{Context, PathError, Result};

/// Opens a file by an ordinary path.
pub fn open_ambient_file(path: impl AsRef<Path>, options: OpenOptions) -> Result<File> {
    let path = path.as_ref();
    rustix::fs::openat(CWD, path, options.flags(), options.creation_mode())
        .map(File::from)
        .context("open", || path.to_owned())
}

/// The metadata of a path; `None` if it does not exist.
pub fn stat_ambient(path: impl AsRef<Path>) -> Result<Option<Stat>> {
    let path = path.as_ref();
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(PathError::new("stat", path, error.into())),
    }
}

/// Like [`stat_ambient`], but does not follow a symbolic link in the last component.
pub fn lstat_ambient(path: impl AsRef<Path>) -> Result<Option<Stat>> {
    let path = path.as_ref();
    match rustix::fs::lstat(path) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(PathError::new("stat", path, error.into())),
    }
}

/// Resolves all symbolic links of an existing path; the result is absolute.
pub fn canonical_ambient(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    std::fs::canonicalize(path).context("resolve", || path.to_owned())
}
