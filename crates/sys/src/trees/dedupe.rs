//! Makes equal files share their blocks, and finds out whether they share them already.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::{Errno, Result as Raw};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::error::{Context, Result, descriptor_path};

/// The result of making two files share blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deduped {
    /// Length of the shared beginning in bytes, whether or not it was shared before.
    pub bytes: u64,
    /// Why sharing ended.
    pub end: DedupeEnd,
}

/// Why sharing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DedupeEnd {
    /// The whole range is shared.
    Complete,
    /// The contents differ after the shared bytes.
    Different,
    /// The filesystem shares no more, though the contents are equal as far as known.
    Short,
}

/// Some filesystems share no more than this in one call, and a longer call would delay signals.
const CHUNK: u64 = 16 << 20;

/// Makes the first `length` bytes of `target` share the blocks of `source`, as far as they are
/// equal. The kernel compares them and blocks writers to both files while it does, so contents
/// never change, even if other processes use the files.
///
/// Only whole blocks are shared. A partial last block is shared if both files end in it; if one of
/// them continues, it is not, although the kernel counts it.
///
/// `target` need not be open for writing if the caller owns it, may write to it or is root (Linux
/// 4.19).
///
/// Fails with [`is_unsupported`](crate::PathError::is_unsupported) if the filesystem cannot share
/// blocks, with [`crosses_devices`](crate::PathError::crosses_devices) for files of two
/// filesystems, and with `EPERM` or, before Linux 4.19, `EINVAL` for a target that the caller may
/// not change.
pub fn dedupe_file(source: &impl AsFd, target: &impl AsFd, length: u64) -> Result<Deduped> {
    dedupe(source, target, length).context("share blocks with", || descriptor_path(target))
}

/// Whether the kernel supports sharing blocks on the type of filesystem that a regular file is on.
/// `true` may be wrong for a particular filesystem, such as XFS made without reflinks.
pub fn may_dedupe(file: &impl AsFd) -> Result<bool> {
    match call(file, &mut Request::default()) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error).context("ask for shared blocks", || descriptor_path(file)),
    }
}

fn dedupe(source: &impl AsFd, target: &impl AsFd, length: u64) -> Raw<Deduped> {
    let mut bytes = 0;
    while bytes < length {
        let wanted = (length - bytes).min(CHUNK);
        let mut request = Request {
            source_offset: bytes,
            source_length: wanted,
            target_count: 1,
            target: i64::from(target.as_fd().as_raw_fd()),
            target_offset: bytes,
            ..Request::default()
        };
        match call(source, &mut request) {
            Err(Errno::INTR) => continue,
            other => other?,
        }
        let end = match request.status {
            SAME if request.shared > 0 => None,
            SAME => Some(DedupeEnd::Short),
            DIFFERS => Some(DedupeEnd::Different),
            status => return Err(errno(status)),
        };
        if let Some(end) = end {
            return Ok(Deduped { bytes, end });
        }
        // Never count more than was asked for, whatever the filesystem reports.
        bytes += request.shared.min(wanted);
    }
    Ok(Deduped {
        bytes,
        end: DedupeEnd::Complete,
    })
}

/// The status of a target as an error number.
fn errno(status: i32) -> Errno {
    status
        .checked_neg()
        .filter(|number| *number > 0)
        .map_or(Errno::IO, Errno::from_raw_os_error)
}

/// `struct file_dedupe_range` of <linux/fs.h> with one target.
#[repr(C)]
#[derive(Debug, Default)]
struct Request {
    source_offset: u64,
    source_length: u64,
    target_count: u16,
    reserved1: u16,
    reserved2: u32,
    target: i64,
    target_offset: u64,
    shared: u64,
    status: i32,
    reserved: u32,
}

const SAME: i32 = 0;
const DIFFERS: i32 = 1;
/// `FIDEDUPERANGE`; the number includes the size of the struct without targets.
const DEDUPE: Opcode = opcode::read_write::<[u64; 3]>(0x94, 54);

#[expect(unsafe_code, reason = "rustix has no function for this ioctl")]
fn call(source: &impl AsFd, request: &mut Request) -> Raw<()> {
    // SAFETY: this operation reads and writes this struct, which consists of integers and has room
    // for the one target that it announces.
    let done = unsafe { ioctl(source, Updater::<DEDUPE, Request>::new(request)) };
    // A filesystem without any ioctl answers that it is not a terminal.
    done.map_err(|error| match error {
        Errno::NOTTY | Errno::NOSYS => Errno::OPNOTSUPP,
        error => error,
    })
}

/// Whether two files are known to consist of the same blocks. `false` includes unclear cases:
/// contents that are not on the disk yet, inside metadata, compressed, or in many extents.
#[must_use]
pub fn shares_all_blocks(one: &impl AsFd, other: &impl AsFd) -> bool {
    match (extents(one), extents(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The extents of a file; `None` in unclear cases.
fn extents(file: &impl AsFd) -> Option<Vec<(u64, u64, u64)>> {
    let mut map = ExtentMap::new();
    read_extents(file, &mut map).ok()?;
    let mapped = usize::try_from(map.mapped).ok()?;
    let extents = map.extents.get(..mapped)?;
    let is_whole = extents.last()?.flags & LAST != 0;
    let is_plain = extents.iter().all(|extent| extent.flags & !PLAIN == 0);
    (is_whole && is_plain).then(|| {
        let place = |extent: &Extent| (extent.logical, extent.physical, extent.length);
        extents.iter().map(place).collect()
    })
}

/// The most extents that are compared.
const MAX_EXTENTS: usize = 64;

/// `struct fiemap_extent` of <linux/fiemap.h>.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap` with room for some extents.
#[repr(C)]
#[derive(Debug)]
struct ExtentMap {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    room: u32,
    reserved: u32,
    extents: [Extent; MAX_EXTENTS],
}

impl ExtentMap {
    fn new() -> Box<Self> {
        Box::new(Self {
            start: 0,
            length: u64::MAX,
            flags: 0,
            mapped: 0,
            room: MAX_EXTENTS as u32,
            reserved: 0,
            extents: [Extent::default(); MAX_EXTENTS],
        })
    }
}

/// Flag of the last extent of a file.
const LAST: u32 = 0x1;
/// Flags of extents whose address identifies their blocks: last, merged, shared.
const PLAIN: u32 = LAST | 0x1000 | 0x2000;
/// `FS_IOC_FIEMAP`; the number includes the size of the struct without extents.
const READ_EXTENTS: Opcode = opcode::read_write::<[u64; 4]>(b'f', 11);

#[expect(unsafe_code, reason = "rustix has no function for this ioctl")]
fn read_extents(file: &impl AsFd, map: &mut ExtentMap) -> Raw<()> {
    // SAFETY: this operation reads and writes this struct, which consists of integers and has the
    // room that it announces.
    unsafe { ioctl(file, Updater::<READ_EXTENTS, ExtentMap>::new(map)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_those_of_the_kernel() {
        assert_eq!(DEDUPE, 0xc018_9436);
        assert_eq!(READ_EXTENTS, 0xc020_660b);
        assert_eq!(size_of::<Request>(), 24 + 32);
        assert_eq!(size_of::<ExtentMap>(), 32 + 56 * MAX_EXTENTS);
    }

    #[test]
    fn a_status_is_an_error_number() {
        assert_eq!(errno(-95), Errno::OPNOTSUPP);
        assert_eq!(errno(7), Errno::IO);
        assert_eq!(errno(i32::MIN), Errno::IO);
    }
}
