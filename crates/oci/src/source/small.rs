//! Reading small files of a source.

use std::io::Read;
use std::path::PathBuf;

use super::error::SourceError;
use crate::manifest::MAX_MANIFEST_SIZE;
use crate::section::Section;

/// Reads a whole small file of a source.
pub(super) fn read_small(
    name: &str,
    mut section: Section,
    limit: u64,
) -> Result<Vec<u8>, SourceError> {
    let size = section.len();
    if size > limit {
        return Err(SourceError::TooLarge {
            name: name.to_owned(),
            size,
            limit,
        });
    }
    let mut bytes = Vec::new();
    section
        .read_to_end(&mut bytes)
        .map_err(|source| SourceError::Read {
            path: PathBuf::from(name),
            source,
        })?;
    Ok(bytes)
}

/// Reads a manifest or an index: a file of at most [`MAX_MANIFEST_SIZE`] bytes.
pub(super) fn read_manifest(name: &str, section: Section) -> Result<Vec<u8>, SourceError> {
    read_small(name, section, MAX_MANIFEST_SIZE)
}
