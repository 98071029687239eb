//! Reads and writes authentication files.

use std::io::{self, Read};
use std::path::Path;

use layerhold_sys::{
    Dir, Durability, OpenOptions, PathError, open_ambient_file, publish, stat_file,
};
use zeroize::Zeroizing;

use crate::error::AuthError;

/// The largest file that is read. Usual ones have a few thousand bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Reads a file, following links; `None` if it does not exist. A parent that is a file, such as the
/// home `/dev/null` of some services, counts as that too; Go fails then.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, AuthError> {
    let error = |source| AuthError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match open_ambient_file(path, OpenOptions::read()) {
        Err(error) if error.is_not_found() || error.kind() == io::ErrorKind::NotADirectory => {
            return Ok(None);
        }
        opened => opened.map_err(|cause| error(cause.into_source()))?,
    };
    let stat = stat_file(&file).map_err(|cause| error(cause.into_source()))?;
    if !stat.is_file() {
        let cause = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(error(cause));
    }
    if stat.size > MAX_FILE {
        return Err(error(io::ErrorKind::FileTooLarge.into()));
    }
    // Room for all, so that no copy of a secret is left where the buffer grew.
    let room = usize::try_from(stat.size).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    match read.map_err(error)? as u64 > MAX_FILE {
        true => Err(error(io::ErrorKind::FileTooLarge.into())),
        false => Ok(Some(bytes)),
    }
}

/// Replaces a file atomically and durably, with mode 0600; makes missing directories with mode
/// 0700. A link is replaced, not followed, as Go does.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), AuthError> {
    let error = |source| AuthError::Write {
        path: path.to_owned(),
        source,
    };
    let Some((parent, name)) = path.parent().zip(path.file_name()) else {
        return Err(error(io::ErrorKind::InvalidFilename.into()));
    };
    let written = Dir::create_ambient_all(parent, 0o700)
        .and_then(|parent| publish(&parent, name, 0o600, &[bytes], Durability::Durable));
    written.map_err(PathError::into_source).map_err(error)
}
