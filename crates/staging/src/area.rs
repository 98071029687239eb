//! An area: what it takes in, what it gives out, and how it ends.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use layerhold_sys::{Cancel, Dir, PathError, RenameHow, best_effort, remove_tree_unless};

use crate::addition::StagedAddition;
use crate::layout::{DIR_MODE, DIR_PREFIX, LOCK_PREFIX, joined};
use crate::lock::StagingLock;

/// A private directory whose content disappears with its owner.
///
/// Things to delete are moved in, which is quick. They are erased when the area is closed or
/// dropped, which may take long and should happen outside locks. Things to add are prepared inside
/// and moved out when they are complete. If the process dies, the next search for abandoned areas
/// removes it.
///
/// Methods take `&self`; threads may share an area.
#[derive(Debug)]
#[must_use = "dropping the area erases what is in it"]
pub struct TempArea {
    root: Dir,
    dir: Dir,
    dir_name: OsString,
    counter: AtomicU64,
    /// `None` once the area is closed.
    lock: Option<StagingLock>,
}

/// Why an area could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The directory for areas could not be created or opened.
    #[error("cannot create the directory for temporary areas {}", path.display())]
    Root {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The lock file of the area could not be created.
    #[error("cannot lock a temporary area in {}", path.display())]
    Lock {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The directory of the area could not be created.
    #[error("cannot create a temporary area in {}", path.display())]
    Dir {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
}

/// Why something could not be moved into an area.
#[derive(Debug, thiserror::Error)]
#[error("cannot move {} to a temporary area", path.display())]
pub struct StageError {
    /// What was to be moved; it is where it was.
    pub path: PathBuf,
    /// What the system said; see [`PathError::crosses_devices`].
    pub source: PathError,
}

impl BeginError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Root { source, .. } | Self::Lock { source, .. } | Self::Dir { source, .. } => {
                source.is_out_of_space()
            }
        }
    }
}

impl StageError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        self.source.is_out_of_space()
    }
}

/// Why a closed area is not completely gone. The next search for abandoned areas removes what is
/// left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The content could not be erased.
    #[error("cannot erase the temporary area {}", path.display())]
    Erase {
        /// The area.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
    /// The lock file could not be deleted.
    #[error("cannot delete the lock file of temporary area {}", path.display())]
    DeleteLock {
        /// The area.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
}

/// What became of something that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagedDeletion {
    /// It is in the area now.
    Moved,
    /// There was nothing of that name.
    Missing,
}

/// The name of an addition whose final name is not known; Go gives it to all of them.
const ADDITION: &[u8] = b"addition";
/// How many names may be taken by abandoned directories.
const ATTEMPTS: u32 = 1000;
/// The longest name a filesystem takes (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

impl TempArea {
    pub(crate) fn begin(path: &Path) -> Result<Self, BeginError> {
        let root = Dir::create_ambient_all(path, DIR_MODE).map_err(|source| BeginError::Root {
            path: path.to_owned(),
            source,
        })?;
        let mut attempt = 0;
        loop {
            let lock =
                StagingLock::create(&root, LOCK_PREFIX).map_err(|source| BeginError::Lock {
                    path: path.to_owned(),
                    source,
                })?;
            match Self::begin_locked(&root, lock) {
                Ok(area) => return Ok(area),
                // An abandoned directory without a lock file. The next search for abandoned areas
                // removes it, with the lock file just created.
                Err(error) if error.already_exists() && attempt < ATTEMPTS => attempt += 1,
                Err(source) => {
                    return Err(BeginError::Dir {
                        path: path.to_owned(),
                        source,
                    });
                }
            }
        }
    }

    fn begin_locked(root: &Dir, lock: StagingLock) -> Result<Self, PathError> {
        let bytes = lock.name().as_bytes();
        let area = bytes.strip_prefix(LOCK_PREFIX.as_bytes()).unwrap_or(bytes);
        let dir_name = joined(DIR_PREFIX, OsStr::from_bytes(area));
        // What is staged must not inherit access control lists of a directory above.
        match root.create_plain_dir(&dir_name, DIR_MODE) {
            Ok(dir) => Ok(Self {
                root: root.clone(),
                dir,
                dir_name,
                counter: AtomicU64::new(0),
                lock: Some(lock),
            }),
            Err(error) => {
                if !error.already_exists() {
                    // The first failure is the one to report.
                    best_effort(lock.delete());
                }
                Err(error)
            }
        }
    }

    /// The directory of the area.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Moves something into the area, to be erased with it.
    ///
    /// Both must be on one filesystem, else the error
    /// [`crosses_devices`](PathError::crosses_devices).
    pub fn stage_deletion(
        &self,
        dir: &Dir,
        name: impl AsRef<OsStr>,
    ) -> Result<StagedDeletion, StageError> {
        let name = name.as_ref();
        let staged = self.next_name(name.as_bytes());
        let result = match dir.rename(name, &self.dir, &staged, RenameHow::Replace) {
            Err(error) if error.is_permission_denied() => {
                self.move_unwritable(dir, name, &staged, error)
            }
            other => other,
        };
        match result {
            Ok(()) => Ok(StagedDeletion::Moved),
            Err(error) if error.is_not_found() => Ok(StagedDeletion::Missing),
            Err(source) => Err(StageError {
                path: dir.path().join(name),
                source,
            }),
        }
    }

    /// Moving a directory changes its `..`, which takes permission to write it. What is to be
    /// deleted may be made writable.
    fn move_unwritable(
        &self,
        dir: &Dir,
        name: &OsStr,
        staged: &OsStr,
        refusal: PathError,
    ) -> Result<(), PathError> {
        match dir.stat(name)? {
            Some(stat) if stat.is_dir() && stat.permissions() & 0o200 == 0 => {
                dir.set_mode(name, stat.permissions() | 0o700)?;
                dir.rename(name, &self.dir, staged, RenameHow::Replace)
            }
            _ => Err(refusal),
        }
    }

    /// Reserves a name for something to be prepared inside the area and moved out when it is
    /// complete. Nothing is created yet.
    pub fn stage_addition(&self) -> StagedAddition {
        StagedAddition::new(self.dir.clone(), self.next_name(ADDITION))
    }

    /// As [`stage_addition`](Self::stage_addition), with the final name as a part of the reserved
    /// one. It tells what the addition was if a power cut loses the final place and not the
    /// addition.
    pub fn stage_addition_for(&self, name: impl AsRef<OsStr>) -> StagedAddition {
        StagedAddition::new(self.dir.clone(), self.next_name(name.as_ref().as_bytes()))
    }

    /// Names are a number and the name from before, cut off where both together
    /// would be too long for the filesystem.
    fn next_name(&self, base: &[u8]) -> OsString {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut name = format!("{number}-").into_bytes();
        name.extend(base.iter().take(LONGEST_NAME.saturating_sub(name.len())));
        OsString::from_vec(name)
    }

    /// Erases the area, and returns what went wrong, which dropping cannot.
    pub fn close(self) -> Result<(), CloseError> {
        self.close_unless(&Cancel::new())
    }

    /// Erases the area as [`close`](Self::close) does, unless `cancel` asks it to stop before the
    /// next file. The next search for abandoned areas erases the rest then.
    pub fn close_unless(mut self, cancel: &Cancel) -> Result<(), CloseError> {
        self.erase(cancel)
    }

    /// Gives the area up as if its owner had died: the next search for abandoned areas erases it.
    /// That takes no time, and so it may be done under a lock.
    pub fn abandon(mut self) {
        drop(self.lock.take());
    }

    fn erase(&mut self, cancel: &Cancel) -> Result<(), CloseError> {
        let Some(lock) = self.lock.take() else {
            return Ok(());
        };
        let path = self.dir.path();
        // If this fails the lock file stays, unlocked, beside the directory, for the next search
        // for abandoned areas.
        remove_tree_unless(&self.root, &self.dir_name, cancel).map_err(|source| {
            CloseError::Erase {
                path: path.to_owned(),
                source,
            }
        })?;
        lock.delete().map_err(|source| CloseError::DeleteLock {
            path: path.to_owned(),
            source,
        })
    }
}

/// The name that an entry of an area had or was to have elsewhere; `None` for
/// one that does not tell.
///
/// ```
/// use std::ffi::OsStr;
///
/// let name = |entry| layerhold_staging::name_elsewhere(OsStr::new(entry));
/// assert_eq!(name("3-abc"), Some(OsStr::new("abc")));
/// assert_eq!(name("0-addition"), None);
/// assert_eq!(name("abc"), None);
/// ```
#[must_use]
pub fn name_elsewhere(entry: &OsStr) -> Option<&OsStr> {
    let bytes = entry.as_bytes();
    let dash = bytes.iter().position(|byte| *byte == b'-')?;
    let (number, name) = bytes.split_at_checked(dash)?;
    let name = name.strip_prefix(b"-")?;
    let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    (is_number && name != ADDITION).then(|| OsStr::from_bytes(name))
}

impl Drop for TempArea {
    fn drop(&mut self) {
        // `close` reports failures. The next search for abandoned areas finds what is left.
        best_effort(self.erase(&Cancel::new()));
    }
}
