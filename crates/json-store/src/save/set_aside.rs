//! Side files for damaged bytes that a save must replace.
//!
//! The bytes of `layers.json` go into `layers.json.damaged-HASH` beside it, HASH being a hash of
//! the bytes, so that saving the same bytes twice writes one file. If a file of that name holds
//! other bytes, a number is added (`-1`, `-2`, ...): a side file is never replaced. It is durable
//! before the record file changes. No tool reads or removes it; it may be deleted by hand.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use layerhold_sys::{Dir, Durability, MetadataIo, Result};

use crate::LocationId;
use crate::hash::hash;

pub(crate) const INFIX: &str = ".damaged-";

/// Permissions of side files, those of record files.
const MODE: u32 = 0o600;

/// Bytes to be put into a side file.
#[derive(Clone)]
pub(crate) struct SetAside {
    pub(crate) location: LocationId,
    bytes: Vec<u8>,
}

impl fmt::Debug for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetAside")
            .field("location", &self.location)
            .field("bytes", &String::from_utf8_lossy(&self.bytes))
            .finish()
    }
}

impl SetAside {
    pub(crate) fn new(location: LocationId, bytes: Vec<u8>) -> Self {
        Self { location, bytes }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Makes sure that the bytes are in a side file of `file`.
pub(crate) fn keep(io: &dyn MetadataIo, dir: &Dir, file: &OsStr, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut base = prefix(file);
    base.push(format!("{:016x}", hash(bytes)));
    let mut name = base.clone();
    // This ends, because each turn finds another existing file.
    let mut number = 0_u64;
    while let Some(stat) = dir.stat(&name)? {
        if stat.is_file() && stat.size == bytes.len() as u64 && holds(io, dir, &name, bytes) {
            // Its writer may have been stopped before its name was durable.
            return io.sync_dir(dir);
        }
        number += 1;
        name.clone_from(&base);
        name.push(format!("-{number}"));
    }
    io.replace(dir, &name, MODE, &[bytes], Durability::Durable)
}

/// Whether a file holds exactly these bytes. A file that cannot be read counts as another one.
fn holds(io: &dyn MetadataIo, dir: &Dir, name: &OsStr, bytes: &[u8]) -> bool {
    let content = io.read(dir, name, bytes.len() as u64);
    content.is_ok_and(|content| content.is_some_and(|content| content == bytes))
}

/// The side files of `file`.
pub(crate) fn list(dir: &Dir, file: &OsStr) -> Result<Vec<PathBuf>> {
    let prefix = prefix(file);
    let mut files = Vec::new();
    for entry in dir.entries()? {
        let name = entry?.name;
        if name.as_bytes().starts_with(prefix.as_bytes()) {
            files.push(dir.path().join(name));
        }
    }
    Ok(files)
}

fn prefix(file: &OsStr) -> OsString {
    let mut name = file.to_owned();
    name.push(INFIX);
    name
}
