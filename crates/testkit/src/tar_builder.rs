//! Builds tar archives byte by byte, including malformed ones.

use std::fmt::Write as _;

const BLOCK: usize = 512;

/// The header format of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TarFormat {
    /// POSIX.1-2001: ustar, with an extended header for values that do not fit.
    #[default]
    Pax,
    /// POSIX.1-1988; a value that does not fit is a mistake of the test.
    Ustar,
    /// GNU: `L` and `K` entries for long names, base-256 numbers.
    Gnu,
    /// The oldest one, without magic.
    V7,
}

/// The type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarKind {
    /// Regular file.
    File,
    /// Hard link to an earlier entry.
    HardLink,
    /// Symbolic link.
    Symlink,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
    /// Directory.
    Directory,
    /// Named pipe.
    Fifo,
    /// Any type flag at all.
    Other(u8),
}

impl TarKind {
    fn flag(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::HardLink => b'1',
            Self::Symlink => b'2',
            Self::CharDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
            Self::Other(flag) => flag,
        }
    }
}

/// One entry; every field can be set to anything.
#[derive(Debug, Clone)]
#[must_use]
pub struct TarEntry {
    name: Vec<u8>,
    link: Vec<u8>,
    kind: TarKind,
    mode: u32,
    owner: (u64, u64),
    names: (String, String),
    mtime: i64,
    device: (u64, u64),
    content: Vec<u8>,
    size: Option<u64>,
    format: TarFormat,
    pax: Vec<(Vec<u8>, Vec<u8>)>,
    bad_checksum: bool,
}

impl TarEntry {
    /// An entry of any type, mode 0644, owned by root, with time 0.
    pub fn new(kind: TarKind, name: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            link: Vec::new(),
            kind,
            mode: 0o644,
            owner: (0, 0),
            names: (String::new(), String::new()),
            mtime: 0,
            device: (0, 0),
            content: Vec::new(),
            size: None,
            format: TarFormat::default(),
            pax: Vec::new(),
            bad_checksum: false,
        }
    }

    /// A regular file.
    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let mut entry = Self::new(TarKind::File, name);
        entry.content = content.as_ref().to_vec();
        entry
    }

    /// A directory, mode 0755. A slash is appended to the name, as every tar writer does.
    pub fn dir(name: impl AsRef<[u8]>) -> Self {
        let mut name = name.as_ref().to_vec();
        if name.last() != Some(&b'/') {
            name.push(b'/');
        }
        Self::new(TarKind::Directory, name).mode(0o755)
    }

    /// A symbolic link.
    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(TarKind::Symlink, name).link(target).mode(0o777)
    }

    /// A hard link to the earlier entry `target`.
    pub fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(TarKind::HardLink, name).link(target)
    }

    /// A named pipe.
    pub fn fifo(name: impl AsRef<[u8]>) -> Self {
        Self::new(TarKind::Fifo, name)
    }

    /// A character device.
    pub fn char_device(name: impl AsRef<[u8]>, major: u64, minor: u64) -> Self {
        Self {
            device: (major, minor),
            ..Self::new(TarKind::CharDevice, name)
        }
    }

    /// A block device.
    pub fn block_device(name: impl AsRef<[u8]>, major: u64, minor: u64) -> Self {
        Self {
            device: (major, minor),
            ..Self::new(TarKind::BlockDevice, name)
        }
    }

    /// Sets the content, for any type.
    pub fn content(mut self, content: impl AsRef<[u8]>) -> Self {
        self.content = content.as_ref().to_vec();
        self
    }

    /// Sets the link target.
    pub fn link(mut self, target: impl AsRef<[u8]>) -> Self {
        self.link = target.as_ref().to_vec();
        self
    }

    /// Sets the permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets user and group.
    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.owner = (uid, gid);
        self
    }

    /// Sets the names of user and group.
    pub fn owner_names(mut self, user: &str, group: &str) -> Self {
        self.names = (user.to_owned(), group.to_owned());
        self
    }

    /// Sets the modification time in whole seconds.
    pub fn mtime(mut self, seconds: i64) -> Self {
        self.mtime = seconds;
        self
    }

    /// Sets the modification time with nanoseconds, which takes an extended header. Not before
    /// 1970.
    pub fn mtime_nanos(self, seconds: u32, nanos: u32) -> Self {
        let text = format!("{seconds}.{nanos:09}");
        self.mtime(seconds.into())
            .pax("mtime", text.trim_end_matches('0'))
    }

    /// Adds an extended attribute, by an extended header `SCHILY.xattr.NAME`.
    pub fn xattr(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.pax([b"SCHILY.xattr.", name.as_ref()].concat(), value)
    }

    /// Adds an extended header record, valid or not.
    pub fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.pax
            .push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Sets a size in the header that differs from the content's.
    pub fn claim_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Sets the header format.
    pub fn format(mut self, format: TarFormat) -> Self {
        self.format = format;
        self
    }

    /// Makes the checksum wrong.
    pub fn bad_checksum(mut self) -> Self {
        self.bad_checksum = true;
        self
    }

    /// The entry alone: its headers and its padded content.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self.format {
            TarFormat::Pax => self.write_pax(out),
            TarFormat::Gnu => self.write_gnu_names(out),
            TarFormat::Ustar | TarFormat::V7 => {}
        }
        out.extend_from_slice(&self.header());
        write_padded(out, &self.content);
    }

    fn write_pax(&self, out: &mut Vec<u8>) {
        let mut records = Vec::new();
        if self.split_name().is_none() {
            push_record(&mut records, b"path", &self.name);
        }
        if self.link.len() > 100 {
            push_record(&mut records, b"linkpath", &self.link);
        }
        for (key, id) in [("uid", self.owner.0), ("gid", self.owner.1)] {
            if id > 0o7_777_777 {
                push_record(&mut records, key.as_bytes(), id.to_string().as_bytes());
            }
        }
        for (key, value) in &self.pax {
            push_record(&mut records, key, value);
        }
        if !records.is_empty() {
            Self {
                content: records,
                ..Self::new(TarKind::Other(b'x'), "PaxHeaders.0/entry")
            }
            .format(TarFormat::Ustar)
            .write(out);
        }
    }

    fn write_gnu_names(&self, out: &mut Vec<u8>) {
        for (flag, name) in [(b'K', &self.link), (b'L', &self.name)] {
            if name.len() > 100 {
                let content = [name.as_slice(), b"\0"].concat();
                let long = Self {
                    content,
                    ..Self::new(TarKind::Other(flag), "././@LongLink")
                };
                // In ustar, because the entry that carries a long name must not need one itself.
                long.format(TarFormat::Ustar).write(out);
            }
        }
    }

    /// The name in ustar's two parts, prefix and rest; `None` if it does not fit.
    fn split_name(&self) -> Option<(&[u8], &[u8])> {
        if self.name.len() <= 100 {
            return Some((b"", &self.name));
        }
        let slashes = self
            .name
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/');
        slashes
            .map(|(at, _)| (&self.name[..at], &self.name[at + 1..]))
            .find(|(prefix, rest)| prefix.len() <= 155 && !rest.is_empty() && rest.len() <= 100)
    }

    fn header(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let (prefix, name) = match self.format {
            TarFormat::Ustar | TarFormat::Pax => self.split_name().unwrap_or((b"", &self.name)),
            TarFormat::Gnu | TarFormat::V7 => (&b""[..], self.name.as_slice()),
        };
        let size = self.size.unwrap_or(self.content.len() as u64);
        put(&mut block[..100], name);
        self.put_number(&mut block[100..108], self.mode.into());
        self.put_number(&mut block[108..116], self.owner.0);
        self.put_number(&mut block[116..124], self.owner.1);
        self.put_number(&mut block[124..136], size);
        self.put_time(&mut block[136..148]);
        block[156] = self.kind.flag();
        put(&mut block[157..257], &self.link);
        match self.format {
            TarFormat::V7 => {}
            TarFormat::Gnu => put(&mut block[257..265], b"ustar  "),
            TarFormat::Pax | TarFormat::Ustar => put(&mut block[257..265], b"ustar\x0000"),
        }
        if self.format != TarFormat::V7 {
            put(&mut block[265..297], self.names.0.as_bytes());
            put(&mut block[297..329], self.names.1.as_bytes());
            self.put_number(&mut block[329..337], self.device.0);
            self.put_number(&mut block[337..345], self.device.1);
            put(&mut block[345..500], prefix);
        }
        self.put_checksum(&mut block);
        block
    }

    fn put_number(&self, field: &mut [u8], value: u64) {
        let digits = field.len() - 1;
        if value < 1 << (3 * digits) {
            put(field, format!("{value:0digits$o}").as_bytes());
        } else if self.format == TarFormat::Gnu || digits == 11 {
            // Base-256, marked by the top bit of the field. Every format here writes sizes above 8
            // GiB this way.
            let bytes = value.to_be_bytes();
            let room = bytes.len().min(digits);
            let start = field.len() - room;
            field[start..].copy_from_slice(&bytes[bytes.len() - room..]);
            field[0] = 0x80;
        }
        // Otherwise the extended header has the value and the field stays empty.
    }

    fn put_time(&self, field: &mut [u8]) {
        match u64::try_from(self.mtime) {
            Ok(seconds) => self.put_number(field, seconds),
            Err(_) => {
                field[..4].fill(0xff);
                field[4..].copy_from_slice(&self.mtime.to_be_bytes());
            }
        }
    }

    fn put_checksum(&self, block: &mut [u8; BLOCK]) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let sum = sum + u32::from(self.bad_checksum);
        put(&mut block[148..156], format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Builds an archive, entry by entry.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct TarBuilder {
    bytes: Vec<u8>,
}

impl TarBuilder {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry.
    pub fn entry(mut self, entry: TarEntry) -> Self {
        entry.write(&mut self.bytes);
        self
    }

    /// Adds a directory.
    pub fn dir(self, name: impl AsRef<[u8]>, mode: u32) -> Self {
        self.entry(TarEntry::dir(name).mode(mode))
    }

    /// Adds a regular file.
    pub fn file(self, name: impl AsRef<[u8]>, mode: u32, content: impl AsRef<[u8]>) -> Self {
        self.entry(TarEntry::file(name, content).mode(mode))
    }

    /// Adds a symbolic link.
    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(TarEntry::symlink(name, target))
    }

    /// Adds a hard link.
    pub fn hard_link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(TarEntry::hard_link(name, target))
    }

    /// Adds a whiteout for `name`: an empty file `.wh.NAME` beside it.
    pub fn whiteout(self, name: &str) -> Self {
        let (directory, base) = name
            .rsplit_once('/')
            .map_or(("", name), |(before, base)| (before, base));
        let separator = if directory.is_empty() { "" } else { "/" };
        self.file(format!("{directory}{separator}.wh.{base}"), 0o644, "")
    }

    /// Adds an opaque whiteout for `directory`.
    pub fn opaque(self, directory: &str) -> Self {
        self.file(format!("{directory}/.wh..wh..opq"), 0o644, "")
    }

    /// Adds raw bytes.
    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.bytes.extend_from_slice(bytes.as_ref());
        self
    }

    /// Adds a global extended header.
    pub fn global_pax(self, key: &str, value: &str) -> Self {
        let mut content = Vec::new();
        push_record(&mut content, key.as_bytes(), value.as_bytes());
        let entry = TarEntry {
            content,
            ..TarEntry::new(TarKind::Other(b'g'), "pax_global_header")
        };
        self.entry(entry.format(TarFormat::Ustar))
    }

    /// Ends the archive with two empty blocks.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    /// The archive without its end, as after a broken pipe, and from some writers.
    #[must_use]
    pub fn finish_without_end(self) -> Vec<u8> {
        self.bytes
    }
}

fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

fn write_padded(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Appends `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn push_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    let mut start = String::new();
    write!(start, "{length} ").expect("a string can be written to");
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// Name, link target, type flag, user, content.
    type Read = (Vec<u8>, Vec<u8>, u8, u64, Vec<u8>);

    /// Reads an archive with the `tar` crate, which shares no code with this file.
    fn read_back(bytes: &[u8]) -> Vec<Read> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                let header = entry.header();
                let flag = header.entry_type().as_byte();
                (
                    entry.path_bytes().into_owned(),
                    entry.link_name_bytes().unwrap_or_default().into_owned(),
                    flag,
                    header.uid().unwrap_or(u64::MAX),
                    content,
                )
            })
            .collect()
    }

    #[test]
    fn each_format_reads_back() {
        for format in [
            TarFormat::Pax,
            TarFormat::Ustar,
            TarFormat::Gnu,
            TarFormat::V7,
        ] {
            let bytes = TarBuilder::new()
                .entry(TarEntry::dir("d").format(format))
                .entry(TarEntry::file("d/f", "content").owner(7, 8).format(format))
                .entry(TarEntry::symlink("d/s", "f").format(format))
                .entry(TarEntry::hard_link("d/h", "d/f").format(format))
                .finish();
            let expected: Vec<Read> = vec![
                (b"d/".into(), b"".into(), b'5', 0, b"".into()),
                (b"d/f".into(), b"".into(), b'0', 7, b"content".into()),
                (b"d/s".into(), b"f".into(), b'2', 0, b"".into()),
                (b"d/h".into(), b"d/f".into(), b'1', 0, b"".into()),
            ];
            assert_eq!(read_back(&bytes), expected, "{format:?}");
        }
    }

    #[test]
    fn long_names_read_back() {
        let flat = "n".repeat(300);
        let deep = format!("{}/{}", "d".repeat(120), "f".repeat(90));
        for (name, format) in [
            (&flat, TarFormat::Pax),
            (&flat, TarFormat::Gnu),
            (&deep, TarFormat::Ustar),
            (&deep, TarFormat::Pax),
            (&deep, TarFormat::Gnu),
        ] {
            let bytes = TarBuilder::new()
                .entry(TarEntry::symlink(name, "t".repeat(90)).format(format))
                .finish();
            let read = read_back(&bytes);
            assert_eq!(read[0].0, name.as_bytes(), "{format:?}");
            assert_eq!(read[0].1, "t".repeat(90).as_bytes());
        }
    }

    #[test]
    fn record_lengths_count_themselves() {
        for length in [
            0, 1, 90, 91, 92, 93, 94, 95, 989, 990, 991, 992, 993, 994, 995,
        ] {
            let mut record = Vec::new();
            push_record(&mut record, b"k", &vec![b'v'; length]);
            let digits = record.iter().position(|byte| *byte == b' ').unwrap();
            let told: usize = std::str::from_utf8(&record[..digits])
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(told, record.len(), "value of {length} bytes");
        }
    }

    #[test]
    fn gnu_numbers_past_octal_read_back() {
        let entry = TarEntry::file("f", "")
            .owner(3_000_000, 0)
            .format(TarFormat::Gnu);
        assert_eq!(
            read_back(&TarBuilder::new().entry(entry).finish())[0].3,
            3_000_000
        );
    }
}
