//! Mounting and unmounting.

use std::ffi::{CString, OsStr};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags};

use crate::error::{Context, PathError, Result};
use crate::mounts::mountinfo::read_mounts;

/// How to unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// Detach from the tree at once; the mount ends with its last user.
    Lazy,
    /// Only if it is not busy.
    WhenUnused,
}

/// Whether an operation includes the mounts below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Only the one named.
    Single,
    /// All below it too.
    Recursive,
}

/// How mounts and unmounts propagate between copies of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// In both directions.
    Shared,
    /// Not at all.
    Private,
    /// From the original to the copy.
    Slave,
    /// Not at all, and it cannot be bind-mounted.
    Unbindable,
}

/// Mount options for the kernel: flags, changes of propagation, and text for the filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    flags: u32,
    data: String,
}

const RDONLY: u32 = 1;
const NOSUID: u32 = 2;
const NODEV: u32 = 4;
const NOEXEC: u32 = 8;
const SYNCHRONOUS: u32 = 16;
const REMOUNT: u32 = 32;
const MANDLOCK: u32 = 64;
const DIRSYNC: u32 = 128;
const NOATIME: u32 = 1024;
const NODIRATIME: u32 = 2048;
const BIND: u32 = 4096;
const REC: u32 = 16_384;
const UNBINDABLE: u32 = 1 << 17;
pub(crate) const PRIVATE: u32 = 1 << 18;
const SLAVE: u32 = 1 << 19;
const SHARED: u32 = 1 << 20;
const RELATIME: u32 = 1 << 21;
const STRICTATIME: u32 = 1 << 24;
const PROPAGATION: u32 = UNBINDABLE | PRIVATE | SLAVE | SHARED;
/// Flags that change or copy an existing mount.
pub(crate) const REMOUNT_OR_MOVE: u32 = PROPAGATION | REMOUNT | BIND | REC;

/// Option words, their flags, and whether they clear the flag. Go: pkg/mount/flags.go (its table
/// has "defaults" without a flag, so that word becomes text for the filesystem; here too).
const WORDS: [(&str, u32, bool); 32] = [
    ("ro", RDONLY, false),
    ("rw", RDONLY, true),
    ("suid", NOSUID, true),
    ("nosuid", NOSUID, false),
    ("dev", NODEV, true),
    ("nodev", NODEV, false),
    ("exec", NOEXEC, true),
    ("noexec", NOEXEC, false),
    ("sync", SYNCHRONOUS, false),
    ("async", SYNCHRONOUS, true),
    ("dirsync", DIRSYNC, false),
    ("remount", REMOUNT, false),
    ("mand", MANDLOCK, false),
    ("nomand", MANDLOCK, true),
    ("atime", NOATIME, true),
    ("noatime", NOATIME, false),
    ("diratime", NODIRATIME, true),
    ("nodiratime", NODIRATIME, false),
    ("bind", BIND, false),
    ("rbind", BIND | REC, false),
    ("unbindable", UNBINDABLE, false),
    ("runbindable", UNBINDABLE | REC, false),
    ("private", PRIVATE, false),
    ("rprivate", PRIVATE | REC, false),
    ("shared", SHARED, false),
    ("rshared", SHARED | REC, false),
    ("slave", SLAVE, false),
    ("rslave", SLAVE | REC, false),
    ("relatime", RELATIME, false),
    ("norelatime", RELATIME, true),
    ("strictatime", STRICTATIME, false),
    ("nostrictatime", STRICTATIME, true),
];

impl MountOptions {
    /// Splits a comma-separated list as in `/etc/fstab`. Unknown words are kept, in order, as text
    /// for the filesystem.
    #[must_use]
    pub fn parse(options: &str) -> Self {
        let mut parsed = Self::default();
        let mut data = Vec::new();
        for option in options.split(',') {
            match WORDS.iter().find(|(word, ..)| *word == option) {
                Some((_, flag, false)) => parsed.flags |= flag,
                Some((_, flag, true)) => parsed.flags &= !flag,
                None => data.push(option),
            }
        }
        parsed.data = data.join(",");
        parsed
    }

    /// The text for the filesystem.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The flags as numbers of `mount(2)`.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether the options change an existing mount.
    #[must_use]
    pub fn is_remount(&self) -> bool {
        self.flags & REMOUNT != 0
    }

    /// The flags of the mount, for `fsmount`.
    pub(crate) fn attributes(&self) -> MountAttrFlags {
        ATTRIBUTES
            .iter()
            .filter(|(flag, _)| self.flags & flag != 0)
            .map(|(_, attribute)| *attribute)
            .collect()
    }

    /// The flags of the filesystem, as words for `fsconfig`.
    pub(crate) fn superblock_words(&self) -> impl Iterator<Item = &'static str> {
        SUPERBLOCK
            .iter()
            .filter(|(flag, _)| self.flags & flag != 0)
            .map(|(_, word)| *word)
    }
}

const ATTRIBUTES: [(u32, MountAttrFlags); 7] = [
    (RDONLY, MountAttrFlags::MOUNT_ATTR_RDONLY),
    (NOSUID, MountAttrFlags::MOUNT_ATTR_NOSUID),
    (NODEV, MountAttrFlags::MOUNT_ATTR_NODEV),
    (NOEXEC, MountAttrFlags::MOUNT_ATTR_NOEXEC),
    (NOATIME, MountAttrFlags::MOUNT_ATTR_NOATIME),
    (NODIRATIME, MountAttrFlags::MOUNT_ATTR_NODIRATIME),
    (STRICTATIME, MountAttrFlags::MOUNT_ATTR_STRICTATIME),
];

const SUPERBLOCK: [(u32, &str); 4] = [
    (RDONLY, "ro"),
    (SYNCHRONOUS, "sync"),
    (DIRSYNC, "dirsync"),
    (MANDLOCK, "mand"),
];

/// Mounts a filesystem. Further calls set the propagation, and read-only for bind mounts, which the
/// kernel does not accept together with the rest.
pub fn mount(source: &OsStr, target: &Path, fs_type: &str, options: &MountOptions) -> Result<()> {
    let flags = options.flags & !PROPAGATION;
    // Without a source, the options are for an existing mount (Go: pkg/mount/mounter_linux.go).
    let changes_existing = options.is_remount() || source.is_empty() || source == "none";
    if !changes_existing || !options.data.is_empty() {
        raw_mount(source, target, fs_type, flags, &options.data)?;
    }
    if options.flags & PROPAGATION != 0 {
        change(target, options.flags & (PROPAGATION | REC))?;
    }
    if flags & (BIND | RDONLY) == BIND | RDONLY {
        raw_mount(OsStr::new(""), target, "", flags | REMOUNT, "")?;
    }
    Ok(())
}

/// Mounts a directory or file at a second place.
pub fn bind_mount(source: &Path, target: &Path, depth: Depth) -> Result<()> {
    match depth {
        Depth::Single => rustix::mount::mount_bind(source, target),
        Depth::Recursive => rustix::mount::mount_bind_recursive(source, target),
    }
    .context("bind mount on", || target.to_owned())
}

/// Makes an existing mount read-only. Keeps its other options, except those about access times.
pub fn remount_read_only(target: &Path) -> Result<()> {
    raw_mount(OsStr::new(""), target, "", BIND | REMOUNT | RDONLY, "")
}

/// Changes the propagation of a mount.
pub fn set_propagation(target: &Path, propagation: Propagation, depth: Depth) -> Result<()> {
    let flag = match propagation {
        Propagation::Shared => SHARED,
        Propagation::Private => PRIVATE,
        Propagation::Slave => SLAVE,
        Propagation::Unbindable => UNBINDABLE,
    };
    let depth = match depth {
        Depth::Single => 0,
        Depth::Recursive => REC,
    };
    change(target, flag | depth)
}

/// Makes a directory a mount point whose mounts below stay in this namespace (Go:
/// pkg/mount/sharedsubtree_linux.go).
pub fn make_private(target: &Path) -> Result<()> {
    if !is_mount_point(target)? {
        bind_mount(target, target, Depth::Single)?;
    }
    set_propagation(target, Propagation::Private, Depth::Single)
}

fn raw_mount(source: &OsStr, target: &Path, fs_type: &str, flags: u32, data: &str) -> Result<()> {
    let flags = MountFlags::from_bits_retain(flags);
    let call = || {
        let data = CString::new(data).map_err(|_| Errno::INVAL)?;
        rustix::mount::mount(source, target, fs_type, flags, data.as_c_str())
    };
    call().context("mount on", || target.to_owned())
}

fn change(target: &Path, flags: u32) -> Result<()> {
    rustix::mount::mount_change(target, MountPropagationFlags::from_bits_retain(flags))
        .context("change propagation of", || target.to_owned())
}

/// Attempts to unmount a busy mount, as in Go (pkg/mount/unmount_unix.go).
const BUSY_ATTEMPTS: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Unmounts the topmost mount at `target`; a symbolic link is not followed.
///
/// Succeeds if nothing is mounted there. A busy mount is retried for about 2.5 seconds.
pub fn unmount(target: &Path, detach: Detach) -> Result<()> {
    let mut attempts = 0;
    loop {
        match unmount_once(target, detach) {
            Ok(()) | Err(Errno::INVAL) => return Ok(()),
            Err(Errno::BUSY) if attempts < BUSY_ATTEMPTS => {
                attempts += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            Err(error) => return Err(PathError::new("unmount", target, error.into())),
        }
    }
}

pub(crate) fn unmount_once(target: &Path, detach: Detach) -> rustix::io::Result<()> {
    let mut flags = UnmountFlags::NOFOLLOW;
    if detach == Detach::Lazy {
        flags |= UnmountFlags::DETACH;
    }
    rustix::mount::unmount(target, flags)
}

/// Unmounts everything at or below `target`, the deepest first.
///
/// Of several failures, the last one is reported: a mount that cannot be unmounted keeps those
/// above it busy.
pub fn unmount_recursive(target: &Path, detach: Detach) -> Result<()> {
    let mut points: Vec<_> = read_mounts()?
        .into_iter()
        .map(|mount| mount.mount_point)
        .filter(|point| point.starts_with(target))
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    let mut result = Ok(());
    for point in points {
        result = unmount(&point, detach);
    }
    result
}

/// Whether something is mounted exactly at `path`, following a symbolic link. A path that does not
/// exist is no mount point.
pub fn is_mount_point(path: &Path) -> Result<bool> {
    let flags = StatxFlags::empty();
    match rustix::fs::statx(CWD, path, AtFlags::empty(), flags) {
        Ok(answer)
            if answer
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT) =>
        {
            Ok(answer.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        // Kernels before 5.8 do not report it.
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => is_listed(path),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(PathError::new("stat", path, error.into())),
    }
}

fn is_listed(path: &Path) -> Result<bool> {
    let real = match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.context("resolve", || path.to_owned())?,
    };
    Ok(read_mounts()?.iter().any(|mount| mount.mount_point == real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_words_become_flags_in_order() {
        let cases = [
            ("", 0, ""),
            ("ro", RDONLY, ""),
            ("ro,rw", 0, ""),
            ("nosuid,nodev,noexec", NOSUID | NODEV | NOEXEC, ""),
            ("nosuid,suid,sync,async,dirsync", DIRSYNC, ""),
            ("rbind,rslave", BIND | REC | SLAVE, ""),
            (
                "lowerdir=/a:/b,ro,volatile",
                RDONLY,
                "lowerdir=/a:/b,volatile",
            ),
            ("defaults", 0, "defaults"),
            (
                "relatime,nodiratime,strictatime",
                RELATIME | NODIRATIME | STRICTATIME,
                "",
            ),
            ("remount,mand", REMOUNT | MANDLOCK, ""),
        ];
        for (text, flags, data) in cases {
            let parsed = MountOptions::parse(text);
            assert_eq!((parsed.flags(), parsed.data()), (flags, data), "{text}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_kernel() {
        let ours = [
            RDONLY,
            NOSUID,
            BIND,
            REC,
            PRIVATE,
            SHARED,
            RELATIME,
            STRICTATIME,
            DIRSYNC,
        ];
        let kernel = [
            libc::MS_RDONLY,
            libc::MS_NOSUID,
            libc::MS_BIND,
            libc::MS_REC,
            libc::MS_PRIVATE,
            libc::MS_SHARED,
            libc::MS_RELATIME,
            libc::MS_STRICTATIME,
            libc::MS_DIRSYNC,
        ];
        assert_eq!(ours.map(libc::c_ulong::from), kernel);
        let others = [
            UNBINDABLE,
            SLAVE,
            NOATIME,
            NODIRATIME,
            MANDLOCK,
            REMOUNT,
            SYNCHRONOUS,
        ];
        let kernel = [
            libc::MS_UNBINDABLE,
            libc::MS_SLAVE,
            libc::MS_NOATIME,
            libc::MS_NODIRATIME,
            libc::MS_MANDLOCK,
            libc::MS_REMOUNT,
            libc::MS_SYNCHRONOUS,
        ];
        assert_eq!(others.map(libc::c_ulong::from), kernel);
    }

    #[test]
    fn mount_points_are_told_from_plain_directories() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        assert!(!is_mount_point(scratch.path()).unwrap());
        assert!(!is_mount_point(&scratch.path().join("missing")).unwrap());
        assert!(is_listed(Path::new("/proc")).unwrap());
        assert!(!is_listed(scratch.path()).unwrap());
        assert!(!is_listed(&scratch.path().join("missing")).unwrap());
    }
}
