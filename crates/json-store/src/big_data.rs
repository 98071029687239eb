//! Data items beside the records: `DATA_DIR/ID/NAME`.
//!
//! The file is complete before the record says that it exists. A crash in
//! between leaves a file that no record names, which the next write of the
//! same item replaces.

use std::fs::File;
use std::io::{self, Read};

use layerhold_sys::{Dir, Durability, PathError, remove_tree, stat_file};

use crate::error::{BigDataError, ReadError};
use crate::file_name::{KeyError, file_name_to_read, file_name_to_write};
use crate::options::Options;
use crate::record::Record;
use crate::store::JsonStore;
use crate::write_guard::WriteGuard;

/// Permissions of the directory of a record, and of the files in it.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Content is copied in pieces of this size.
const PIECE: usize = 128 * 1024;

impl<R: Record> JsonStore<R> {
    /// Opens a data item for reading; `None` if there is no such file. Writing
    /// the item anew does not change what an open file reads.
    pub fn open_big_data(&self, id: &str, key: &str) -> Result<Option<File>, BigDataError> {
        let name = file_name_to_read(key).map_err(|source| key_error(key, source))?;
        open(&self.shared.options, id, &name).map_err(|source| io_error(id, key, source))
    }

    /// Reads a whole data item, which must not be larger than `limit` bytes.
    pub fn read_big_data(
        &self,
        id: &str,
        key: &str,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, BigDataError> {
        let name = file_name_to_read(key).map_err(|source| key_error(key, source))?;
        let options = &self.shared.options;
        let read = || match data_dir(options, id)? {
            Some(dir) => options.io.read(&dir, name.as_ref(), limit),
            None => Ok(None),
        };
        read().map_err(|source| io_error(id, key, source))
    }

    /// The size of the file of a data item in bytes.
    pub fn big_data_size(&self, id: &str, key: &str) -> Result<Option<u64>, BigDataError> {
        let Some(file) = self.open_big_data(id, key)? else {
            return Ok(None);
        };
        let stat = stat_file(&file).map_err(|source| io_error(id, key, source))?;
        Ok(Some(stat.size))
    }

    /// Removes a record in one go: record first, then its side files.
    pub fn delete(&self, id: &str) -> Result<(), DeleteError> {
        let mut guard = self.write()?;
        guard.remove(id)?;
        guard.save()?;
        guard.remove_data(id)?;
        Ok(())
    }
}

/// Why a record was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// The records could not be locked or loaded.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record could not be removed.
    #[error(transparent)]
    Change(#[from] crate::error::ChangeError),
    /// The records could not be saved.
    #[error(transparent)]
    Save(#[from] crate::error::SaveError),
    /// The record is gone, but its side files are not.
    #[error(transparent)]
    Data(#[from] BigDataError),
}

impl<R: Record> WriteGuard<R> {
    /// Writes a data item and lets the record take note of it. The record is only
    /// saved by the next [`save`](Self::save), and only if `note` changed it.
    pub fn set_big_data(
        &mut self,
        id: &str,
        key: &str,
        content: &[u8],
        note: impl FnOnce(&mut R),
    ) -> Result<(), BigDataError> {
        self.set_big_data_from(id, key, &mut &*content, |record, _size| note(record))
    }

    /// Like [`set_big_data`](Self::set_big_data) with content of any size; `note` is told the size.
    pub fn set_big_data_from(
        &mut self,
        id: &str,
        key: &str,
        content: &mut dyn Read,
        note: impl FnOnce(&mut R, u64),
    ) -> Result<(), BigDataError> {
        let name = file_name_to_write(key).map_err(|source| key_error(key, source))?;
        self.check_can_change(id)
            .map_err(|source| record_error(key, source))?;
        let durability = self.durability_of(id);
        let size = write(&self.shared.options, id, key, &name, content, durability)?;
        self.update(id, |record| note(record, size))
            .map_err(|source| record_error(key, source))?;
        Ok(())
    }

    /// Removes the file of a data item, and tells whether there was one. The
    /// record is not changed.
    pub fn remove_big_data(&mut self, id: &str, key: &str) -> Result<bool, BigDataError> {
        let name = file_name_to_write(key).map_err(|source| key_error(key, source))?;
        let options = &self.shared.options;
        let remove = || match data_dir(options, id)? {
            Some(dir) => options.io.remove(&dir, name.as_ref()),
            None => Ok(false),
        };
        remove().map_err(|source| io_error(id, key, source))
    }

    /// Removes everything in the directory of a record; nothing there is success.
    pub fn remove_data(&mut self, id: &str) -> Result<(), BigDataError> {
        let remove = || match Dir::open_ambient(&self.shared.options.data_dir) {
            Err(error) if error.is_not_found() => Ok(()),
            dir => remove_tree(&dir?, id),
        };
        remove().map_err(|source| io_error(id, "", source))
    }

    fn durability_of(&self, id: &str) -> Durability {
        let location = self.location_of(id).map(crate::LocationId::position);
        let location = location.and_then(|position| self.shared.options.locations.get(position));
        location.map_or(Durability::Durable, |location| location.durability)
    }
}

fn data_dir(options: &Options, id: &str) -> Result<Option<Dir>, PathError> {
    match Dir::open_ambient(&options.data_dir).and_then(|dir| dir.open_dir(id)) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

fn open(options: &Options, id: &str, name: &str) -> Result<Option<File>, PathError> {
    let Some(dir) = data_dir(options, id)? else {
        return Ok(None);
    };
    match dir.open_file(name) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

fn create_data_dir(options: &Options, id: &str, durability: Durability) -> Result<Dir, PathError> {
    if let Some(dir) = data_dir(options, id)? {
        return Ok(dir);
    }
    let all = Dir::create_ambient_all(&options.data_dir, DIR_MODE)?;
    let dir = all.ensure_dir(id, DIR_MODE)?;
    if durability == Durability::Durable {
        options.io.sync_dir(&all)?;
    }
    Ok(dir)
}

fn write(
    options: &Options,
    id: &str,
    key: &str,
    name: &str,
    content: &mut dyn Read,
    durability: Durability,
) -> Result<u64, BigDataError> {
    let failed = |source| io_error(id, key, source);
    let dir = create_data_dir(options, id, durability).map_err(failed)?;
    let io = &options.io;
    let staged = io
        .stage(&dir, name.as_ref(), FILE_MODE, &[])
        .map_err(failed)?;
    let size = copy(content, staged.file()).map_err(|error| match error {
        CopyError::Source(source) => BigDataError::Source {
            id: id.to_owned(),
            key: key.to_owned(),
            source,
        },
        CopyError::File(source) => failed(PathError::new("write", dir.path().join(name), source)),
    })?;
    if durability == Durability::Durable {
        io.sync(&staged).map_err(failed)?;
    }
    io.publish(staged).map_err(failed)?;
    if durability == Durability::Durable {
        io.sync_dir(&dir).map_err(failed)?;
    }
    Ok(size)
}

enum CopyError {
    Source(io::Error),
    File(io::Error),
}

fn copy(content: &mut dyn Read, mut file: &File) -> Result<u64, CopyError> {
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        let read = match content.read(&mut piece) {
            Ok(0) => return Ok(size),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Source(error)),
        };
        let filled = piece.get(..read).unwrap_or_default();
        io::Write::write_all(&mut file, filled).map_err(CopyError::File)?;
        size += filled.len() as u64;
    }
}

fn key_error(key: &str, source: KeyError) -> BigDataError {
    BigDataError::Key {
        key: key.to_owned(),
        source,
    }
}

fn io_error(id: &str, key: &str, source: PathError) -> BigDataError {
    BigDataError::Io {
        id: id.to_owned(),
        key: key.to_owned(),
        source,
    }
}

fn record_error(key: &str, source: crate::error::ChangeError) -> BigDataError {
    BigDataError::Record {
        key: key.to_owned(),
        source,
    }
}
