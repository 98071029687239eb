//! Access to configuration files.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use layerhold_sys::{
    Dir, FileType, OpenOptions, PathError, Stat, canonical_ambient, open_ambient_file, stat_ambient,
};

/// The largest file that is read. Usual ones have a few thousand bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The name of the entry.
    pub name: OsString,
    /// Whether it is a regular file itself; a link to one is not.
    pub is_file: bool,
}

impl Listed {
    /// An entry with this name.
    #[must_use]
    pub fn new(name: impl Into<OsString>, is_file: bool) -> Self {
        Listed {
            name: name.into(),
            is_file,
        }
    }
}

/// The filesystem access that loading needs. [`HostFiles`] is the real one; other implementations
/// serve tests, images that are not booted, and sandboxes.
pub trait ConfigFiles: fmt::Debug {
    /// Reads a file, following links; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If it exists and cannot be read.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Lists a directory, in any order; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the path exists and cannot be listed.
    fn list(&self, directory: &Path) -> io::Result<Option<Vec<Listed>>>;

    /// Resolves all links of an existing path.
    ///
    /// # Errors
    ///
    /// If it does not exist or cannot be looked up.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// Whether a path is a directory that belongs to a user and that no other user can write to; a
    /// link to one does not count.
    fn is_private_directory(&self, path: &Path, user: u32) -> bool;

    /// Creates a directory with mode 0700, unless the path exists. A failure shows in the result of
    /// [`is_private_directory`](Self::is_private_directory).
    fn make_private_directory(&self, path: &Path);
}

/// The filesystem of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFiles;

impl ConfigFiles for HostFiles {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let file = match open_ambient_file(path, OpenOptions::read()) {
            Err(error) if is_absent(&error) => return Ok(None),
            other => other.map_err(PathError::into_source)?,
        };
        let mut bytes = Vec::new();
        let got = file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if got as u64 > MAX_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(bytes))
    }

    fn list(&self, directory: &Path) -> io::Result<Option<Vec<Listed>>> {
        let entries = match Dir::open_ambient(directory).and_then(|dir| dir.entries()) {
            // A file at this path is an error, a file above it is not.
            Err(error) if is_absent(&error) && !matches!(stat_ambient(directory), Ok(Some(_))) => {
                return Ok(None);
            }
            other => other.map_err(PathError::into_source)?,
        };
        entries
            .map(|entry| {
                let entry = entry.map_err(PathError::into_source)?;
                Ok(Listed::new(entry.name, entry.file_type == FileType::File))
            })
            .collect::<io::Result<_>>()
            .map(Some)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        canonical_ambient(path).map_err(PathError::into_source)
    }

    fn is_private_directory(&self, path: &Path, user: u32) -> bool {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return false;
        };
        let stat = Dir::open_ambient(parent).and_then(|parent| parent.stat(name));
        stat.is_ok_and(|stat| stat.is_some_and(|stat| is_private(&stat, user)))
    }

    fn make_private_directory(&self, path: &Path) {
        if let Some((parent, name)) = path.parent().zip(path.file_name()) {
            layerhold_sys::best_effort(
                Dir::open_ambient(parent).and_then(|parent| parent.create_dir(name, 0o700)),
            );
        }
    }
}

/// Whether a path does not exist. A parent that is a file, such as the home `/dev/null` of some
/// services, counts as such too; the Go library fails then.
fn is_absent(error: &PathError) -> bool {
    error.is_not_found() || error.kind() == io::ErrorKind::NotADirectory
}

/// Go: `isWriteableOnlyByOwner` in `pkg/homedir`.
fn is_private(stat: &Stat, user: u32) -> bool {
    FileType::from_mode(stat.mode) == FileType::Dir
        && stat.uid == user
        && stat.mode & 0o722 == 0o700
}
