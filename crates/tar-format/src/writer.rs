use std::io::Write;

use crate::block::{self, BLOCK_SIZE, Block, ZERO_BLOCK, padding};
use crate::encode::{self, Encoding};
use crate::number::write_octal;
use crate::path::clean_path;
use crate::{EntryKind, Header, WriteError};

/// The longest PAX extension that Go and libarchive can read.
const LONGEST_RECORDS: u64 = 1 << 20;

/// The header format of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteFormat {
    /// ustar if it can represent everything, PAX otherwise. Modification times are rounded to the
    /// second; access and change times are left out. Go calls this `FormatUnknown`.
    #[default]
    Auto,
    /// Like `Auto`, but with PAX records for times that need them. Go calls this `FormatPAX`.
    Pax,
}

/// Writes an archive, byte for byte as Go's `archive/tar` does.
///
/// See [`Parser`](crate::Parser) for an example.
#[derive(Debug)]
pub struct Writer<W> {
    destination: W,
    /// Bytes of the current entry's content that are still missing.
    remaining: u64,
    size: u64,
    padding: u64,
    /// Extension and header block of one entry, written together.
    head: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer at the start of an archive.
    ///
    /// Each header is one write and content is passed on unbuffered, so a destination that is slow
    /// for short writes should be buffered.
    pub fn new(destination: W) -> Self {
        Self {
            destination,
            remaining: 0,
            size: 0,
            padding: 0,
            head: Vec::new(),
        }
    }

    /// Writes a header in the format [`WriteFormat::Auto`]. `header.size` bytes of content must
    /// follow, unless the kind has none.
    ///
    /// # Errors
    ///
    /// [`WriteError::MissingContent`] if the previous entry is incomplete. Fails also if no format
    /// can represent the header, or the destination fails.
    pub fn write_header(&mut self, header: &Header) -> Result<(), WriteError> {
        self.write_header_as(header, WriteFormat::Auto)
    }

    /// Writes a header in the given format.
    ///
    /// # Errors
    ///
    /// See [`write_header`](Self::write_header).
    pub fn write_header_as(
        &mut self,
        header: &Header,
        format: WriteFormat,
    ) -> Result<(), WriteError> {
        self.finish_entry()?;
        self.head.clear();
        match encode::choose(header, format)? {
            Encoding::Ustar => ustar_block(header, format, &mut self.head),
            Encoding::Pax(records) => {
                pax_extension(header, &records, &mut self.head)?;
                if header.kind != EntryKind::GlobalHeader {
                    self.head
                        .extend_from_slice(&plain_block(header, format, &to_ascii));
                }
            }
        }
        self.destination
            .write_all(&self.head)
            .map_err(WriteError::Destination)?;
        self.size = header.content_size();
        self.remaining = self.size;
        self.padding = padding(self.size);
        Ok(())
    }

    /// Writes content of the current entry.
    ///
    /// # Errors
    ///
    /// [`WriteError::TooMuchContent`] if it exceeds the size in the header; nothing is written
    /// then.
    pub fn write_content(&mut self, data: &[u8]) -> Result<(), WriteError> {
        let Some(remaining) = self.remaining.checked_sub(data.len() as u64) else {
            return Err(WriteError::TooMuchContent { size: self.size });
        };
        self.destination
            .write_all(data)
            .map_err(WriteError::Destination)?;
        self.remaining = remaining;
        Ok(())
    }

    /// Writes the padding of the current entry. The next header and the end do so as well.
    ///
    /// # Errors
    ///
    /// [`WriteError::MissingContent`] if content is missing.
    pub fn finish_entry(&mut self) -> Result<(), WriteError> {
        if self.remaining > 0 {
            return Err(WriteError::MissingContent {
                missing: self.remaining,
            });
        }
        let zeros = usize::try_from(self.padding)
            .ok()
            .and_then(|size| ZERO_BLOCK.get(..size));
        self.destination
            .write_all(zeros.unwrap_or_default())
            .map_err(WriteError::Destination)?;
        self.padding = 0;
        Ok(())
    }

    /// Ends the archive with two zero blocks and returns the destination without flushing it.
    ///
    /// # Errors
    ///
    /// See [`finish_entry`](Self::finish_entry).
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.finish_entry()?;
        let zeros = [0; 2 * BLOCK_SIZE];
        self.destination
            .write_all(&zeros)
            .map_err(WriteError::Destination)?;
        Ok(self.destination)
    }

    /// The destination.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.destination
    }
}

/// Writes content of the current entry; too much of it is an error.
impl<W: Write> Write for Writer<W> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.write_content(data)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.destination.flush()
    }
}

fn ustar_block(header: &Header, format: WriteFormat, out: &mut Vec<u8>) {
    let mut block = match encode::split_ustar_path(&header.name) {
        Some((prefix, name)) => {
            let mut block = fields(header, format, &|text| text.to_vec());
            write_text(block::NAME.of_mut(&mut block), name);
            write_text(block::PREFIX.of_mut(&mut block), prefix);
            block
        }
        None => fields(header, format, &|text| text.to_vec()),
    };
    seal(&mut block);
    out.extend_from_slice(&block);
}

fn plain_block(header: &Header, format: WriteFormat, text: &dyn Fn(&[u8]) -> Vec<u8>) -> Block {
    let mut block = fields(header, format, text);
    seal(&mut block);
    block
}

/// Sets all fields except prefix, magic and checksum. Values that do not fit are in PAX records.
fn fields(header: &Header, format: WriteFormat, text: &dyn Fn(&[u8]) -> Vec<u8>) -> Block {
    let mut block = ZERO_BLOCK;
    block::TYPE_FLAG.of_mut(&mut block).fill(header.kind.flag());
    let texts = [
        (block::NAME, &header.name),
        (block::LINK_NAME, &header.link_name),
        (block::USER_NAME, &header.user_name),
        (block::GROUP_NAME, &header.group_name),
    ];
    for (field, value) in texts {
        write_text(field.of_mut(&mut block), &text(value));
    }
    let numbers = [
        (block::MODE, header.mode),
        (block::UID, header.uid),
        (block::GID, header.gid),
        (block::SIZE, header.size),
        (block::MTIME, encode::written_mtime(header, format).seconds),
        (block::DEVICE_MAJOR, header.device_major),
        (block::DEVICE_MINOR, header.device_minor),
    ];
    for (field, value) in numbers {
        write_octal(field.of_mut(&mut block), value);
    }
    block
}

/// Writes magic, version and checksum.
fn seal(block: &mut Block) {
    block::MAGIC
        .of_mut(block)
        .copy_from_slice(block::MAGIC_USTAR);
    block::VERSION
        .of_mut(block)
        .copy_from_slice(block::VERSION_USTAR);
    let sum = block::checksum(block);
    // Only the checksum ends with NUL and space.
    if let Some((space, digits)) = block::CHECKSUM.of_mut(block).split_last_mut() {
        write_octal(digits, sum);
        *space = b' ';
    }
}

/// Writes a PAX extension header, with records and padding.
fn pax_extension(
    header: &Header,
    records: &encode::Records<'_>,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    let is_global = header.kind == EntryKind::GlobalHeader;
    if records.is_empty() && !is_global {
        return Ok(());
    }
    let mut body = Vec::new();
    for (key, value) in records {
        crate::pax::write_record(&mut body, key, value);
    }
    let size = body.len() as u64;
    if size > LONGEST_RECORDS {
        return Err(WriteError::RecordsTooLong {
            size,
            limit: LONGEST_RECORDS,
        });
    }
    let (flag, name) = match (is_global, header.name.as_slice()) {
        (true, b"") => (b'g', b"GlobalHead.0.0".to_vec()),
        (true, name) => (b'g', name.to_vec()),
        (false, name) => (b'x', extension_name(name)),
    };
    out.extend_from_slice(&extension_block(flag, &name, size));
    out.extend_from_slice(&body);
    out.resize(out.len() + padding(size) as usize, 0);
    Ok(())
}

/// `dir/file` becomes `dir/PaxHeaders.0/file` (Go: archive/tar/writer.go, `writePAXHeader`).
fn extension_name(name: &[u8]) -> Vec<u8> {
    let slash = name.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (directory, file) = name.split_at_checked(slash).unwrap_or((&[], name));
    let parts: Vec<&[u8]> = [directory, b"PaxHeaders.0", file]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    clean_path(&parts.join(&b'/'))
}

/// The header block of an extension: all other fields except the size are zero.
fn extension_block(flag: u8, name: &[u8], size: u64) -> Block {
    let mut block = ZERO_BLOCK;
    block::TYPE_FLAG.of_mut(&mut block).fill(flag);
    let mut name = to_ascii(name);
    name.truncate(block::NAME.of(&block).len());
    let end = name.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    name.truncate(end);
    write_text(block::NAME.of_mut(&mut block), &name);
    for field in [block::MODE, block::UID, block::GID, block::MTIME] {
        write_octal(field.of_mut(&mut block), 0);
    }
    write_octal(block::SIZE.of_mut(&mut block), size.cast_signed());
    seal(&mut block);
    block
}

/// Writes text, cut to the length of the field, with a NUL if there is room.
///
/// A cut name must not end with a slash, or buggy readers take the file for a directory (Go:
/// archive/tar/strconv.go, `formatString`).
fn write_text(field: &mut [u8], text: &[u8]) {
    field.fill(0);
    let is_cut = text.len() > field.len();
    field
        .iter_mut()
        .zip(text)
        .for_each(|(to, from)| *to = *from);
    if is_cut && field.last() == Some(&b'/') {
        let end = field
            .iter()
            .rposition(|&b| b != b'/')
            .map_or(0, |at| at + 1);
        if let Some(byte) = field.get_mut(end) {
            *byte = 0;
        }
    }
}

/// Drops NUL and everything that is not ASCII.
fn to_ascii(text: &[u8]) -> Vec<u8> {
    text.iter()
        .copied()
        .filter(|b| b.is_ascii() && *b != 0)
        .collect()
}
