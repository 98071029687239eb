//! Extended attributes of entries of an open directory, in one call.
//!
//! Linux 6.13 added calls that take a directory and a name. The path through procfs, which works
//! everywhere, costs four more lookups, which dominates a walk of a tree. These wrappers report
//! `ENOSYS` if the kernel, a sandbox or this architecture lacks the calls.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::{Errno, Result as Raw};

/// The same on all architectures except Alpha and MIPS.
const SETXATTRAT: libc::c_long = 463;
const GETXATTRAT: libc::c_long = 464;
const LISTXATTRAT: libc::c_long = 465;
const REMOVEXATTRAT: libc::c_long = 466;
const NUMBERS_APPLY: bool = cfg!(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "powerpc64",
    target_arch = "s390x",
    target_arch = "loongarch64",
));

/// The kernel's `struct xattr_args`.
#[repr(C, align(8))]
struct Arguments {
    value: u64,
    size: u32,
    flags: u32,
}

impl Arguments {
    fn new(value: *const u8, size: usize) -> Raw<Self> {
        Ok(Self {
            value: value as u64,
            size: u32::try_from(size).map_err(|_| Errno::TOOBIG)?,
            flags: 0,
        })
    }
}

const _: () = assert!(size_of::<Arguments>() == 16);

pub(crate) fn set(dir: &impl AsFd, entry: &OsStr, name: &OsStr, value: &[u8]) -> Raw<()> {
    let arguments = Arguments::new(value.as_ptr(), value.len())?;
    with_arguments(SETXATTRAT, dir, entry, name, &arguments).map(drop)
}

pub(crate) fn get(dir: &impl AsFd, entry: &OsStr, name: &OsStr, value: &mut [u8]) -> Raw<usize> {
    let arguments = Arguments::new(value.as_mut_ptr(), value.len())?;
    with_arguments(GETXATTRAT, dir, entry, name, &arguments)
}

pub(crate) fn list(dir: &impl AsFd, entry: &OsStr, names: &mut [u8]) -> Raw<usize> {
    let entry = text(entry)?;
    // SAFETY: the path ends with NUL and lives across the call; the kernel writes at most `len`
    // bytes to the buffer, which is exclusively borrowed.
    #[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
    let result = unsafe {
        libc::syscall(
            number(LISTXATTRAT)?,
            dir.as_fd().as_raw_fd(),
            entry.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            names.as_mut_ptr(),
            names.len(),
        )
    };
    outcome(result)
}

pub(crate) fn remove(dir: &impl AsFd, entry: &OsStr, name: &OsStr) -> Raw<()> {
    let (entry, name) = (text(entry)?, text(name)?);
    // SAFETY: both texts end with NUL and live across the call.
    #[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
    let result = unsafe {
        libc::syscall(
            number(REMOVEXATTRAT)?,
            dir.as_fd().as_raw_fd(),
            entry.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            name.as_ptr(),
        )
    };
    outcome(result).map(drop)
}

/// The common part of setting and getting.
fn with_arguments(
    call: libc::c_long,
    dir: &impl AsFd,
    entry: &OsStr,
    name: &OsStr,
    arguments: &Arguments,
) -> Raw<usize> {
    let (entry, name) = (text(entry)?, text(name)?);
    // SAFETY: both texts end with NUL; texts, struct and the buffer it points
    // to live across the call. When getting, the buffer was exclusively
    // borrowed by the caller, and the kernel writes at most `size` bytes.
    #[expect(unsafe_code, reason = "neither rustix nor libc has this call")]
    let result = unsafe {
        libc::syscall(
            number(call)?,
            dir.as_fd().as_raw_fd(),
            entry.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            name.as_ptr(),
            std::ptr::from_ref(arguments),
            size_of::<Arguments>(),
        )
    };
    outcome(result)
}

fn number(call: libc::c_long) -> Raw<libc::c_long> {
    if NUMBERS_APPLY {
        Ok(call)
    } else {
        Err(Errno::NOSYS)
    }
}

fn text(text: &OsStr) -> Raw<CString> {
    CString::new(text.as_bytes()).map_err(|_| Errno::INVAL)
}

fn outcome(result: libc::c_long) -> Raw<usize> {
    usize::try_from(result).map_err(|_| {
        let code = std::io::Error::last_os_error().raw_os_error();
        Errno::from_raw_os_error(code.unwrap_or(libc::EIO))
    })
}
