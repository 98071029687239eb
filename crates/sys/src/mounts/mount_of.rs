//! Describes the mount of one file, without reading the whole table if the kernel can be asked for
//! a single mount (Linux 6.8).

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Statx, StatxAttributes, StatxFlags, statx};
use rustix::io::{Errno, Result as Raw};

use crate::error::{Context, PathError, Result, descriptor_path};
use crate::mounts::mountinfo::{MountInfo, read_mounts};

/// A description of one mount.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountSummary {
    /// Number of the mount, unique while it exists; the same as [`MountInfo::id`].
    pub id: u32,
    /// Device numbers of the filesystem.
    pub device: (u32, u32),
    /// Type of the filesystem, such as `overlay`.
    pub fs_type: OsString,
    /// The directory of the filesystem that is the root of this mount.
    pub root: PathBuf,
    /// The mount point, relative to this process's root.
    pub mount_point: PathBuf,
}

impl From<MountInfo> for MountSummary {
    fn from(info: MountInfo) -> Self {
        Self {
            id: info.id,
            device: info.device,
            fs_type: info.fs_type,
            root: info.root,
            mount_point: info.mount_point,
        }
    }
}

/// Describes the mount of an open file; `None` if that mount is not in this process's tree, for
/// example after a lazy unmount.
pub fn mount_of(file: &impl AsFd) -> Result<Option<MountSummary>> {
    let path = || descriptor_path(file);
    match by_unique_id(file) {
        Ok(found) => return Ok(Some(found)),
        // The kernel lacks the call, a sandbox refuses it, the names are longer than the buffer, or
        // the mount is not in the tree.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::OVERFLOW | Errno::NOENT) => {}
        Err(error) => return Err(PathError::new("find the mount of", path(), error.into())),
    }
    let Some(id) = mount_id(file).context("find the mount of", path)? else {
        return Err(PathError::new(
            "find the mount of",
            path(),
            Errno::NOSYS.into(),
        ));
    };
    let mut mounts = read_mounts()?.into_iter();
    Ok(mounts
        .find(|mount| u64::from(mount.id) == id)
        .map(MountSummary::from))
}

/// Describes the mount exactly at `path`, following a symbolic link; `None` if nothing is mounted
/// there or the path does not exist.
pub fn mount_at(path: &Path) -> Result<Option<MountSummary>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(PathError::new("open", path, error.into())),
    };
    let is_root = is_mount_root(&file).context("stat", || path.to_owned())?;
    if is_root { mount_of(&file) } else { Ok(None) }
}

fn is_mount_root(file: &OwnedFd) -> Raw<bool> {
    let answer = ask(file, StatxFlags::empty())?;
    if answer
        .stx_attributes_mask
        .contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(answer.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // Kernels before 5.8 do not report it.
    Err(Errno::NOSYS)
}

fn ask(file: &impl AsFd, what: StatxFlags) -> Raw<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    statx(file, c"", flags, what)
}

/// The mount's number in the mount table; `None` from kernels before 5.8.
fn mount_id(file: &impl AsFd) -> Raw<Option<u64>> {
    let answer = ask(file, StatxFlags::MNT_ID)?;
    let told = answer.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    Ok(told.then_some(answer.stx_mnt_id))
}

/// `STATX_MNT_ID_UNIQUE`: a number that is never reused.
const UNIQUE_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);

fn by_unique_id(file: &impl AsFd) -> Raw<MountSummary> {
    let answer = ask(file, UNIQUE_ID)?;
    if answer.stx_mask & UNIQUE_ID.bits() == 0 {
        return Err(Errno::NOSYS);
    }
    let mut reply = Box::new(Reply::EMPTY);
    stat_mount(answer.stx_mnt_id, &mut reply)?;
    // A mount outside the tree has no mount point.
    if reply.mask & WANTED != WANTED {
        return Err(Errno::NOENT);
    }
    let text = |offset| reply.text(offset).ok_or(Errno::OVERFLOW);
    Ok(MountSummary {
        id: reply.id_in_table,
        device: (reply.device_major, reply.device_minor),
        fs_type: text(reply.fs_type)?.to_owned(),
        root: text(reply.root)?.into(),
        mount_point: text(reply.mount_point)?.into(),
    })
}

/// `STATMOUNT_SB_BASIC | _MNT_BASIC | _MNT_ROOT | _MNT_POINT | _FS_TYPE`.
const WANTED: u64 = 0x01 | 0x02 | 0x08 | 0x10 | 0x20;

/// The first version of the kernel's `struct mnt_id_req`.
#[repr(C)]
struct Request {
    size: u32,
    spare: u32,
    id: u64,
    wanted: u64,
}

const TEXT_SIZE: usize = 2 * 4096 + 256;

/// The kernel's `struct statmount`, with room for the strings.
#[repr(C)]
struct Reply {
    size: u32,
    options: u32,
    mask: u64,
    device_major: u32,
    device_minor: u32,
    magic: u64,
    superblock_flags: u32,
    fs_type: u32,
    id: u64,
    parent: u64,
    id_in_table: u32,
    parent_in_table: u32,
    attributes: u64,
    propagation: u64,
    peer_group: u64,
    master: u64,
    propagate_from: u64,
    root: u32,
    mount_point: u32,
    later: [u64; 50],
    text: [u8; TEXT_SIZE],
}

const _: () = assert!(std::mem::offset_of!(Reply, text) == 512);

impl Reply {
    const EMPTY: Self = Self {
        size: 0,
        options: 0,
        mask: 0,
        device_major: 0,
        device_minor: 0,
        magic: 0,
        superblock_flags: 0,
        fs_type: 0,
        id: 0,
        parent: 0,
        id_in_table: 0,
        parent_in_table: 0,
        attributes: 0,
        propagation: 0,
        peer_group: 0,
        master: 0,
        propagate_from: 0,
        root: 0,
        mount_point: 0,
        later: [0; 50],
        text: [0; TEXT_SIZE],
    };

    /// The string that begins at an offset and ends before a NUL.
    fn text(&self, offset: u32) -> Option<&OsStr> {
        let rest = self.text.get(usize::try_from(offset).ok()?..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest.get(..end).map(OsStr::from_bytes)
    }
}

/// `statmount(2)`. The number is the same on all architectures except Alpha and MIPS, where the
/// call fails and the table is read instead.
#[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
fn stat_mount(id: u64, reply: &mut Reply) -> Raw<()> {
    const STATMOUNT: libc::c_long = 457;
    if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        return Err(Errno::NOSYS);
    }
    let request = Request {
        size: u32::try_from(size_of::<Request>()).map_err(|_| Errno::INVAL)?,
        spare: 0,
        id,
        wanted: WANTED,
    };
    // SAFETY: both structs live across the call; the kernel reads the first and writes at most
    // `size_of::<Reply>()` bytes, of which each value is valid, to the second.
    let result = unsafe {
        libc::syscall(
            STATMOUNT,
            std::ptr::from_ref(&request),
            std::ptr::from_mut(reply),
            size_of::<Reply>(),
            0_usize,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let code = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)))
}

/// The number of the mount that a path is on, which no later mount gets before the next boot.
/// `None` from kernels before 6.8, which use numbers again, and for a path that cannot be looked
/// up.
#[must_use]
pub fn unique_mount_id(path: &Path) -> Option<u64> {
    let answer = statx(CWD, path, AtFlags::STATX_DONT_SYNC, UNIQUE_ID).ok()?;
    (answer.stx_mask & UNIQUE_ID.bits() != 0).then_some(answer.stx_mnt_id)
}

/// Like [`mount_id`], by a path, for reading the procfs files of other processes.
pub(crate) fn mount_id_at(path: &Path) -> Option<u64> {
    let answer = statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::MNT_ID).ok()?;
    (answer.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(answer.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::dir::Dir;

    #[test]
    fn both_ways_give_the_same() {
        for path in ["/proc", "/dev", "/", "/proc/self"] {
            let dir = Dir::open_ambient(path).unwrap();
            let id = mount_id(&dir).unwrap().unwrap();
            let mut mounts = read_mounts().unwrap().into_iter();
            let listed = mounts.find(|mount| u64::from(mount.id) == id).unwrap();
            let listed = MountSummary::from(listed);
            assert_eq!(mount_of(&dir).unwrap().unwrap(), listed, "{path}");
            match by_unique_id(&dir) {
                Err(Errno::NOSYS) => {}
                told => assert_eq!(told.unwrap(), listed, "{path}"),
            }
        }
    }

    #[test]
    fn unique_numbers_are_those_of_mounts() {
        let of = |path: &str| unique_mount_id(Path::new(path));
        assert_eq!(of("/nothing/here"), None);
        assert_eq!(of("/proc"), of("/proc/self"));
        if of("/proc").is_some() {
            assert_ne!(of("/proc"), of("/"));
        }
    }

    #[test]
    fn only_roots_of_mounts_are_mounted_at() {
        assert_eq!(
            mount_at(Path::new("/proc")).unwrap().unwrap().fs_type,
            "proc"
        );
        assert_eq!(mount_at(Path::new("/proc/self")).unwrap(), None);
        assert_eq!(mount_at(Path::new("/nothing/here")).unwrap(), None);
        let inside = Dir::open_ambient("/proc/sys").unwrap();
        assert_eq!(
            mount_of(&inside).unwrap().unwrap().mount_point,
            Path::new("/proc")
        );
    }
}
