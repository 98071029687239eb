//! Mounts that map owners through a user namespace (Go: pkg/idmap/idmapped_utils.go).

use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, Result as Raw};
use rustix::mount::OpenTreeFlags;

use crate::directory::dir::Dir;
use crate::error::{Context, Result};
use crate::mounts::detached::DetachedMount;
use crate::mounts::mount::{Depth, PRIVATE};
use crate::namespace::waiting_child::WaitingChild;

/// A range of IDs, inside and outside of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMapping {
    /// First ID in the namespace.
    pub inside: u32,
    /// First ID outside of it.
    pub outside: u32,
    /// Length of the range.
    pub count: u32,
}

/// A user namespace without processes, kept for its two ID maps.
#[derive(Debug)]
pub struct UserNamespace {
    descriptor: OwnedFd,
}

impl AsFd for UserNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl UserNamespace {
    /// Creates a namespace with the given maps of users and groups.
    ///
    /// Needs the privilege to set both (`CAP_SETUID`, `CAP_SETGID`) in the current namespace. It
    /// starts a child process that runs no code of this program, shares its descriptors instead of
    /// copying them, and sends no signal at its end; the child has ended when this returns.
    pub fn new(users: &[IdMapping], groups: &[IdMapping]) -> Result<Self> {
        let child = WaitingChild::start().context("create", || "a user namespace".into())?;
        let proc = |file: &str| PathBuf::from(format!("/proc/{}/{file}", child.pid()));
        for (file, map) in [("uid_map", users), ("gid_map", groups)] {
            write_map(&proc(file), map).context("write", || proc(file))?;
        }
        let path = proc("ns/user");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(CWD, &path, flags, Mode::empty())
            .context("open", || path.clone())?;
        Ok(Self { descriptor })
    }
}

/// The kernel accepts a map in a single write only.
fn write_map(path: &PathBuf, map: &[IdMapping]) -> Raw<()> {
    let mut text = String::new();
    for range in map {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {} {}", range.inside, range.outside, range.count);
    }
    let file = rustix::fs::openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    let written = rustix::io::write(&file, text.as_bytes())?;
    if written == text.len() {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

/// Clones the mount that `source` is on, with `source` as its root, so that the clone shows owners
/// through the maps of `namespace`: a file stored with the owner `inside` appears with `outside`.
///
/// Fails with `EINVAL` on filesystems that do not support it (Linux 5.12 and later; for overlay
/// 6.1).
pub fn clone_idmapped(
    source: &Dir,
    namespace: &UserNamespace,
    depth: Depth,
) -> Result<DetachedMount> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if depth == Depth::Recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = rustix::mount::open_tree(source, c"", flags)
        .context("copy the mount of", || source.path().to_owned())?;
    shift_owners(&tree, namespace)
        .context("shift owners of the mount of", || source.path().to_owned())?;
    Ok(DetachedMount::new(tree))
}

/// The kernel's `struct mount_attr`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

fn shift_owners(tree: &OwnedFd, namespace: &UserNamespace) -> Raw<()> {
    let descriptor = namespace.as_fd().as_raw_fd();
    let attributes = MountAttributes {
        set: MOUNT_ATTR_IDMAP,
        clear: 0,
        propagation: u64::from(PRIVATE),
        namespace: u64::try_from(descriptor).map_err(|_| Errno::BADF)?,
    };
    // SAFETY: path and struct live across the call, which only reads them; the descriptors are
    // borrowed.
    #[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            std::ptr::from_ref(&attributes),
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 {
        return Ok(());
    }
    let code = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)))
}
