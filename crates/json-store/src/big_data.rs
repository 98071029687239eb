//! Big data items: the files `DATA_DIR/ID/NAME` beside the records.
//!
//! The file is complete before the record names it. A crash in between leaves a file that no record
//! names; the next write of the same item replaces it.

use std::ffi::OsStr;
use std::fs::File;

use layerhold_sys::{
    Dir, Durability, PathError, RenameHow, remove_tree, stat_file, under_lock_on_purpose,
};

use crate::file_name::{KeyError, file_name_to_read, file_name_to_write};
use crate::options::Options;
use crate::record::Record;
use crate::write_guard::{ChangeError, WriteGuard};

/// Permissions of the directory of a record, and of the files in it.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why a big data item could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BigDataError {
    /// The key cannot name a big data item.
    #[error("cannot use {key:?} as the name of a big data item")]
    Key {
        /// The key.
        key: String,
        /// Why not.
        source: KeyError,
    },
    /// The system refused. The key is empty for all items of the record.
    #[error("cannot access {}", item(key, id))]
    Io {
        /// The record.
        id: String,
        /// The key.
        key: String,
        /// Why.
        source: PathError,
    },
    /// The content could not be read from where it comes from.
    #[error("cannot read the new content of big data item {key:?} of {id}")]
    Source {
        /// The record.
        id: String,
        /// The key.
        key: String,
        /// Why.
        source: std::io::Error,
    },
    /// The record could not be changed.
    #[error("cannot record big data item {key:?}")]
    Record {
        /// The key.
        key: String,
        /// Why.
        source: ChangeError,
    },
}

impl BigDataError {
    /// Whether no record has the ID.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Record { source, .. } if source.is_not_found())
    }

    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.is_out_of_space())
    }
}

/// Opens a big data item; `None` if there is no such file.
pub(crate) fn open(options: &Options, id: &str, key: &str) -> Result<Option<File>, BigDataError> {
    let name = file_name_to_read(key).map_err(|source| key_error(key, source))?;
    let open = || {
        let Some(dir) = data_dir(options, id)? else {
            return Ok(None);
        };
        match dir.open_file(&name) {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    };
    open().map_err(|source| io_error(id, key, source))
}

/// Reads a whole big data item of at most `limit` bytes.
pub(crate) fn read(
    options: &Options,
    id: &str,
    key: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, BigDataError> {
    let name = file_name_to_read(key).map_err(|source| key_error(key, source))?;
    let read = || match data_dir(options, id)? {
        Some(dir) => options.io.read(&dir, name.as_ref(), limit),
        None => Ok(None),
    };
    read().map_err(|source| io_error(id, key, source))
}

/// The size of the file of a big data item.
pub(crate) fn size(options: &Options, id: &str, key: &str) -> Result<Option<u64>, BigDataError> {
    let Some(file) = open(options, id, key)? else {
        return Ok(None);
    };
    let stat = stat_file(&file).map_err(|source| io_error(id, key, source))?;
    Ok(Some(stat.size))
}

impl<R: Record> WriteGuard<R> {
    /// Writes a big data item; `note` records it. The record is only saved by the next
    /// [`save`](Self::save), and only if `note` changed it.
    pub fn set_big_data(
        &mut self,
        id: &str,
        key: &str,
        content: &[u8],
        note: impl FnOnce(&mut R),
    ) -> Result<(), BigDataError> {
        let name = file_name_to_write(key).map_err(|source| key_error(key, source))?;
        self.check_can_change(id)
            .map_err(|source| record_error(key, source))?;
        let durability = self.durability_of(id);
        write(&self.shared.options, id, &name, content, durability)
            .map_err(|source| io_error(id, key, source))?;
        self.update(id, note)
            .map_err(|source| record_error(key, source))?;
        Ok(())
    }

    /// Like [`set_big_data`](Self::set_big_data) with content of any size that was written before
    /// the lock was taken: the file `file` in `dir`, on the filesystem of the big data items, is
    /// moved into place. It should be synced and have the mode 0600. `note` gets its size.
    pub fn put_big_data(
        &mut self,
        id: &str,
        key: &str,
        (dir, file): (&Dir, &OsStr),
        note: impl FnOnce(&mut R, u64),
    ) -> Result<(), BigDataError> {
        let name = file_name_to_write(key).map_err(|source| key_error(key, source))?;
        self.check_can_change(id)
            .map_err(|source| record_error(key, source))?;
        let durability = self.durability_of(id);
        let size = put(&self.shared.options, id, &name, (dir, file), durability)
            .map_err(|source| io_error(id, key, source))?;
        self.update(id, |record| note(record, size))
            .map_err(|source| record_error(key, source))?;
        Ok(())
    }

    /// Removes the file of a big data item, and returns whether there was one. The record is not
    /// changed.
    pub fn remove_big_data(&mut self, id: &str, key: &str) -> Result<bool, BigDataError> {
        let name = file_name_to_write(key).map_err(|source| key_error(key, source))?;
        let options = &self.shared.options;
        let remove = || match data_dir(options, id)? {
            Some(dir) => options.io.remove(&dir, name.as_ref()),
            None => Ok(false),
        };
        remove().map_err(|source| io_error(id, key, source))
    }

    /// Removes all big data items of a record with their directory; a missing one is success.
    pub fn remove_data(&mut self, id: &str) -> Result<(), BigDataError> {
        let remove = || match Dir::open_ambient(&self.shared.options.data_dir) {
            Err(error) if error.is_not_found() => Ok(()),
            dir => {
                let dir = dir?;
                under_lock_on_purpose("it is small", || remove_tree(&dir, id))
            }
        };
        remove().map_err(|source| io_error(id, "", source))
    }

    fn durability_of(&self, id: &str) -> Durability {
        let location = self.location_of(id).map(crate::LocationId::position);
        let location = location.and_then(|position| self.shared.options.locations.get(position));
        location.map_or(Durability::Durable, |location| location.durability)
    }
}

/// What an error is about: one big data item, or all of a record.
fn item(key: &str, id: &str) -> String {
    match key {
        "" => format!("the big data items of {id}"),
        key => format!("big data item {key:?} of {id}"),
    }
}

fn data_dir(options: &Options, id: &str) -> Result<Option<Dir>, PathError> {
    match Dir::open_ambient(&options.data_dir).and_then(|dir| dir.open_dir(id)) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}

fn create_data_dir(options: &Options, id: &str, durability: Durability) -> Result<Dir, PathError> {
    if let Some(dir) = data_dir(options, id)? {
        return Ok(dir);
    }
    let all = Dir::create_ambient_all(&options.data_dir, DIR_MODE)?;
    let dir = all.ensure_plain_dir(id, DIR_MODE)?;
    if durability == Durability::Durable {
        options.io.sync_dir(&all)?;
    }
    Ok(dir)
}

fn write(
    options: &Options,
    id: &str,
    name: &str,
    content: &[u8],
    durability: Durability,
) -> Result<(), PathError> {
    let dir = create_data_dir(options, id, durability)?;
    let io = &options.io;
    let staged = io.stage(&dir, name.as_ref(), FILE_MODE, &[content])?;
    if durability == Durability::Durable {
        io.sync(&staged)?;
    }
    io.publish(staged)?;
    if durability == Durability::Durable {
        io.sync_dir(&dir)?;
    }
    Ok(())
}

fn put(
    options: &Options,
    id: &str,
    name: &str,
    (from, file): (&Dir, &OsStr),
    durability: Durability,
) -> Result<u64, PathError> {
    let size = from.stat(file)?.map_or(0, |stat| stat.size);
    let dir = create_data_dir(options, id, durability)?;
    from.rename(file, &dir, name, RenameHow::Replace)?;
    if durability == Durability::Durable {
        options.io.sync_dir(&dir)?;
    }
    Ok(size)
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

fn record_error(key: &str, source: ChangeError) -> BigDataError {
    BigDataError::Record {
        key: key.to_owned(),
        source,
    }
}
