//! Whole-file record locks that belong to an open file, not to a process.
//!
//! Classic record locks (`F_SETLK`) belong to the process: a second open file of the same process
//! does not conflict, and closing *any* descriptor of the file drops them. Open-file-description
//! locks have neither trap. Both kinds conflict with each other as they should, so locks of Go
//! processes, which are classic ones, exclude ours and the reverse (Go: internal/rawfilelock).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::error::{Context, Result, descriptor_path};

/// Whether a lock can be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Any number of holders; the file must be open for reading.
    Shared,
    /// One holder; the file must be open for writing.
    Exclusive,
}

/// A held lock on a whole file, released on drop.
///
/// A child made by `fork` shares the open file but does not keep the lock: dropping it here
/// releases it, even if the child still has the descriptor.
#[derive(Debug)]
#[must_use = "the lock is released as soon as this is dropped"]
pub struct RecordLock {
    file: File,
    kind: LockKind,
}

impl RecordLock {
    /// Waits for the lock, without limit.
    pub fn lock(file: File, kind: LockKind) -> Result<Self> {
        loop {
            match set_lock(&file, raw_kind(kind), Wait::Forever) {
                Ok(()) => return Ok(Self { file, kind }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("lock", || descriptor_path(&file)),
            }
        }
    }

    /// Takes the lock if it is free; otherwise returns the file.
    pub fn try_lock(file: File, kind: LockKind) -> Result<std::result::Result<Self, File>> {
        match set_lock(&file, raw_kind(kind), Wait::Never) {
            Ok(()) => Ok(Ok(Self { file, kind })),
            Err(error) if is_held_by_another(&error) => Ok(Err(file)),
            Err(error) => Err(error).context("lock", || descriptor_path(&file)),
        }
    }

    /// Waits for a shared lock.
    pub fn lock_shared(file: File) -> Result<Self> {
        Self::lock(file, LockKind::Shared)
    }

    /// Waits for an exclusive lock.
    pub fn lock_exclusive(file: File) -> Result<Self> {
        Self::lock(file, LockKind::Exclusive)
    }

    /// Takes a shared lock unless an exclusive one is held.
    pub fn try_lock_shared(file: File) -> Result<std::result::Result<Self, File>> {
        Self::try_lock(file, LockKind::Shared)
    }

    /// Takes an exclusive lock unless any lock is held.
    pub fn try_lock_exclusive(file: File) -> Result<std::result::Result<Self, File>> {
        Self::try_lock(file, LockKind::Exclusive)
    }

    /// Releases the lock, as dropping it does.
    pub fn unlock(self) {
        drop(self);
    }

    /// The locked file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The kind of the lock.
    #[must_use]
    pub fn kind(&self) -> LockKind {
        self.kind
    }
}

impl Drop for RecordLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a forked child that still has the descriptor.
        // Releasing a held lock cannot fail.
        crate::best_effort(set_lock(&self.file, libc::F_UNLCK, Wait::Never));
    }
}

#[derive(Clone, Copy)]
enum Wait {
    Forever,
    Never,
}

fn raw_kind(kind: LockKind) -> libc::c_int {
    match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    }
}

fn is_held_by_another(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

/// One `fcntl` call for the whole file: offset 0 and length 0, which means "to the end", the same
/// range that the Go library locks.
#[expect(
    unsafe_code,
    reason = "rustix has no open-file-description locks; one fcntl with a struct on the stack"
)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the constants fit the narrow fields they are made for"
)]
fn set_lock(file: &File, kind: libc::c_int, wait: Wait) -> io::Result<()> {
    let command = match wait {
        Wait::Forever => libc::F_OFD_SETLKW,
        Wait::Never => libc::F_OFD_SETLK,
    };
    // SAFETY: all fields of this C struct are integers, for which zero is a value.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = kind as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    let descriptor = file.as_raw_fd();
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and the
    // kernel only reads the struct, which outlives the call.
    let result = unsafe { libc::fcntl(descriptor, command, &raw const range) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::dir::Dir;
    use crate::directory::options::{Create, OpenOptions};

    fn open(dir: &Dir) -> File {
        let options = OpenOptions::read_write().create(Create::IfMissing);
        dir.open_with("lock", options).unwrap()
    }

    #[test]
    fn two_open_files_of_one_process_exclude_each_other() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let held = RecordLock::lock_exclusive(open(&dir)).unwrap();
        let refused = RecordLock::try_lock_shared(open(&dir))
            .unwrap()
            .unwrap_err();
        drop(held);
        let shared = RecordLock::try_lock_shared(refused).unwrap().unwrap();
        let also = RecordLock::try_lock_shared(open(&dir)).unwrap().unwrap();
        assert!(RecordLock::try_lock_exclusive(open(&dir)).unwrap().is_err());
        shared.unlock();
        also.unlock();
        assert!(RecordLock::try_lock_exclusive(open(&dir)).unwrap().is_ok());
    }

    #[test]
    fn closing_another_descriptor_does_not_release() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let held = RecordLock::lock_exclusive(open(&dir)).unwrap();
        drop(open(&dir));
        assert!(RecordLock::try_lock_shared(open(&dir)).unwrap().is_err());
        drop(held);
    }

    #[test]
    fn dropping_releases_although_a_duplicate_stays_open() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let held = RecordLock::lock_exclusive(open(&dir)).unwrap();
        let duplicate = held.file().try_clone().unwrap();
        drop(held);
        assert!(RecordLock::try_lock_exclusive(open(&dir)).unwrap().is_ok());
        drop(duplicate);
    }

    #[test]
    fn an_exclusive_lock_needs_a_writable_file() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        drop(open(&dir));
        let error = RecordLock::lock_exclusive(dir.open_file("lock").unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }
}
