//! The temporary area of a transaction, on the filesystem of the records.

use std::path::PathBuf;

use layerhold_json_store::file_name_to_write;
use layerhold_staging::{CloseError, StagedAddition, TempArea, TempRoot};
use layerhold_sys::{Dir, Durability, PathError, publish, remove_tree, under_lock_on_purpose};

use crate::catalog::big_data::DataError;
use crate::catalog::layout::{DIR_MODE, FILE_MODE};
use crate::records::big_data_item::BigDataItem;
use crate::spec::error::StageError;

/// A temporary area that is created when it is first needed.
#[derive(Debug)]
pub(super) struct Area {
    root: PathBuf,
    area: Option<TempArea>,
    /// Directories with files that are synced one by one, unless the whole filesystem is flushed.
    written: Vec<Dir>,
}

impl Area {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            area: None,
            written: Vec::new(),
        }
    }

    /// Reserves a name in the area.
    pub(super) fn addition(&mut self) -> Result<StagedAddition, StageError> {
        let area = match self.area.take() {
            Some(area) => area,
            None => TempRoot::new(&self.root)
                .begin()
                .map_err(StageError::Staging)?,
        };
        Ok(self.area.insert(area).stage_addition())
    }

    /// Writes big data items into a staged directory, as the record's will be; `None` when there
    /// are none.
    pub(super) fn data_items(
        &mut self,
        items: &[BigDataItem],
    ) -> Result<Option<StagedAddition>, StageError> {
        if items.is_empty() {
            return Ok(None);
        }
        let addition = self.addition()?;
        let dir = addition.create_dir(DIR_MODE)?;
        for item in items {
            let name = file_name_to_write(&item.key).map_err(|source| DataError::InvalidName {
                key: item.key.clone(),
                source,
            })?;
            publish(&dir, name, FILE_MODE, &[&item.data], Durability::Volatile)?;
        }
        self.written.push(dir);
        Ok(Some(addition))
    }

    /// Syncs the big data items one by one.
    pub(super) fn sync_data(&self) -> Result<(), PathError> {
        for dir in &self.written {
            for entry in dir.entries()? {
                let name = entry?.name;
                let file = dir.open_file(&name)?;
                file.sync_data()
                    .map_err(|cause| PathError::new("sync", dir.path().join(&name), cause))?;
            }
            dir.sync()?;
        }
        Ok(())
    }

    /// Moves a file that is in the way of an addition into the area, to be erased with it.
    pub(super) fn move_aside(&self, dir: &Dir, name: &std::ffi::OsStr) -> Result<(), PathError> {
        if !dir.exists(name)? {
            return Ok(());
        }
        match &self.area {
            Some(area) => area
                .stage_deletion(dir, name)
                .map(drop)
                .map_err(|error| error.source),
            // A transaction without an area adds little, so little can be in its way.
            None => {
                under_lock_on_purpose("there is no area to move it to", || remove_tree(dir, name))
            }
        }
    }

    pub(super) fn close(&mut self) -> Result<(), CloseError> {
        self.area.take().map_or(Ok(()), TempArea::close)
    }
}
