//! The 512-byte header block: fields, checksum and formats.

use crate::number::{parse_numeric, parse_octal};
use crate::{Header, ParseError, TarTime};

/// Size of every block of an archive in bytes.
pub const BLOCK_SIZE: usize = 512;

pub(crate) type Block = [u8; BLOCK_SIZE];

pub(crate) const ZERO_BLOCK: Block = [0; BLOCK_SIZE];

/// A field's position in the block.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    name: &'static str,
    start: usize,
    length: usize,
}

const fn field(name: &'static str, start: usize, length: usize) -> Field {
    Field {
        name,
        start,
        length,
    }
}

pub(crate) const NAME: Field = field("name", 0, 100);
pub(crate) const MODE: Field = field("mode", 100, 8);
pub(crate) const UID: Field = field("uid", 108, 8);
pub(crate) const GID: Field = field("gid", 116, 8);
pub(crate) const SIZE: Field = field("size", 124, 12);
pub(crate) const MTIME: Field = field("mtime", 136, 12);
pub(crate) const CHECKSUM: Field = field("chksum", 148, 8);
pub(crate) const TYPE_FLAG: Field = field("typeflag", 156, 1);
pub(crate) const LINK_NAME: Field = field("linkname", 157, 100);
pub(crate) const MAGIC: Field = field("magic", 257, 6);
pub(crate) const VERSION: Field = field("version", 263, 2);
pub(crate) const USER_NAME: Field = field("uname", 265, 32);
pub(crate) const GROUP_NAME: Field = field("gname", 297, 32);
pub(crate) const DEVICE_MAJOR: Field = field("devmajor", 329, 8);
pub(crate) const DEVICE_MINOR: Field = field("devminor", 337, 8);
pub(crate) const PREFIX: Field = field("prefix", 345, 155);
const GNU_ATIME: Field = field("atime", 345, 12);
const GNU_CTIME: Field = field("ctime", 357, 12);
pub(crate) const GNU_SPARSE: Field = field("sparse", 386, 4 * SPARSE_ENTRY + 1);
pub(crate) const GNU_REAL_SIZE: Field = field("realsize", 483, 12);
/// The whole block, as a continuation of an old GNU sparse map.
pub(crate) const SPARSE_BLOCK: Field = field("sparse", 0, 21 * SPARSE_ENTRY + 1);
const STAR_PREFIX: Field = field("prefix", 345, 131);
const STAR_ATIME: Field = field("atime", 476, 12);
const STAR_CTIME: Field = field("ctime", 488, 12);
const STAR_TRAILER: Field = field("trailer", 508, 4);

pub(crate) const SPARSE_ENTRY: usize = 24;
const SPARSE_NUMBER: usize = 12;

pub(crate) const MAGIC_USTAR: &[u8] = b"ustar\0";
pub(crate) const VERSION_USTAR: &[u8] = b"00";
const MAGIC_GNU: &[u8] = b"ustar ";
const VERSION_GNU: &[u8] = b" \0";
const TRAILER_STAR: &[u8] = b"tar\0";

/// The format of a header block, recognised by its magic (Go: archive/tar/format.go, `GetFormat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    V7,
    Ustar,
    Gnu,
    Star,
}

impl Field {
    pub(crate) fn of(self, block: &Block) -> &[u8] {
        block
            .get(self.start..self.start + self.length)
            .unwrap_or_default()
    }

    pub(crate) fn of_mut(self, block: &mut Block) -> &mut [u8] {
        block
            .get_mut(self.start..self.start + self.length)
            .unwrap_or_default()
    }

    /// The field's text up to its first NUL.
    fn text(self, block: &Block) -> &[u8] {
        c_string(self.of(block))
    }

    pub(crate) fn number(self, block: &Block, offset: u64) -> Result<i64, ParseError> {
        parse_numeric(self.of(block)).ok_or(ParseError::Number {
            offset,
            field: self.name,
        })
    }
}

/// Bytes needed after `size` bytes to reach the next block.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_SIZE as u64
}

/// The bytes before the first NUL, or all of them.
pub(crate) fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

/// The sum of all bytes, with spaces in place of the checksum, as POSIX defines it.
pub(crate) fn checksum(block: &Block) -> i64 {
    const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;
    // Four 16-bit sums in one word: 64 words of two bytes each stay far below 65,536.
    let (words, _) = block.as_chunks::<8>();
    let sums = words.iter().fold(0u64, |sums, word| {
        let word = u64::from_le_bytes(*word);
        sums + (word & EVERY_OTHER) + (word >> 8 & EVERY_OTHER)
    });
    let total: u64 = (0..4).map(|lane| sums >> (16 * lane) & 0xffff).sum();
    let stored: i64 = CHECKSUM.of(block).iter().map(|&b| i64::from(b)).sum();
    let spaces = CHECKSUM.length as i64 * i64::from(b' ');
    total.cast_signed() - stored + spaces
}

/// The sum of all bytes taken as signed, as Sun's tar wrote it.
fn signed_checksum(block: &Block) -> i64 {
    let high = |bytes: &[u8]| bytes.iter().filter(|&&b| b >= 0x80).count() as i64;
    checksum(block) - 256 * (high(block) - high(CHECKSUM.of(block)))
}

/// Checks the checksum and returns the format.
pub(crate) fn layout(block: &Block) -> Option<Layout> {
    let stored = parse_octal(CHECKSUM.of(block))?;
    if stored != checksum(block) && stored != signed_checksum(block) {
        return None;
    }
    let (magic, version) = (MAGIC.of(block), VERSION.of(block));
    Some(
        if magic == MAGIC_USTAR && STAR_TRAILER.of(block) == TRAILER_STAR {
            Layout::Star
        } else if magic == MAGIC_USTAR {
            Layout::Ustar
        } else if magic == MAGIC_GNU && version == VERSION_GNU {
            Layout::Gnu
        } else {
            Layout::V7
        },
    )
}

/// Reads all fields of a block into `header`, except the kind, which also depends on extensions.
pub(crate) fn read_fields(
    block: &Block,
    layout: Layout,
    header: &mut Header,
    offset: u64,
) -> Result<(), ParseError> {
    let number = |field: Field| field.number(block, offset);
    header.link_name.extend_from_slice(LINK_NAME.text(block));
    header.size = number(SIZE)?;
    header.mode = number(MODE)?;
    header.uid = number(UID)?;
    header.gid = number(GID)?;
    header.mtime = TarTime::from_seconds(number(MTIME)?);
    let mut prefix: &[u8] = &[];
    if layout != Layout::V7 {
        header.user_name.extend_from_slice(USER_NAME.text(block));
        header.group_name.extend_from_slice(GROUP_NAME.text(block));
        header.device_major = number(DEVICE_MAJOR)?;
        header.device_minor = number(DEVICE_MINOR)?;
    }
    match layout {
        Layout::V7 => {}
        Layout::Ustar => prefix = PREFIX.text(block),
        Layout::Star => {
            prefix = STAR_PREFIX.text(block);
            header.atime = Some(TarTime::from_seconds(number(STAR_ATIME)?));
            header.ctime = Some(TarTime::from_seconds(number(STAR_CTIME)?));
        }
        Layout::Gnu => match (gnu_time(block, GNU_ATIME), gnu_time(block, GNU_CTIME)) {
            (Some(atime), Some(ctime)) => (header.atime, header.ctime) = (atime, ctime),
            // Before version 1.8, Go wrote a ustar prefix into GNU headers, at the place of these
            // times. Such files can still be read (Go: archive/tar/reader.go, `readHeader`).
            _ if PREFIX.text(block).is_ascii() => prefix = PREFIX.text(block),
            _ => {}
        },
    }
    if !prefix.is_empty() {
        header.name.extend_from_slice(prefix);
        header.name.push(b'/');
    }
    header.name.extend_from_slice(NAME.text(block));
    Ok(())
}

/// A GNU time: `Some(None)` if the field is unused, `None` if it is malformed.
fn gnu_time(block: &Block, field: Field) -> Option<Option<TarTime>> {
    let bytes = field.of(block);
    match bytes.first() {
        None | Some(0) => Some(None),
        Some(_) => parse_numeric(bytes).map(|seconds| Some(TarTime::from_seconds(seconds))),
    }
}

/// Reads the sparse entries of a block; returns whether an extension block follows.
///
/// The list ends at the first entry whose offset begins with NUL, as in GNU and BSD tar.
pub(crate) fn read_sparse_entries(
    block: &Block,
    array: Field,
    pairs: &mut Vec<(i64, i64)>,
    offset: u64,
) -> Result<bool, ParseError> {
    let bytes = array.of(block);
    let (entries, flag) = bytes.as_chunks::<SPARSE_ENTRY>();
    for entry in entries {
        if entry.first() == Some(&0) {
            break;
        }
        let (at, length) = entry.split_at(SPARSE_NUMBER);
        match (parse_numeric(at), parse_numeric(length)) {
            (Some(at), Some(length)) => pairs.push((at, length)),
            _ => return Err(ParseError::SparseMap { offset }),
        }
    }
    Ok(flag.first().is_some_and(|&flag| flag > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_reaches_the_next_block() {
        for (size, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), expected);
        }
        assert_eq!(padding(u64::MAX), 1);
    }

    #[test]
    fn both_checksums_differ_by_high_bytes() {
        let mut block = ZERO_BLOCK;
        assert_eq!((checksum(&block), signed_checksum(&block)), (256, 256));
        block[0] = 0xff;
        block[150] = 0xff;
        assert_eq!((checksum(&block), signed_checksum(&block)), (511, 255));
        block = [0xff; BLOCK_SIZE];
        assert_eq!(checksum(&block), 504 * 255 + 256);
        assert_eq!(signed_checksum(&block), -504 + 256);
    }
}
