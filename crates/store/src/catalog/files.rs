//! Reads whole files with a limit, and small helpers for files beside records.

use std::fs::File;
use std::io;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use layerhold_sys::{Dir, PathError, Result, remove_tree, stat_file, under_lock_on_purpose};
use layerhold_tar_split::Recorder;

/// Reads a regular file to its end; `None` when it is longer than `limit` bytes.
pub(crate) fn read_all(file: File, limit: u64, path: &Path) -> Result<Option<Vec<u8>>> {
    let stat = stat_file(&file)?;
    let failed = |cause| PathError::new("read", path, cause);
    if !stat.is_file() {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size.min(limit)).unwrap_or(0));
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let short_enough = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    Ok(short_enough.then_some(bytes))
}

/// Completes and flushes a buffered tar-split file.
pub(crate) fn finish(recorder: Recorder<BufWriter<File>>, path: &Path) -> io::Result<()> {
    let mut buffer = recorder.finish().map_err(io::Error::other)?;
    buffer
        .flush()
        .map_err(|cause| io::Error::other(PathError::new("write", path, cause)))
}

/// Removes a small directory below the run root. It cannot be renamed into a temporary area first:
/// those are on another filesystem.
pub(crate) fn remove_below(path: &Path, id: &str) -> Result<()> {
    match Dir::open_ambient(path) {
        Ok(dir) => under_lock_on_purpose("it is small", || remove_tree(&dir, id)),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
