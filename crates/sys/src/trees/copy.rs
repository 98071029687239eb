use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::SeekFrom;
use rustix::io::{Errno, Result as Raw};

use crate::directory::stat::Stat;
use crate::error::{Context, Result, descriptor_path};

/// How a file's content was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyMethod {
    /// The copy shares the blocks of the original until one of them is written.
    Reflink,
    /// The kernel copied it.
    CopyFileRange,
    /// This process read and wrote it.
    ReadWrite,
}

/// Copies file contents between two trees in the cheapest way that works.
///
/// It tries sharing blocks, then copying in the kernel, then reading and writing. It remembers what
/// the pair of filesystems refused, so a tree of many files pays for a refusal once. Use one value
/// per pair of trees; threads may share it.
#[derive(Debug, Default)]
pub struct Copier {
    /// The first method to try: 0 reflink, 1 copy_file_range, 2 read and write.
    first: AtomicU8,
}

const TRY_RANGE: u8 = 1;
const TRY_READ: u8 = 2;
/// Large enough that the cost of a call does not matter, small enough for a cache.
const BUFFER: usize = 256 * 1024;

impl Copier {
    /// A copier that tries every method first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies the content of `source`, whose metadata is `stat`, into the empty file `target`.
    /// Holes stay holes.
    ///
    /// At most `stat.size` bytes are copied; if the source shrinks during the copy, the copy is
    /// shorter.
    pub fn copy(&self, source: &impl AsFd, target: &impl AsFd, stat: &Stat) -> Result<CopyMethod> {
        if stat.size == 0 {
            return Ok(self.first_method());
        }
        if self.first.load(Ordering::Relaxed) < TRY_RANGE {
            match rustix::fs::ioctl_ficlone(target, source) {
                Ok(()) => return Ok(CopyMethod::Reflink),
                Err(error) if cannot_clone(error) => self.give_up(TRY_RANGE),
                Err(error) => return Err(error).context("copy to", || descriptor_path(target)),
            }
        }
        self.copy_bytes(source, target, stat)
            .context("copy to", || descriptor_path(target))
    }

    fn first_method(&self) -> CopyMethod {
        match self.first.load(Ordering::Relaxed) {
            0 => CopyMethod::Reflink,
            TRY_RANGE => CopyMethod::CopyFileRange,
            _ => CopyMethod::ReadWrite,
        }
    }

    fn give_up(&self, next: u8) {
        self.first.fetch_max(next, Ordering::Relaxed);
    }

    fn copy_bytes(&self, source: &impl AsFd, target: &impl AsFd, stat: &Stat) -> Raw<CopyMethod> {
        // In units of 512 bytes; fewer than the length needs means that there are holes.
        if stat.blocks.saturating_mul(512) >= stat.size {
            return self.copy_range(source, target, 0, stat.size);
        }
        let mut method = self.first_method();
        let mut position = 0;
        while let Some((start, end)) = next_data(source, position, stat.size)? {
            method = self.copy_range(source, target, start, end)?;
            position = end;
        }
        rustix::fs::ftruncate(target, stat.size)?;
        Ok(method)
    }

    fn copy_range(
        &self,
        source: &impl AsFd,
        target: &impl AsFd,
        start: u64,
        end: u64,
    ) -> Raw<CopyMethod> {
        let mut position = start;
        while self.first.load(Ordering::Relaxed) < TRY_READ && position < end {
            let (mut from, mut to) = (position, position);
            let length = usize::try_from(end - position)
                .unwrap_or(usize::MAX)
                .min(1 << 30);
            match rustix::fs::copy_file_range(
                source,
                Some(&mut from),
                target,
                Some(&mut to),
                length,
            ) {
                // Some virtual filesystems report an end of file where there is none.
                Ok(0) => break,
                Ok(copied) => position += copied as u64,
                Err(Errno::INTR) => {}
                Err(error) if cannot_copy_range(error) => self.give_up(TRY_READ),
                Err(error) => return Err(error),
            }
        }
        if position >= end {
            return Ok(CopyMethod::CopyFileRange);
        }
        read_and_write(source, target, position, end)?;
        Ok(CopyMethod::ReadWrite)
    }
}

/// Whether a refusal is due to the pair of files or filesystems, not to the disk.
fn cannot_clone(error: Errno) -> bool {
    matches!(
        error,
        Errno::OPNOTSUPP
            | Errno::NOTTY
            | Errno::XDEV
            | Errno::INVAL
            | Errno::NOSYS
            | Errno::PERM
            | Errno::TXTBSY
            | Errno::BADF
    )
}

fn cannot_copy_range(error: Errno) -> bool {
    matches!(
        error,
        Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::TXTBSY
    )
}

/// The next range of data at or after `position`, cut off at `size`.
fn next_data(source: &impl AsFd, position: u64, size: u64) -> Raw<Option<(u64, u64)>> {
    if position >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(source, SeekFrom::Data(position)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // The filesystem does not know holes: everything is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((position, size))),
        Err(error) => return Err(error),
    };
    if start >= size {
        return Ok(None);
    }
    let end = rustix::fs::seek(source, SeekFrom::Hole(start))?.min(size);
    Ok((end > start).then_some((start, end)))
}

fn read_and_write(source: &impl AsFd, target: &impl AsFd, start: u64, end: u64) -> Raw<()> {
    let wanted = usize::try_from(end - start).unwrap_or(BUFFER).min(BUFFER);
    let mut buffer = vec![0; wanted];
    let mut position = start;
    while position < end {
        let length = usize::try_from(end - position)
            .unwrap_or(BUFFER)
            .min(wanted);
        let chunk = buffer.get_mut(..length).unwrap_or_default();
        let read = match rustix::io::pread(source, chunk, position) {
            Ok(0) => return Ok(()),
            Err(Errno::INTR) => continue,
            other => other?,
        };
        write_all(target, buffer.get(..read).unwrap_or_default(), position)?;
        position += read as u64;
    }
    Ok(())
}

fn write_all(target: &impl AsFd, mut bytes: &[u8], mut position: u64) -> Raw<()> {
    while !bytes.is_empty() {
        let written = match rustix::io::pwrite(target, bytes, position) {
            Ok(0) => return Err(Errno::NOSPC),
            Err(Errno::INTR) => continue,
            other => other?,
        };
        bytes = bytes.get(written..).unwrap_or_default();
        position += written as u64;
    }
    Ok(())
}

/// Copies one file with a [`Copier`] of its own. For a whole tree keep one copier.
pub fn copy_contents(source: &impl AsFd, target: &impl AsFd, stat: &Stat) -> Result<CopyMethod> {
    Copier::new().copy(source, target, stat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::dir::Dir;
    use crate::directory::stat::stat_file;
    use std::os::unix::fs::FileExt;

    /// Pieces of content and their offsets.
    type Content<'c> = &'c [(u64, &'c [u8])];

    fn check(copier: &Copier, content: Content<'_>, size: u64) -> CopyMethod {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let source = dir.create_file("source", 0o600).unwrap();
        source.set_len(size).unwrap();
        for (offset, bytes) in content {
            source.write_all_at(bytes, *offset).unwrap();
        }
        let target = dir.create_file("target", 0o600).unwrap();
        let stat = stat_file(&source).unwrap();
        let method = copier.copy(&source, &target, &stat).unwrap();
        let copy = stat_file(&target).unwrap();
        assert_eq!(copy.size, stat.size);
        assert!(copy.blocks <= stat.blocks, "holes became data");
        let limit = 1 << 30;
        assert!(dir.read_file("source", limit).unwrap() == dir.read_file("target", limit).unwrap());
        method
    }

    fn limited_to(first: u8) -> Copier {
        Copier {
            first: AtomicU8::new(first),
        }
    }

    #[test]
    fn every_method_copies_the_same() {
        let long = vec![b'x'; 700_000];
        let cases: [(Content<'_>, u64); 5] = [
            (&[], 0),
            (&[(0, b"short")], 5),
            (&[(0, &long)], 700_000),
            (&[(1 << 20, b"in the middle")], 8 << 20),
            (&[(0, b"a"), ((8 << 20) - 1, b"b")], 8 << 20),
        ];
        for (content, size) in cases {
            check(&limited_to(0), content, size);
            check(&limited_to(TRY_RANGE), content, size);
            let last = check(&limited_to(TRY_READ), content, size);
            assert_eq!(last, CopyMethod::ReadWrite);
        }
    }

    #[test]
    fn a_refusal_is_remembered() {
        let copier = Copier::new();
        let first = check(&copier, &[(0, b"some content")], 12);
        assert_eq!(copier.first_method(), first);
    }
}
