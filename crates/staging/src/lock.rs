//! The lock file beside each area that says whether its owner is alive.

use std::ffi::{OsStr, OsString};
use std::fs::File;

use layerhold_sys::{Create, Dir, OpenOptions, PathError, RecordLock, random_suffix, stat_file};

/// A locked file that is deleted when the lock is given up.
///
/// A process that dies loses the lock but leaves the file: a process that can lock it knows that
/// what it stands for has no owner. Compatible with the staging lock files of the Go library (Go:
/// internal/staging_lockfile).
#[derive(Debug)]
#[must_use = "dropping the lock declares what it protects to be abandoned"]
pub struct StagingLock {
    dir: Dir,
    name: OsString,
    lock: RecordLock,
}

/// How often creating a lock is tried before giving up, as in the Go library.
const ATTEMPTS: u32 = 1000;
/// Permissions of a lock file created by its owner and by a recovery; those of Go.
const OWNER_MODE: u32 = 0o600;
const RECOVERY_MODE: u32 = 0o644;

impl StagingLock {
    /// Creates a new lock file with a random name that starts with `prefix`, and locks it.
    pub fn create(dir: &Dir, prefix: &str) -> Result<Self, PathError> {
        let mut attempt = 0;
        loop {
            match Self::create_once(dir, prefix) {
                Ok(Some(lock)) => return Ok(lock),
                Ok(None) if attempt < ATTEMPTS => attempt += 1,
                Err(error) if error.already_exists() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
                Ok(None) => {
                    let cause = std::io::ErrorKind::ResourceBusy.into();
                    let path = dir.path().join(prefix);
                    return Err(PathError::new("create lock file", path, cause));
                }
            }
        }
    }

    fn create_once(dir: &Dir, prefix: &str) -> Result<Option<Self>, PathError> {
        let name = OsString::from(format!("{prefix}{}", random_suffix()?));
        let file = dir.create_file(&name, OWNER_MODE)?;
        Self::lock_current(dir, name, file)
    }

    /// Locks the file of that name, and creates it if it is missing; `None` if its owner is alive,
    /// or if another process is deleting it right now.
    pub fn try_lock(dir: &Dir, name: &OsStr) -> Result<Option<Self>, PathError> {
        let options = OpenOptions::read_write()
            .create(Create::IfMissing)
            .mode(RECOVERY_MODE);
        let file = dir.open_with(name, options)?;
        Self::lock_current(dir, name.to_owned(), file)
    }

    /// Locks a file, and checks that it still has its name.
    ///
    /// Before a new file is locked, another process may take it for abandoned and delete it. A lock
    /// on an unlinked file protects nothing: the next process creates a new file.
    fn lock_current(dir: &Dir, name: OsString, file: File) -> Result<Option<Self>, PathError> {
        let Ok(lock) = RecordLock::try_lock_exclusive(file)? else {
            return Ok(None);
        };
        let locked = stat_file(lock.file())?;
        match dir.stat(&name)? {
            Some(named) if named.is_same_inode(&locked) => Ok(Some(Self {
                dir: dir.clone(),
                name,
                lock,
            })),
            _ => Ok(None),
        }
    }

    /// The name of the lock file.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Deletes the file and releases the lock, in this order, so that no process locks a file that
    /// is about to vanish without noticing.
    pub fn delete(self) -> Result<(), PathError> {
        let removed = self.dir.remove_file(&self.name);
        self.lock.unlock();
        match removed {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        (scratch, dir)
    }

    #[test]
    fn a_created_lock_is_held_until_it_is_deleted() {
        let (_scratch, dir) = scratch();
        let lock = StagingLock::create(&dir, "lock-").unwrap();
        let name = lock.name().to_owned();
        let suffix = name.to_str().unwrap().strip_prefix("lock-").unwrap();
        assert!(suffix.parse::<u32>().is_ok());
        assert!(StagingLock::try_lock(&dir, &name).unwrap().is_none());
        lock.delete().unwrap();
        assert!(!dir.exists(&name).unwrap());
    }

    #[test]
    fn a_dropped_lock_can_be_taken_over() {
        let (_scratch, dir) = scratch();
        let lock = StagingLock::create(&dir, "lock-").unwrap();
        let name = lock.name().to_owned();
        drop(lock);
        let taken = StagingLock::try_lock(&dir, &name).unwrap().unwrap();
        taken.delete().unwrap();
        assert_eq!(dir.entries().unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_lost_its_name_gives_no_lock() {
        let (_scratch, dir) = scratch();
        let file = dir.create_file("lock-1", 0o600).unwrap();
        dir.remove_file("lock-1").unwrap();
        drop(dir.create_file("lock-1", 0o600).unwrap());
        let lock = StagingLock::lock_current(&dir, "lock-1".into(), file).unwrap();
        assert!(lock.is_none());
    }

    #[test]
    fn deleting_a_file_that_is_gone_is_fine() {
        let (_scratch, dir) = scratch();
        let lock = StagingLock::create(&dir, "lock-").unwrap();
        dir.remove_file(lock.name()).unwrap();
        lock.delete().unwrap();
    }
}
