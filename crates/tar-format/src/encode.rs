//! Chooses the format that can represent a header, and its PAX records (Go: archive/tar/common.go,
//! `allowedFormats`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::number::fits_octal;
use crate::writer::WriteFormat;
use crate::{EntryKind, Header, TarTime, WriteError};

/// Records in the order of writing.
pub(crate) type Records<'h> = BTreeMap<Cow<'h, [u8]>, Cow<'h, [u8]>>;

pub(crate) enum Encoding<'h> {
    Ustar,
    Pax(Records<'h>),
}

const NAME_SIZE: usize = 100;
const PREFIX_SIZE: usize = 155;

const APPLIED_KEYS: [&[u8]; 10] = [
    b"path",
    b"linkpath",
    b"size",
    b"uid",
    b"gid",
    b"uname",
    b"gname",
    b"mtime",
    b"atime",
    b"ctime",
];

/// The modification time as written.
pub(crate) fn written_mtime(header: &Header, format: WriteFormat) -> TarTime {
    match format {
        WriteFormat::Auto => header.mtime.round_to_second(),
        WriteFormat::Pax => header.mtime,
    }
}

/// Chooses between ustar and PAX.
pub(crate) fn choose(header: &Header, format: WriteFormat) -> Result<Encoding<'_>, WriteError> {
    let mut checks = Checks {
        header,
        records: Records::new(),
        fits_ustar: true,
    };
    if header.kind == EntryKind::GlobalHeader {
        checks.all_records()?;
        return Ok(Encoding::Pax(checks.records));
    }
    checks.kind()?;
    checks.text(&header.name, NAME_SIZE, "path");
    checks.text(&header.link_name, NAME_SIZE, "linkpath");
    checks.text(&header.user_name, 32, "uname");
    checks.text(&header.group_name, 32, "gname");
    checks.octal_only(header.mode, "mode")?;
    checks.number(header.uid, 8, "uid");
    checks.number(header.gid, 8, "gid");
    checks.number(header.size, 12, "size");
    checks.octal_only(header.device_major, "devmajor")?;
    checks.octal_only(header.device_minor, "devminor")?;
    checks.time(written_mtime(header, format), "mtime");
    if format == WriteFormat::Pax {
        for (time, key) in [(header.atime, "atime"), (header.ctime, "ctime")] {
            if let Some(time) = time {
                checks.time(time, key);
            }
        }
    }
    checks.other_records()?;
    if checks.fits_ustar {
        Ok(Encoding::Ustar)
    } else {
        Ok(Encoding::Pax(checks.records))
    }
}

struct Checks<'h> {
    header: &'h Header,
    records: Records<'h>,
    fits_ustar: bool,
}

impl<'h> Checks<'h> {
    fn kind(&self) -> Result<(), WriteError> {
        use EntryKind::{BlockDevice, CharDevice, Fifo, GnuSparse, Other, Regular};
        let not_encodable = |field| Err(WriteError::NotEncodable { field });
        let ends_with_slash = self.header.name.ends_with(b"/");
        match self.header.kind {
            Regular | CharDevice | BlockDevice | Fifo | GnuSparse if ends_with_slash => {
                not_encodable("name")
            }
            Other(b'x' | b'L' | b'K') => not_encodable("kind"),
            kind if !kind.is_header_only() && self.header.size < 0 => not_encodable("size"),
            _ => Ok(()),
        }
    }

    fn require(&mut self, key: &'static str, value: impl Into<Cow<'h, [u8]>>) {
        self.records
            .insert(Cow::Borrowed(key.as_bytes()), value.into());
    }

    /// Keeps the caller's record for a field if it agrees with the field.
    fn keep(&mut self, key: &'static str, value: &[u8]) {
        if let Some(set) = self.header.records.get(key.as_bytes())
            && set == value
        {
            self.require(key, set);
        }
    }

    fn text(&mut self, text: &'h [u8], size: usize, key: &'static str) {
        let is_ascii = text.iter().all(|b| b.is_ascii() && *b != 0);
        if !is_ascii || text.len() > size {
            if key != "path" || split_ustar_path(text).is_none() {
                self.fits_ustar = false;
            }
            self.require(key, text);
        }
        self.keep(key, text);
    }

    fn number(&mut self, number: i64, size: usize, key: &'static str) {
        let text = number.to_string().into_bytes();
        self.keep(key, &text);
        if !fits_octal(size, number) {
            self.fits_ustar = false;
            self.require(key, text);
        }
    }

    fn octal_only(&self, number: i64, field: &'static str) -> Result<(), WriteError> {
        if fits_octal(8, number) {
            Ok(())
        } else {
            Err(WriteError::NotEncodable { field })
        }
    }

    fn time(&mut self, time: TarTime, key: &'static str) {
        let is_mtime = key == "mtime";
        let fits = fits_octal(12, time.seconds);
        let text = time.to_pax().into_bytes();
        self.keep(key, &text);
        if !is_mtime || !fits || time.nanoseconds != 0 {
            self.fits_ustar = false;
            self.require(key, text);
        }
    }

    /// Adds the caller's own records, except those that could contradict a field.
    fn other_records(&mut self) -> Result<(), WriteError> {
        if self.header.records.is_empty() {
            return self.check_records();
        }
        self.fits_ustar = false;
        for (key, value) in self.header.records.iter() {
            let is_reserved = APPLIED_KEYS.contains(&key) || key.starts_with(b"GNU.sparse.");
            if !is_reserved {
                self.records
                    .entry(key.into())
                    .or_insert_with(|| value.into());
            }
        }
        self.check_records()
    }

    fn all_records(&mut self) -> Result<(), WriteError> {
        self.records = self
            .header
            .records
            .iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        self.check_records()
    }

    fn check_records(&self) -> Result<(), WriteError> {
        if self
            .records
            .iter()
            .all(|(key, value)| crate::pax::is_valid(key, value))
        {
            return Ok(());
        }
        Err(WriteError::NotEncodable {
            field: "PAX record",
        })
    }
}

/// Splits a long name at a slash into ustar's prefix and name
/// (Go: archive/tar/writer.go, `splitUSTARPath`).
pub(crate) fn split_ustar_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_ascii = path.iter().all(|b| b.is_ascii() && *b != 0);
    if path.len() <= NAME_SIZE || !is_ascii {
        return None;
    }
    let searched = if path.len() > PREFIX_SIZE + 1 {
        path.get(..PREFIX_SIZE + 1)?
    } else {
        path.strip_suffix(b"/").unwrap_or(path)
    };
    let slash = searched.iter().rposition(|&b| b == b'/')?;
    let (prefix, name) = (path.get(..slash)?, path.get(slash + 1..)?);
    let fits =
        !prefix.is_empty() && prefix.len() <= PREFIX_SIZE && (1..=NAME_SIZE).contains(&name.len());
    fits.then_some((prefix, name))
}
