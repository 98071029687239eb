//! Side files for damaged bytes that a save must replace.
//!
//! The bytes of `layers.json` go into `layers.json.damaged-HASH` beside it, HASH
//! being a hash of the bytes, so that saving the same bytes twice makes one file
//! and different bytes never replace each other. The file is durable before
//! the record file changes. No tool reads or removes it; it may be deleted by hand.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use layerhold_sys::{Dir, Durability, MetadataIo, Result};

use crate::LocationId;
use crate::document::hash;

const INFIX: &str = ".damaged-";

/// Bytes to be put into a side file.
#[derive(Clone, Debug)]
pub(crate) struct SetAside {
    pub(crate) location: LocationId,
    bytes: Vec<u8>,
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
    let mut name = prefix(file);
    name.push(format!("{:016x}", hash(bytes)));
    if let Some(stat) = dir.stat(&name)?
        && stat.size == bytes.len() as u64
    {
        return Ok(());
    }
    io.replace(dir, &name, 0o600, &[bytes], Durability::Durable)
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
