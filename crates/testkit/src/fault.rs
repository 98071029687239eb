//! Injects faults into the operations on record files.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use layerhold_sys::{Dir, HostIo, MetadataIo, PathError, Staged};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails with this error number, once; later operations work.
    Error(i32),
    /// It fails with this error number, and so does every later one: as after a crash, nothing more
    /// reaches the disk.
    Crash(i32),
    /// The process aborts, without unwinding; for children of a test.
    Abort,
}

impl Fault {
    /// "No space left on device".
    pub const NO_SPACE: Self = Self::Error(28);
    /// "Input/output error".
    pub const INPUT_OUTPUT: Self = Self::Error(5);
    /// An input/output error in this and all later operations.
    pub const CRASH: Self = Self::Crash(5);
}

/// An operation on record files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading a file.
    Read,
    /// Writing a temporary file.
    Stage,
    /// Making a temporary file durable.
    Sync,
    /// Renaming a temporary file to its name.
    Publish,
    /// Removing a file.
    Remove,
    /// Making a directory durable.
    SyncDir,
}

/// [`HostIo`] that counts its operations and lets one of them fail. Clones share the count.
///
/// Run a scenario once with [`counting`](Self::counting), then once for each number below
/// [`count`](Self::count) with [`failing`](Self::failing), and check each time what is left:
///
/// ```
/// use layerhold_sys::{Dir, Durability, MetadataIo};
/// use layerhold_testkit::{Fault, FaultIo, Operation};
///
/// fn scenario(io: &FaultIo, directory: &Dir) -> layerhold_sys::Result<()> {
///     io.replace(directory, "f".as_ref(), 0o600, &[b"new"], Durability::Durable)
/// }
///
/// let place = layerhold_testkit::scratch();
/// let directory = Dir::open_ambient(place.path())?;
/// let clean = FaultIo::counting();
/// scenario(&clean, &directory)?;
/// assert_eq!(clean.log(), [Operation::Stage, Operation::Sync, Operation::Publish, Operation::SyncDir]);
/// for at in 0..clean.count() {
///     let io = FaultIo::failing(at, Fault::NO_SPACE);
///     assert!(scenario(&io, &directory).is_err());
/// }
/// # Ok::<(), layerhold_sys::PathError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultIo {
    plan: Option<(usize, Fault)>,
    log: Arc<Mutex<Vec<Operation>>>,
}

impl FaultIo {
    /// Lets nothing fail.
    #[must_use]
    pub fn counting() -> Self {
        Self {
            plan: None,
            log: Arc::default(),
        }
    }

    /// Lets the operation with this number fail, counted from 0.
    #[must_use]
    pub fn failing(at: usize, fault: Fault) -> Self {
        Self {
            plan: Some((at, fault)),
            log: Arc::default(),
        }
    }

    /// How many operations were called so far, failed ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.log().len()
    }

    /// The operations called so far.
    #[must_use]
    pub fn log(&self) -> Vec<Operation> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the failing operation has been reached.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.plan.is_some_and(|(at, _)| self.count() > at)
    }

    fn pass(&self, operation: Operation, path: &Path) -> layerhold_sys::Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let number = log.len();
        log.push(operation);
        let errno = match self.plan {
            Some((at, Fault::Error(errno))) if number == at => errno,
            Some((at, Fault::Crash(errno))) if number >= at => errno,
            Some((at, Fault::Abort)) if number == at => std::process::abort(),
            _ => return Ok(()),
        };
        Err(PathError::new(
            "fail, as the test asked, in",
            path,
            io::Error::from_raw_os_error(errno),
        ))
    }
}

impl MetadataIo for FaultIo {
    fn read(&self, dir: &Dir, name: &OsStr, limit: u64) -> layerhold_sys::Result<Option<Vec<u8>>> {
        self.pass(Operation::Read, dir.path())?;
        HostIo.read(dir, name, limit)
    }

    fn stage(
        &self,
        dir: &Dir,
        name: &OsStr,
        mode: u32,
        chunks: &[&[u8]],
    ) -> layerhold_sys::Result<Staged> {
        self.pass(Operation::Stage, dir.path())?;
        HostIo.stage(dir, name, mode, chunks)
    }

    fn sync(&self, staged: &Staged) -> layerhold_sys::Result<()> {
        self.pass(Operation::Sync, Path::new(staged.name()))?;
        HostIo.sync(staged)
    }

    fn publish(&self, staged: Staged) -> layerhold_sys::Result<()> {
        self.pass(Operation::Publish, Path::new(staged.name()))?;
        HostIo.publish(staged)
    }

    fn remove(&self, dir: &Dir, name: &OsStr) -> layerhold_sys::Result<bool> {
        self.pass(Operation::Remove, dir.path())?;
        HostIo.remove(dir, name)
    }

    fn sync_dir(&self, dir: &Dir) -> layerhold_sys::Result<()> {
        self.pass(Operation::SyncDir, dir.path())?;
        HostIo.sync_dir(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch;
    use layerhold_sys::Durability;

    fn replace(io: &FaultIo, directory: &Dir, content: &[u8]) -> layerhold_sys::Result<()> {
        io.replace(
            directory,
            OsStr::new("f"),
            0o600,
            &[content],
            Durability::Durable,
        )
    }

    #[test]
    fn each_fault_leaves_the_old_or_the_new_content() {
        let place = scratch();
        let directory = Dir::open_ambient(place.path()).unwrap();
        let published = 2;
        for at in 0..4 {
            replace(&FaultIo::counting(), &directory, b"old").unwrap();
            let io = FaultIo::failing(at, Fault::NO_SPACE);
            let error = replace(&io, &directory, b"new").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(28));
            assert!(io.has_failed());
            let content = std::fs::read(place.path().join("f")).unwrap();
            assert_eq!(
                content,
                if at > published { b"new" } else { b"old" },
                "fault at {at}"
            );
        }
    }

    #[test]
    fn a_crash_stops_everything_after_it() {
        let place = scratch();
        let directory = Dir::open_ambient(place.path()).unwrap();
        let io = FaultIo::failing(1, Fault::CRASH);
        assert!(replace(&io, &directory, b"x").is_err());
        assert!(io.read(&directory, OsStr::new("f"), 10).is_err());
        assert_eq!(
            io.log(),
            [Operation::Stage, Operation::Sync, Operation::Read]
        );
    }
}
