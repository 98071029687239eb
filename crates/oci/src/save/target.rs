//! A file that appears under its name when it is complete.

use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::SaveError;
use crate::copy::PIECE;

/// A file being written beside the place where it will be.
#[derive(Debug)]
pub(super) struct FileTarget {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A regular file, still under a temporary name.
    Temporary(BufWriter<NamedTempFile>),
    /// A pipe, a terminal or a device, which is written to as it is.
    Direct(BufWriter<std::fs::File>),
}

impl FileTarget {
    pub(super) fn create(path: &Path) -> Result<Self, SaveError> {
        let error = |source| SaveError::Write {
            path: path.to_owned(),
            source,
        };
        let special = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let kind = if special {
            let file = std::fs::OpenOptions::new()
                .write(true)
                .open(path)
                .map_err(error)?;
            Kind::Direct(BufWriter::with_capacity(PIECE, file))
        } else {
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
            let file = tempfile::Builder::new()
                .prefix(".layerhold-save-")
                .permissions(std::fs::Permissions::from_mode(0o644))
                .tempfile_in(parent.unwrap_or(Path::new(".")))
                .map_err(error)?;
            Kind::Temporary(BufWriter::with_capacity(PIECE, file))
        };
        Ok(FileTarget {
            path: path.to_owned(),
            kind,
        })
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        match &mut self.kind {
            Kind::Temporary(file) => file,
            Kind::Direct(file) => file,
        }
    }

    /// Gives the file its name, once its contents are on the disk.
    pub(super) fn publish(self) -> Result<(), SaveError> {
        let path = self.path;
        let error = |source| SaveError::Write {
            path: path.clone(),
            source,
        };
        match self.kind {
            Kind::Direct(mut file) => file.flush().map_err(error),
            Kind::Temporary(file) => {
                let file = file.into_inner().map_err(|e| error(e.into_error()))?;
                file.as_file().sync_data().map_err(error)?;
                file.persist(&path).map_err(|e| error(e.error))?;
                Ok(())
            }
        }
    }
}
