//! Something that is prepared in an area and then moved to its place.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;

use layerhold_sys::{Dir, PathError, RenameHow};

/// Something that is prepared inside a temporary area and moved to its place
/// when it is complete. If that never happens it is erased with the area.
#[derive(Debug)]
#[must_use = "what is not committed is erased with its area"]
pub struct StagedAddition {
    area: Dir,
    name: OsString,
}

/// Why something complete could not be moved to its place; it is still staged.
#[derive(Debug, thiserror::Error)]
#[error("cannot move {} to its place", addition.path().display())]
pub struct CommitError {
    /// The addition, to try again.
    pub addition: StagedAddition,
    /// What the system said.
    pub source: PathError,
}

impl CommitError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        self.source.is_out_of_space()
    }

    /// Whether something has the name already.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.source.already_exists()
    }
}

impl StagedAddition {
    pub(crate) fn new(area: Dir, name: OsString) -> Self {
        Self { area, name }
    }

    /// The directory of the area.
    #[must_use]
    pub fn area(&self) -> &Dir {
        &self.area
    }

    /// The name reserved in the area.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The whole path, for messages.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.area.path().join(&self.name)
    }

    /// Creates the addition as a directory; `mode` is subject to the umask.
    pub fn create_dir(&self, mode: u32) -> Result<Dir, PathError> {
        self.area.create_dir(&self.name, mode)?;
        self.area.open_dir(&self.name)
    }

    /// Creates the addition as a file, open for reading and writing.
    pub fn create_file(&self, mode: u32) -> Result<File, PathError> {
        self.area.create_file(&self.name, mode)
    }

    /// Moves the addition to its place, where nothing may be yet.
    ///
    /// The place must be on the same filesystem. Nothing is synced.
    pub fn commit(self, dir: &Dir, name: impl AsRef<OsStr>) -> Result<(), Box<CommitError>> {
        let name = name.as_ref();
        let moved = match self.move_to(dir, name) {
            Err(error) if error.is_permission_denied() => self.move_unwritable(dir, name, error),
            other => other,
        };
        moved.map_err(|source| {
            Box::new(CommitError {
                addition: self,
                source,
            })
        })
    }

    fn move_to(&self, dir: &Dir, name: &OsStr) -> Result<(), PathError> {
        self.area
            .rename(&self.name, dir, name, RenameHow::NoReplace)
    }

    /// Moving a directory changes its `..`, which takes permission to write it without privileges.
    /// It is writable only while it is moved.
    fn move_unwritable(
        &self,
        dir: &Dir,
        name: &OsStr,
        refusal: PathError,
    ) -> Result<(), PathError> {
        let Some(stat) = self.area.stat(&self.name)? else {
            return Err(refusal);
        };
        if !stat.is_dir() || stat.permissions() & 0o200 != 0 {
            return Err(refusal);
        }
        self.area.set_mode(&self.name, stat.permissions() | 0o700)?;
        let opened = self.area.open_dir(&self.name)?;
        let moved = self.move_to(dir, name);
        opened.set_own_mode(stat.permissions())?;
        moved
    }
}
