//! This machine's own files as test input.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Result;

/// Visits regular files with one link and an ASCII name, in a fixed order, until `visit` returns
/// false.
pub(crate) fn visit_files(tops: &[&str], visit: &mut dyn FnMut(&Path, u64) -> bool) -> Result {
    for top in tops {
        if !enter(Path::new(top), visit)? {
            break;
        }
    }
    Ok(())
}

fn enter(directory: &Path, visit: &mut dyn FnMut(&Path, u64) -> bool) -> Result<bool> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(true);
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(stat) = fs::symlink_metadata(&path) else {
            continue;
        };
        let goes_on = if stat.is_dir() {
            enter(&path, visit)?
        } else if stat.is_file() && stat.nlink() == 1 && path.as_os_str().is_ascii() {
            visit(&path, stat.len())
        } else {
            true
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes paths for `tar --null --files-from`.
pub(crate) fn write_list(list: &Path, files: &[PathBuf]) -> Result {
    let failed = |error: std::io::Error| format!("{}: {error}", list.display());
    let mut out = BufWriter::new(File::create(list).map_err(failed)?);
    for file in files {
        out.write_all(file.as_os_str().as_bytes()).map_err(failed)?;
        out.write_all(b"\0").map_err(failed)?;
    }
    out.flush().map_err(failed)
}
