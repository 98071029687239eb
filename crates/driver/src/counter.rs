//! How many users each mount has.

use std::collections::HashMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use layerhold_sys::{Dir, FsMagic, fs_magic, mount};

/// Says whether something is mounted at a path.
pub trait MountChecker: Send + Sync + Debug {
    /// Asks the kernel. A failure counts as not mounted, as in Go.
    fn is_mounted(&self, path: &Path) -> bool;
}

/// Accepts any mount point, looked up in the mount table (Go: `NewDefaultChecker`).
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyMount;

impl MountChecker for AnyMount {
    fn is_mounted(&self, path: &Path) -> bool {
        mount::is_mount_point(path).unwrap_or(false)
    }
}

/// Accepts a mount point of one kind of filesystem (Go: `NewFsChecker`).
#[derive(Debug, Clone, Copy)]
pub struct FsMount(pub FsMagic);

impl MountChecker for FsMount {
    fn is_mounted(&self, path: &Path) -> bool {
        Dir::open_ambient(path)
            .and_then(|dir| fs_magic(&dir))
            .is_ok_and(|magic| magic == self.0)
            && AnyMount.is_mounted(path)
    }
}

/// Counts the users of mounts within one process, corrected by what the kernel says (Go:
/// drivers/counter.go).
///
/// The store keeps the count that survives processes (`mountpoints.json`). This one decides when a
/// driver mounts and unmounts. The caller holds the lock of the store's counts. A mount that this
/// process has not made, and for which the store counts no users, is therefore left from a crash:
/// its first user takes it over. Go counts an unknown user in addition, and then never unmounts it.
///
/// ```
/// use layerhold_driver::{MountChecker, MountCounter, UserAdded};
///
/// #[derive(Debug)]
/// struct AlwaysMounted;
/// impl MountChecker for AlwaysMounted {
///     fn is_mounted(&self, _: &std::path::Path) -> bool { true }
/// }
///
/// let counter = MountCounter::new(AlwaysMounted);
/// assert_eq!(counter.increment("/m".as_ref()), UserAdded::TookOver);
/// assert_eq!(counter.increment("/m".as_ref()), UserAdded::Joined);
/// assert_eq!(counter.decrement("/m".as_ref()), 1);
/// assert_eq!(counter.decrement("/m".as_ref()), 0);
/// ```
#[derive(Debug)]
pub struct MountCounter<C> {
    checker: C,
    counts: Mutex<HashMap<PathBuf, u64>>,
}

/// What a new user of a mount finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserAdded {
    /// Nothing is mounted: the caller has to mount.
    First,
    /// There is a mount that this process has not made.
    TookOver,
    /// There are users already.
    Joined,
}

impl<C: MountChecker> MountCounter<C> {
    /// Starts with no counts.
    #[must_use]
    pub fn new(checker: C) -> Self {
        Self {
            checker,
            counts: Mutex::default(),
        }
    }

    /// Adds a user and tells what it finds.
    ///
    /// A path that has users and is no longer mounted loses them: another process (conmon's
    /// cleanup) unmounted it.
    pub fn increment(&self, path: &Path) -> UserAdded {
        let mut counts = self.lock();
        let mounted = self.checker.is_mounted(path);
        let known = counts.get(path).copied().filter(|_| mounted);
        counts.insert(path.to_owned(), known.unwrap_or(0).saturating_add(1));
        match known {
            Some(_) => UserAdded::Joined,
            None if mounted => UserAdded::TookOver,
            None => UserAdded::First,
        }
    }

    /// Removes a user and returns how many are left. At 0 the caller has to unmount, which may find
    /// nothing to do. A mount of another process has one user.
    pub fn decrement(&self, path: &Path) -> u64 {
        let mut counts = self.lock();
        let mounted = self.checker.is_mounted(path);
        let known = counts.remove(path).filter(|_| mounted).unwrap_or(1);
        let left = known.saturating_sub(1);
        if left > 0 {
            counts.insert(path.to_owned(), left);
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Switch(AtomicBool);

    impl MountChecker for &Switch {
        fn is_mounted(&self, _: &Path) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn counts_users_and_listens_to_the_kernel() {
        let kernel = Switch::default();
        let counter = MountCounter::new(&kernel);
        let path = Path::new("/m");
        assert_eq!(counter.increment(path), UserAdded::First);
        kernel.0.store(true, Ordering::Relaxed);
        assert_eq!(counter.increment(path), UserAdded::Joined);
        assert_eq!(counter.increment(path), UserAdded::Joined);
        assert_eq!(counter.decrement(path), 2);
        // Unmounted by another process: it has no users, and the next one mounts.
        kernel.0.store(false, Ordering::Relaxed);
        assert_eq!(counter.increment(path), UserAdded::First);
        kernel.0.store(true, Ordering::Relaxed);
        assert_eq!(counter.decrement(path), 0);
    }

    #[test]
    fn a_mount_of_another_process_has_one_user() {
        let kernel = Switch(AtomicBool::new(true));
        let counter = MountCounter::new(&kernel);
        assert_eq!(counter.decrement(Path::new("/a")), 0);
        assert_eq!(counter.increment(Path::new("/b")), UserAdded::TookOver);
        assert_eq!(counter.increment(Path::new("/b")), UserAdded::Joined);
        assert_eq!(counter.decrement(Path::new("/b")), 1);
        assert_eq!(counter.decrement(Path::new("/b")), 0);
    }

    #[test]
    fn taking_away_what_is_not_mounted_leaves_nothing_behind() {
        let kernel = Switch::default();
        let counter = MountCounter::new(&kernel);
        assert_eq!(counter.decrement(Path::new("/a")), 0);
        assert_eq!(counter.increment(Path::new("/a")), UserAdded::First);
    }

    #[test]
    fn the_kernel_knows_proc_and_the_kind_of_its_filesystem() {
        assert!(AnyMount.is_mounted(Path::new("/proc")));
        assert!(!AnyMount.is_mounted(Path::new("/proc/self")));
        assert!(!AnyMount.is_mounted(Path::new("/no/such/path")));
        assert!(FsMount(FsMagic::new(0x9fa0)).is_mounted(Path::new("/proc")));
        assert!(!FsMount(FsMagic::EXT).is_mounted(Path::new("/proc")));
    }
}
