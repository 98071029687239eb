//! Contents of a layer that are in an additional layer store: a symbolic link to the tree in place
//! of `diff`, and the path of the store's layer in the file `additionallayer`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use layerhold_driver::LayerError;
use layerhold_sys::{Dir, Durability, FileType, PathError, publish};

use crate::disk::{ADDITIONAL_LAYER, DIFF, FILE_MODE};

/// A path is no longer than this.
const LONGEST_PATH: u64 = 4096;

/// Where the contents of a layer are, by its `diff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Diff {
    /// There is no `diff`.
    Missing,
    /// In the directory of the layer.
    Here,
    /// In a directory that another program shows.
    External(PathBuf),
}

impl Diff {
    pub(super) fn read(dir: &Dir) -> Result<Self, PathError> {
        match dir.stat(DIFF)? {
            Some(stat) if stat.file_type() == FileType::Symlink => {}
            Some(_) => return Ok(Self::Here),
            None => return Ok(Self::Missing),
        }
        let target = dir.read_link(DIFF)?;
        if !target.is_absolute() {
            let cause = std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("linkpath must be absolute (got: {:?})", target.display()),
            );
            return Err(PathError::new("follow", dir.path().join(DIFF), cause));
        }
        Ok(Self::External(target))
    }
}

/// Makes the entries of a layer's directory that stand for its contents, and opens the contents.
pub(crate) fn link_external(dir: &Dir, path: &Path) -> Result<Dir, LayerError> {
    let contents = path.join(DIFF);
    dir.symlink(&contents, DIFF)?;
    let text = path.as_os_str().as_bytes();
    publish(
        dir,
        ADDITIONAL_LAYER,
        FILE_MODE,
        &[text],
        Durability::Volatile,
    )?;
    Dir::open_ambient(&contents).map_err(external_error(path))
}

/// The path of the additional layer that has the contents of a layer.
pub(crate) fn noted_external(dir: &Dir) -> Result<Option<PathBuf>, PathError> {
    let text = dir.read_file(ADDITIONAL_LAYER, LONGEST_PATH)?;
    let path = text.map(|text| PathBuf::from(OsString::from_vec(text)));
    Ok(path.filter(|path| path.is_absolute()))
}

/// Converts an error about the additional layer at `path`. "Not found", and what the mount of a
/// dead program answers instead, become [`LayerError::ExternalMissing`].
pub(crate) fn external_error(path: &Path) -> impl FnOnce(PathError) -> LayerError {
    /// "Transport endpoint is not connected".
    const NOT_CONNECTED: i32 = 107;
    let path = path.to_owned();
    move |error| match error.raw_os_error() {
        _ if error.is_not_found() => LayerError::ExternalMissing { path },
        Some(NOT_CONNECTED) => LayerError::ExternalMissing { path },
        _ => error.into(),
    }
}
