//! Access by paths of the process, for the few files that are named that way:
//! lock files and what users pass on a command line. Symbolic links are followed.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::error::{Context, PathError, Result};
use crate::options::OpenOptions;
use crate::stat::Stat;

/// Opens a file by a path of the process.
pub fn open_ambient_file(path: impl AsRef<Path>, options: OpenOptions) -> Result<File> {
    let path = path.as_ref();
    rustix::fs::openat(CWD, path, options.flags(), options.creation_mode())
        .map(File::from)
        .context("open", || path.to_owned())
}

/// Asks about a path of the process; `None` if nothing is there.
pub fn stat_ambient(path: impl AsRef<Path>) -> Result<Option<Stat>> {
    let path = path.as_ref();
    match rustix::fs::stat(path) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(PathError::new("stat", path, error.into())),
    }
}

/// As [`stat_ambient`], about a symbolic link itself if the last name is one.
pub fn lstat_ambient(path: impl AsRef<Path>) -> Result<Option<Stat>> {
    let path = path.as_ref();
    match rustix::fs::lstat(path) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(PathError::new("stat", path, error.into())),
    }
}

/// Resolves every symbolic link in a path of the process, which has to exist; the
/// result is absolute.
pub fn canonical_ambient(path: impl AsRef<Path>) -> Result<PathBuf> {
    let path = path.as_ref();
    std::fs::canonicalize(path).context("resolve", || path.to_owned())
}
