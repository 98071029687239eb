//! A file that gets its name when it is complete.

use std::fs::Metadata;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::SaveError;
use crate::copy::PIECE;

/// A file that is written beside its final place.
#[derive(Debug)]
pub(super) struct FileTarget {
    path: PathBuf,
    kind: Destination,
}

#[derive(Debug)]
enum Destination {
    /// A regular file, still under a temporary name.
    Temporary(BufWriter<NamedTempFile>),
    /// A pipe, a terminal, a device or an unlinked file, which is written in place.
    Direct(BufWriter<std::fs::File>),
}

/// How many links are followed from one to the next, as the kernel does.
const MAX_LINKS: usize = 40;

impl FileTarget {
    pub(super) fn create(path: &Path) -> Result<Self, SaveError> {
        let error = |source| SaveError::Write {
            path: path.to_owned(),
            source,
        };
        let place = followed(path).map_err(error)?;
        let kind = if is_written_as_it_is(path, &place) {
            let file = std::fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(path)
                .map_err(error)?;
            Destination::Direct(BufWriter::with_capacity(PIECE, file))
        } else {
            let parent = place.parent().filter(|p| !p.as_os_str().is_empty());
            let file = tempfile::Builder::new()
                .prefix(".layerhold-save-")
                .permissions(std::fs::Permissions::from_mode(0o644))
                .tempfile_in(parent.unwrap_or(Path::new(".")))
                .map_err(error)?;
            Destination::Temporary(BufWriter::with_capacity(PIECE, file))
        };
        Ok(FileTarget { path: place, kind })
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        match &mut self.kind {
            Destination::Temporary(file) => file,
            Destination::Direct(file) => file,
        }
    }

    /// Gives the file its name, after its contents are on the disk.
    pub(super) fn publish(self) -> Result<(), SaveError> {
        let path = self.path;
        let error = |source| SaveError::Write {
            path: path.clone(),
            source,
        };
        match self.kind {
            Destination::Direct(mut file) => file.flush().map_err(error),
            Destination::Temporary(file) => {
                let file = file.into_inner().map_err(|e| error(e.into_error()))?;
                file.as_file().sync_data().map_err(error)?;
                file.persist(&path).map_err(|e| error(e.error))?;
                Ok(())
            }
        }
    }
}

/// The target of a path with symbolic links at its end resolved: the link stays, and its target is
/// replaced.
fn followed(path: &Path) -> std::io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&place) else {
            return Ok(place);
        };
        place = match place.parent() {
            Some(parent) => parent.join(target),
            None => target,
        };
    }
    // For a loop of links the kernel returns the error.
    std::fs::metadata(path).map(|_| place)
}

/// Whether a file is written in place: pipes and devices, and open files that links in `/proc` lead
/// to. Such a file may be unlinked, and its readers have it open.
fn is_written_as_it_is(path: &Path, place: &Path) -> bool {
    let Ok(there) = std::fs::metadata(path) else {
        return false;
    };
    let is_same = |named: Metadata| (named.dev(), named.ino()) == (there.dev(), there.ino());
    !there.is_file() || is_open_file(path) || !std::fs::metadata(place).is_ok_and(is_same)
}

/// Whether a path leads through the open files of a process, as `/dev/fd/3` does.
fn is_open_file(path: &Path) -> bool {
    let in_proc = |path: &Path| {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        parent.is_some_and(|parent| parent.starts_with("/proc"))
    };
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        if in_proc(&place) {
            return true;
        }
        match (std::fs::read_link(&place), place.parent()) {
            (Ok(target), Some(parent)) => place = parent.join(target),
            _ => return false,
        }
    }
    false
}
