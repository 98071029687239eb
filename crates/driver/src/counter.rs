//! How often each mount is in use.

use std::collections::HashMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use layerhold_sys::{Dir, FsMagic, fs_magic, mount};

/// Says whether something is mounted at a path.
pub trait MountChecker: Send + Sync + Debug {
    /// Asks the kernel. What cannot be found out counts as not mounted, as in Go.
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

/// Counts the users of mounts within one process, corrected by what the kernel says (Go: drivers/counter.go).
///
/// The count that survives processes is the store's (`mountpoints.json`). This one decides when a driver really mounts and
/// unmounts.
///
/// ```
/// use layerhold_driver::{MountChecker, MountCounter};
///
/// #[derive(Debug)]
/// struct AlwaysMounted;
/// impl MountChecker for AlwaysMounted {
///     fn is_mounted(&self, _: &std::path::Path) -> bool { true }
/// }
///
/// let counter = MountCounter::new(AlwaysMounted);
/// // The first look finds a mount somebody else made, so it is in use once already.
/// assert_eq!(counter.increment("/m".as_ref()), 2);
/// assert_eq!(counter.decrement("/m".as_ref()), 1);
/// assert_eq!(counter.decrement("/m".as_ref()), 0);
/// ```
#[derive(Debug)]
pub struct MountCounter<C> {
    checker: C,
    counts: Mutex<HashMap<PathBuf, i64>>,
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

    /// Adds a user and returns how many there are now; 1 means that the caller has to mount.
    pub fn increment(&self, path: &Path) -> i64 {
        self.change(path, 1)
    }

    /// Takes a user away and returns how many are left; 0 or less means that the caller has to unmount.
    pub fn decrement(&self, path: &Path) -> i64 {
        self.change(path, -1)
    }

    /// A path seen for the first time counts one user if it is mounted: another process put it there. A path
    /// known to be in use that is mounted no more counts none: another process (conmon's cleanup) unmounted it.
    fn change(&self, path: &Path, step: i64) -> i64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mounted = self.checker.is_mounted(path);
        let known = counts.get(path).copied();
        let count = step + if mounted { known.unwrap_or(1) } else { 0 };
        if count > 0 {
            counts.insert(path.to_owned(), count);
        } else {
            counts.remove(path);
        }
        count
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
        assert_eq!(counter.increment(path), 1);
        kernel.0.store(true, Ordering::Relaxed);
        assert_eq!(counter.increment(path), 2);
        assert_eq!(counter.increment(path), 3);
        assert_eq!(counter.decrement(path), 2);
        // Unmounted behind our back: nobody uses it, and the next user mounts.
        kernel.0.store(false, Ordering::Relaxed);
        assert_eq!(counter.increment(path), 1);
        kernel.0.store(true, Ordering::Relaxed);
        assert_eq!(counter.decrement(path), 0);
    }

    #[test]
    fn a_mount_of_another_process_counts_one_user() {
        let kernel = Switch(AtomicBool::new(true));
        let counter = MountCounter::new(&kernel);
        assert_eq!(counter.decrement(Path::new("/a")), 0);
        assert_eq!(counter.increment(Path::new("/a")), 2);
        assert_eq!(counter.increment(Path::new("/b")), 2);
    }

    #[test]
    fn taking_away_what_is_not_mounted_goes_below_zero_once() {
        let kernel = Switch::default();
        let counter = MountCounter::new(&kernel);
        assert_eq!(counter.decrement(Path::new("/a")), -1);
        assert_eq!(counter.increment(Path::new("/a")), 1);
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
