//! Removes temporary files: files that were to replace others when their writers died.
//!
//! Every file beside records is written under a name `.tmp-NAMEdigits` and renamed, by this library
//! and by Go's (Go: pkg/ioutils/fswriters.go). The writer holds the lock of the directory's
//! records: `layers.lock` for record files, side files, intents and, in older releases of Go's
//! library, tar-split files; `images.lock` and `containers.lock` for theirs and for the big data
//! items below; `mountpoints.lock` for mount counts. So a temporary file that is found under these
//! locks, held for writing, has no live writer. The one exception is the usage file
//! ([`crate::usage`]), whose writer holds no lock: if its temporary file is removed, the old file
//! stays as it is.
//!
//! Files that callers keep in `userdata` are not touched: no lock tells whether they have a writer.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use layerhold_driver::Trash;
use layerhold_ids::is_canonical_id;
use layerhold_sys::{Dir, FileType, PathError};

use crate::catalog::locks::Locks;
use crate::catalog::transient::Persistence;
use crate::engine::Engine;

/// How their names begin.
const PREFIX: &[u8] = b".tmp-";

/// Which directories are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TemporaryFileScope {
    /// Those with record files.
    BesideRecords,
    /// Also those with big data items, each of which has to be read.
    Everywhere,
}

/// Where a temporary file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    /// On the filesystem of the temporary areas.
    Graph,
    Run,
}

impl Engine {
    /// Lists all of them.
    pub(crate) fn list_temporary_files(
        &self,
        no_writer: &Locks,
    ) -> Result<Vec<PathBuf>, PathError> {
        self.each_temporary_file(no_writer, TemporaryFileScope::Everywhere, |_, _, _| Ok(()))
    }

    /// Moves all of them into temporary areas, and returns their former paths. Those below the run
    /// root are small, and not on the filesystem of the temporary areas. They are removed at once.
    pub(crate) fn discard_temporary_files(
        &self,
        no_writer: &Locks,
        scope: TemporaryFileScope,
        trash: &mut Trash,
    ) -> Result<Vec<PathBuf>, PathError> {
        self.each_temporary_file(no_writer, scope, |root, dir, name| match root {
            Root::Graph => self.discard(dir, name, trash),
            Root::Run => dir.remove_file(name),
        })
    }

    fn each_temporary_file(
        &self,
        no_writer: &Locks,
        scope: TemporaryFileScope,
        mut act: impl FnMut(Root, &Dir, &OsStr) -> Result<(), PathError>,
    ) -> Result<Vec<PathBuf>, PathError> {
        let layout = &self.catalog.layout;
        let mut found = Vec::new();
        let mut visit = |root, dir: &Dir| -> Result<(), PathError> {
            for name in temporary_files(dir)? {
                act(root, dir, &name)?;
                found.push(dir.path().join(name));
            }
            Ok(())
        };
        let dirs = layout.layer_dirs().chain(layout.image_dirs());
        for dir in dirs.chain([&layout.containers]) {
            visit(Root::Graph, dir)?;
            if scope == TemporaryFileScope::Everywhere {
                for items in data_dirs(dir)? {
                    visit(Root::Graph, &items)?;
                }
            }
        }
        if scope == TemporaryFileScope::Everywhere {
            self.in_run_root(no_writer, |dir| visit(Root::Run, dir))?;
        }
        found.sort();
        Ok(found)
    }

    /// Visits the directories of mount counts and, in a transient store, of container records.
    fn in_run_root(
        &self,
        no_writer: &Locks,
        mut visit: impl FnMut(&Dir) -> Result<(), PathError>,
    ) -> Result<(), PathError> {
        let Ok(_no_count_changes) = self.catalog.mounts.write(&no_writer.layers) else {
            return Ok(());
        };
        let containers = Some(&self.catalog.layout.run_containers)
            .filter(|_| self.options.persistence == Persistence::Transient);
        for path in [&self.catalog.layout.run_layers]
            .into_iter()
            .chain(containers)
        {
            match Dir::open_ambient(path) {
                Err(error) if error.is_not_found() => {}
                other => visit(&other?)?,
            }
        }
        Ok(())
    }
}

/// Lists the temporary files in one directory.
pub(crate) fn temporary_files(dir: &Dir) -> Result<Vec<OsString>, PathError> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        if entry.file_type == FileType::File && is_temporary(&entry.name) {
            found.push(entry.name);
        }
    }
    Ok(found)
}

/// Tells whether a name is that of a temporary file, with a random number at its end.
fn is_temporary(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(PREFIX) && bytes.last().is_some_and(u8::is_ascii_digit)
}

/// The directories with big data items.
fn data_dirs(dir: &Dir) -> Result<Vec<Dir>, PathError> {
    let mut dirs = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let is_one = entry.name.to_str().is_some_and(is_canonical_id);
        if is_one && entry.file_type == FileType::Dir {
            dirs.push(dir.open_dir(&entry.name)?);
        }
    }
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_number_at_the_end_are_temporary() {
        for (name, expected) in [
            (".tmp-layers.json123", true),
            (".tmp-=aWQ=4294967295", true),
            (".tmp-layers.json", false),
            ("layers.json1", false),
            (".tmp-", false),
        ] {
            assert_eq!(is_temporary(OsStr::new(name)), expected, "{name}");
        }
    }
}
