//! Sets permissions, owners and times, on open descriptors and by name.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid,
};
use rustix::io::Errno;

use crate::directory::dir::Dir;
use crate::directory::options::permission_bits;
use crate::directory::stat::{Stat, Timestamp};
use crate::error::{Context, Result, descriptor_path, proc_path};

/// How to set one of the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Leave it as it is.
    Keep,
    /// The time of the call.
    Now,
    /// Exactly this time; nanoseconds from 1,000,000,000 on are an error.
    At(Timestamp),
}

/// The times of last access and last modification to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the content was last read.
    pub accessed: SetTime,
    /// When the content was last changed.
    pub modified: SetTime,
}

impl Times {
    /// Exactly the times in a [`Stat`].
    #[must_use]
    pub const fn of(stat: &Stat) -> Self {
        Self {
            accessed: SetTime::At(stat.atime),
            modified: SetTime::At(stat.mtime),
        }
    }
}

/// Sets permission, set-id and sticky bits of an open file or directory.
pub fn set_file_mode(file: &impl AsFd, mode: u32) -> Result<()> {
    rustix::fs::fchmod(file, permission_bits(mode)).context("set mode of", || descriptor_path(file))
}

/// Sets owner and group of an open file or directory; `None` keeps the present one.
///
/// The kernel clears set-id bits and file capabilities, so set those afterwards.
pub fn set_file_owner(file: &impl AsFd, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    owner(uid, gid)
        .and_then(|(uid, gid)| rustix::fs::fchown(file, uid, gid))
        .context("set owner of", || descriptor_path(file))
}

/// Sets the times of an open file or directory.
pub fn set_file_times(file: &impl AsFd, times: &Times) -> Result<()> {
    rustix::fs::futimens(file, &timestamps(times)).context("set times of", || descriptor_path(file))
}

impl Dir {
    /// Sets the permissions of an entry. A symbolic link is refused, not followed.
    pub fn set_mode(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<()> {
        let name = name.as_ref();
        self.check("set mode of", name)?;
        self.open_place(name)
            .and_then(|place| chmod_place(&place, permission_bits(mode)))
            .context("set mode of", || self.join(name))
    }

    /// Sets owner and group of an entry, or of a symbolic link itself; `None` keeps the present
    /// one.
    pub fn set_owner(
        &self,
        name: impl AsRef<OsStr>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        let name = name.as_ref();
        self.check("set owner of", name)?;
        owner(uid, gid)
            .and_then(|(uid, gid)| {
                rustix::fs::chownat(self, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            })
            .context("set owner of", || self.join(name))
    }

    /// Sets the times of an entry, or of a symbolic link itself.
    pub fn set_times(&self, name: impl AsRef<OsStr>, times: &Times) -> Result<()> {
        let name = name.as_ref();
        self.check("set times of", name)?;
        let times = timestamps(times);
        rustix::fs::utimensat(self, name, &times, AtFlags::SYMLINK_NOFOLLOW)
            .context("set times of", || self.join(name))
    }

    /// Sets the permissions of this directory itself.
    pub fn set_own_mode(&self, mode: u32) -> Result<()> {
        set_file_mode(self, mode)
    }

    /// Sets owner and group of this directory itself; `None` keeps the present one.
    pub fn set_own_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        set_file_owner(self, uid, gid)
    }

    /// Sets the times of this directory itself.
    pub fn set_own_times(&self, times: &Times) -> Result<()> {
        set_file_times(self, times)
    }

    /// Opens a reference to an entry of any type, without following links.
    pub(crate) fn open_place(&self, name: &OsStr) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(self, name, flags, Mode::empty())
    }
}

/// Changes the mode of the entry that an `O_PATH` descriptor refers to.
///
/// `fchmod` refuses such descriptors, and `fchmodat` without following exists only in recent
/// kernels. The path through procfs works everywhere, and the kernel refuses symbolic links there.
pub(crate) fn chmod_place(place: &OwnedFd, mode: Mode) -> rustix::io::Result<()> {
    rustix::fs::chmodat(CWD, proc_path(place), mode, AtFlags::empty())
}

type Owner = (Option<Uid>, Option<Gid>);

fn owner(uid: Option<u32>, gid: Option<u32>) -> rustix::io::Result<Owner> {
    // For the kernel, this number means "leave alone"; no file can have it as owner.
    if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
        return Err(Errno::INVAL);
    }
    Ok((uid.map(Uid::from_raw), gid.map(Gid::from_raw)))
}

fn timestamps(times: &Times) -> Timestamps {
    Timestamps {
        last_access: timespec(times.accessed),
        last_modification: timespec(times.modified),
    }
}

#[allow(
    clippy::unnecessary_cast,
    reason = "the width differs between architectures"
)]
fn timespec(time: SetTime) -> Timespec {
    let (tv_sec, tv_nsec) = match time {
        SetTime::Keep => (0, UTIME_OMIT as _),
        SetTime::Now => (0, UTIME_NOW as _),
        // The two values above have a special meaning for the kernel and are no times. Turn them,
        // like all values out of range, into one that it refuses.
        SetTime::At(at) if at.nanoseconds >= 1_000_000_000 => (at.seconds, -1),
        SetTime::At(at) => (at.seconds, at.nanoseconds as _),
    };
    Timespec { tv_sec, tv_nsec }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        (scratch, dir)
    }

    fn at(seconds: i64, nanoseconds: u32) -> SetTime {
        SetTime::At(Timestamp {
            seconds,
            nanoseconds,
        })
    }

    #[test]
    fn modes_are_set_on_descriptors_and_by_name() {
        let (_scratch, dir) = scratch();
        let file = dir.create_file("f", 0o600).unwrap();
        set_file_mode(&file, 0o100_4755).unwrap();
        assert_eq!(dir.stat("f").unwrap().unwrap().permissions(), 0o4755);
        dir.set_mode("f", 0o1640).unwrap();
        assert_eq!(dir.stat("f").unwrap().unwrap().permissions(), 0o1640);
        dir.symlink("f", "l").unwrap();
        assert!(dir.set_mode("l", 0o600).unwrap_err().is_unsupported());
        assert_eq!(dir.stat("f").unwrap().unwrap().permissions(), 0o1640);
        assert!(dir.set_mode("missing", 0o600).unwrap_err().is_not_found());
        dir.set_own_mode(0o711).unwrap();
        assert_eq!(dir.stat_self().unwrap().permissions(), 0o711);
    }

    #[test]
    fn times_keep_nanoseconds_and_can_be_before_1970() {
        let (_scratch, dir) = scratch();
        let file = dir.create_file("f", 0o600).unwrap();
        let both = Times {
            accessed: at(-5, 999_999_999),
            modified: at(1_700_000_000, 123_456_789),
        };
        set_file_times(&file, &both).unwrap();
        let stat = dir.stat("f").unwrap().unwrap();
        assert_eq!(
            (stat.atime.seconds, stat.atime.nanoseconds),
            (-5, 999_999_999)
        );
        assert_eq!(
            (stat.mtime.seconds, stat.mtime.nanoseconds),
            (1_700_000_000, 123_456_789)
        );
        let one = Times {
            accessed: SetTime::Keep,
            modified: at(7, 0),
        };
        dir.symlink("f", "l").unwrap();
        dir.set_times("l", &one).unwrap();
        assert_eq!(dir.stat("l").unwrap().unwrap().mtime.seconds, 7);
        assert_eq!(dir.stat("f").unwrap().unwrap().mtime.seconds, 1_700_000_000);
        dir.set_times("f", &one).unwrap();
        let stat = dir.stat("f").unwrap().unwrap();
        assert_eq!((stat.atime.seconds, stat.mtime.seconds), (-5, 7));
    }

    #[test]
    fn impossible_values_are_refused_and_not_taken_for_special_ones() {
        let (_scratch, dir) = scratch();
        let file = dir.create_file("f", 0o600).unwrap();
        for nanoseconds in [1_000_000_000, (1 << 30) - 1, (1 << 30) - 2, u32::MAX] {
            let times = Times {
                accessed: SetTime::Keep,
                modified: at(1, nanoseconds),
            };
            let error = set_file_times(&file, &times).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        let error = set_file_owner(&file, Some(u32::MAX), None).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let error = dir.set_owner("f", None, Some(u32::MAX)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        set_file_owner(&file, None, None).unwrap();
    }
}
