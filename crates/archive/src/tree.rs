//! Sorted directory listings for walks.

use std::ffi::OsString;

use layerhold_sys::{Dir, FileType, PathError};

/// An entry of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: OsString,
    pub(crate) file_type: FileType,
    pub(crate) ino: u64,
}

/// The entries of a directory, sorted by name.
pub(crate) fn sorted_entries(dir: &Dir) -> Result<Vec<Named>, PathError> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        names.push(Named {
            name: entry.name,
            file_type: entry.file_type,
            ino: entry.ino,
        });
    }
    names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(names)
}

/// Appends a name to a path.
pub(crate) fn push(path: &mut Vec<u8>, name: &OsString) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.as_encoded_bytes());
}
