//! The files of a source: opened below a directory, and small ones read.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use layerhold_ids::Digest;
use layerhold_sys::Dir;

use super::error::SourceError;
use crate::digest::digest_of;
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

/// Reads a small blob and checks its digest.
pub(super) fn read_verified(
    digest: &Digest,
    section: Section,
    limit: u64,
) -> Result<Vec<u8>, SourceError> {
    let bytes = read_small(digest.as_str(), section, limit)?;
    let actual = digest_of(digest.algorithm(), &bytes);
    if actual != *digest {
        return Err(SourceError::DigestMismatch {
            expected: digest.clone(),
            actual,
        });
    }
    Ok(bytes)
}

/// Opens a regular file below a directory. Symbolic links are never followed.
pub(super) fn open_below(dir: &Dir, components: &[&str]) -> Result<Option<Section>, SourceError> {
    let Some((name, parents)) = components.split_last() else {
        return Ok(None);
    };
    let mut dir = dir.clone();
    for parent in parents {
        match dir.open_dir(parent) {
            Ok(below) => dir = below,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let file = match dir.open_file(name) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata().map_err(|source| SourceError::Read {
        path: dir.path().join(name),
        source,
    })?;
    if !metadata.is_file() {
        return Err(SourceError::Read {
            path: dir.path().join(name),
            source: std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ),
        });
    }
    Ok(Some(Section::new(Arc::new(file), 0, metadata.len())))
}
