//! Limits the size of directory trees by project IDs and project quotas of XFS and ext4 (Go:
//! drivers/quota/projectquota_supported.go, which supports XFS only).
//!
//! A directory with a project ID and the inherit flag passes the ID to all new entries below it;
//! the filesystem counts blocks and inodes for each ID. It has to be mounted with `prjquota`.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::{Errno, Result as Raw};
use rustix::ioctl::{Getter, Opcode, Setter, ioctl, opcode};

use crate::directory::dir::Dir;
use crate::directory::links::{NodeKind, RenameHow};
use crate::error::{Context, PathError, Result, descriptor_path, proc_path};

/// The project of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Project {
    /// The project ID; 0 is the default project.
    pub id: u32,
    /// Whether new entries of this directory get the same project.
    pub inherits: bool,
}

/// Limits of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Limit in bytes, rounded down to 512; 0 means no limit. When setting, `None` keeps the
    /// present limit.
    pub bytes: Option<u64>,
    /// Limit of inodes, likewise.
    pub inodes: Option<u64>,
}

/// The usage and limits of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaUsage {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Number of inodes.
    pub inodes: u64,
    /// The limits; `None` means no limit.
    pub limits: QuotaLimits,
}

/// Reads the project of a file or directory.
///
/// Fails on filesystems without projects; see [`PathError::is_unsupported`] and `ENOTTY`.
pub fn project(file: &impl AsFd) -> Result<Project> {
    let attributes = attributes(file).context("read project of", || descriptor_path(file))?;
    Ok(Project {
        id: attributes.project,
        inherits: attributes.flags & INHERIT != 0,
    })
}

/// Sets the project of a file or directory. Existing entries of the directory keep theirs.
pub fn set_project(file: &impl AsFd, project: Project) -> Result<()> {
    let set = || {
        let mut attributes = attributes(file)?;
        attributes.project = project.id;
        attributes.flags &= !INHERIT;
        if project.inherits {
            attributes.flags |= INHERIT;
        }
        set_attributes(file, attributes)
    };
    set().context("set project of", || descriptor_path(file))
}

/// The project quotas of a filesystem.
#[derive(Clone, Debug)]
pub struct ProjectQuota {
    home: Dir,
    node: OsString,
}

impl ProjectQuota {
    /// The quotas of the filesystem of `home`. Kernels before 5.14 need its block device; if
    /// necessary, a device node called `node` is created in `home` for them. Go calls it
    /// `backingFsBlockDev`.
    #[must_use]
    pub fn new(home: &Dir, node: impl Into<OsString>) -> Self {
        Self {
            home: home.clone(),
            node: node.into(),
        }
    }

    /// Sets the limits of a project. Fails with `ESRCH` or `ENOSYS` if project quotas are off.
    pub fn set_limits(&self, project: u32, limits: QuotaLimits) -> Result<()> {
        let mut quota = DiskQuota::for_project(project);
        if let Some(bytes) = limits.bytes {
            quota.fields |= BLOCK_LIMITS;
            quota.block_hard_limit = bytes / BLOCK;
            quota.block_soft_limit = bytes / BLOCK;
        }
        if let Some(inodes) = limits.inodes {
            quota.fields |= INODE_LIMITS;
            quota.inode_hard_limit = inodes;
            quota.inode_soft_limit = inodes;
        }
        self.call(SET_LIMITS, project, &mut quota)
            .context("set quota in", || self.home.path().to_owned())
    }

    /// The usage and limits of a project; `None` if the filesystem has never counted for it.
    pub fn usage(&self, project: u32) -> Result<Option<QuotaUsage>> {
        let mut quota = DiskQuota::for_project(project);
        match self.call(GET_QUOTA, project, &mut quota) {
            Ok(()) => Ok(Some(quota.usage())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => {
                let path = self.home.path();
                Err(PathError::new("read quota in", path, error.into()))
            }
        }
    }

    fn call(&self, command: u32, project: u32, quota: &mut DiskQuota) -> Raw<()> {
        match quota_by_descriptor(&self.home, command, project, quota) {
            // Sandboxes answer EPERM to unknown calls.
            Err(Errno::NOSYS | Errno::PERM) => self.call_by_node(command, project, quota),
            other => other,
        }
    }

    fn call_by_node(&self, command: u32, project: u32, quota: &mut DiskQuota) -> Raw<()> {
        let raw = |error: PathError| Errno::from_io_error(&error.into_source());
        let made = self.make_node();
        made.map_err(|error| raw(error).unwrap_or(Errno::IO))?;
        let path = proc_path(&self.home).join(&self.node);
        quota_by_node(path.as_os_str(), command, project, quota)
    }

    /// Creates the device node, and replaces an existing one: the directory may have been copied
    /// from another device.
    pub fn make_node(&self) -> Result<()> {
        let mut temporary = self.node.clone();
        temporary.push(".tmp");
        let device = self.home.stat_self()?.dev;
        let make = || {
            self.home
                .make_node(&temporary, NodeKind::BlockDevice, 0o600, device)
        };
        match make() {
            Err(error) if error.already_exists() => {
                self.home.remove_file(&temporary)?;
                make()?;
            }
            other => other?,
        }
        self.home
            .rename(&temporary, &self.home, &self.node, RenameHow::Replace)
    }
}

/// The kernel's `struct fsxattr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct FileAttributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

const _: () = assert!(size_of::<FileAttributes>() == 28);

/// `FS_XFLAG_PROJINHERIT`.
const INHERIT: u32 = 0x0000_0200;
const GET_ATTRIBUTES: Opcode = opcode::read::<FileAttributes>(b'X', 31);
const SET_ATTRIBUTES: Opcode = opcode::write::<FileAttributes>(b'X', 32);

#[expect(unsafe_code, reason = "rustix has no function for this ioctl")]
fn attributes(file: &impl AsFd) -> Raw<FileAttributes> {
    // SAFETY: this operation fills in this struct, which consists of integers.
    unsafe { ioctl(file, Getter::<GET_ATTRIBUTES, FileAttributes>::new()) }
}

#[expect(unsafe_code, reason = "rustix has no function for this ioctl")]
fn set_attributes(file: &impl AsFd, attributes: FileAttributes) -> Raw<()> {
    // SAFETY: this operation reads this struct, which has no unset bytes.
    unsafe {
        ioctl(
            file,
            Setter::<SET_ATTRIBUTES, FileAttributes>::new(attributes),
        )
    }
}

/// Unit of `fs_disk_quota` ("basic block").
const BLOCK: u64 = 512;
const VERSION: i8 = 1;
/// `FS_PROJ_QUOTA`.
const PROJECT: i8 = 2;
/// `FS_DQ_ISOFT | FS_DQ_IHARD`.
const INODE_LIMITS: u16 = 1 | 2;
/// `FS_DQ_BSOFT | FS_DQ_BHARD`.
const BLOCK_LIMITS: u16 = 4 | 8;

/// The kernel's `struct fs_disk_quota`. The commands were made for XFS, but the kernel serves them
/// for every filesystem with quotas (fs/quota/quota.c).
#[repr(C)]
#[derive(Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    fields: u16,
    id: u32,
    block_hard_limit: u64,
    block_soft_limit: u64,
    inode_hard_limit: u64,
    inode_soft_limit: u64,
    blocks: u64,
    inodes: u64,
    /// Times, warnings and real-time blocks, which are never set here.
    others: [u64; 7],
}

const _: () = assert!(size_of::<DiskQuota>() == 112);

impl DiskQuota {
    fn for_project(id: u32) -> Self {
        Self {
            version: VERSION,
            flags: PROJECT,
            id,
            ..Self::default()
        }
    }

    fn usage(&self) -> QuotaUsage {
        let limit = |value: u64| (value != 0).then_some(value);
        QuotaUsage {
            bytes: self.blocks.saturating_mul(BLOCK),
            inodes: self.inodes,
            limits: QuotaLimits {
                bytes: limit(self.block_hard_limit.saturating_mul(BLOCK)),
                inodes: limit(self.inode_hard_limit),
            },
        }
    }
}

/// `QCMD(Q_XGETQUOTA, PRJQUOTA)` and `QCMD(Q_XSETQLIM, PRJQUOTA)`.
const GET_QUOTA: u32 = 0x0058_0302;
const SET_LIMITS: u32 = 0x0058_0402;

#[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
fn quota_by_descriptor(
    file: &impl AsFd,
    command: u32,
    project: u32,
    quota: &mut DiskQuota,
) -> Raw<()> {
    // SAFETY: the struct lives across the call and consists of integers. Both commands read or
    // write this struct.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            file.as_fd().as_raw_fd(),
            command,
            project,
            std::ptr::from_mut(quota),
        )
    };
    outcome(result)
}

#[expect(unsafe_code, reason = "rustix does not have this call")]
fn quota_by_node(node: &OsStr, command: u32, project: u32, quota: &mut DiskQuota) -> Raw<()> {
    let node = CString::new(node.as_bytes()).map_err(|_| Errno::INVAL)?;
    // SAFETY: as above; the text ends with NUL and lives across the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl,
            command,
            node.as_ptr(),
            project,
            std::ptr::from_mut(quota),
        )
    };
    outcome(result)
}

fn outcome(result: libc::c_long) -> Raw<()> {
    if result == 0 {
        return Ok(());
    }
    let code = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{QuotaFilesystem, is_root, skip};

    #[test]
    fn root_loop_both_calls_reach_the_same_quota() {
        if !is_root() {
            return;
        }
        let Some(filesystem) = QuotaFilesystem::create() else {
            skip("the kernel mounts no XFS with prjquota");
            return;
        };
        let home = Dir::open_ambient(filesystem.path()).unwrap();
        let quota = ProjectQuota::new(&home, "node");
        for (project, by_node) in [(5, true), (6, false)] {
            let mut set = DiskQuota::for_project(project);
            set.fields = BLOCK_LIMITS;
            set.block_hard_limit = 2048 + 8 * u64::from(project);
            if by_node {
                quota.call_by_node(SET_LIMITS, project, &mut set).unwrap();
            } else {
                quota_by_descriptor(&home, SET_LIMITS, project, &mut set).unwrap();
            }
            let (mut one, mut other) = (DiskQuota::default(), DiskQuota::default());
            quota.call_by_node(GET_QUOTA, project, &mut one).unwrap();
            quota_by_descriptor(&home, GET_QUOTA, project, &mut other).unwrap();
            assert_eq!(one.usage(), other.usage());
            let bytes = one.usage().limits.bytes;
            assert_eq!(bytes, Some((2048 + 8 * u64::from(project)) * 512));
        }
        assert_eq!(quota.usage(99).unwrap(), None);
    }
}
