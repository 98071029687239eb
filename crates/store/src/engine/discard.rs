//! Moves what belongs to a layer, an image or a container into temporary areas, to be erased when
//! no lock is held.

use std::ffi::OsStr;

use layerhold_driver::{Driver, LayerError, SyncMode, Trash};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, PathError, remove_tree, under_lock_on_purpose};

use crate::catalog::layout::tar_split_name;
use crate::engine::Engine;
use crate::spans::phase;

impl Engine {
    /// Flushes the filesystem of the driver's layers.
    pub(crate) fn flush_contents(&self, driver: &dyn Driver) -> Result<(), LayerError> {
        let _span = phase!("flush", of = "contents");
        driver.sync()
    }

    /// Erases what was moved into temporary areas. No lock may be held. If this is cancelled, the
    /// next writer erases the rest.
    pub(crate) fn erase(&self, trash: Trash) -> Result<(), LayerError> {
        let _span = phase!("erase", of = "trash");
        let cancel = &self.options.cancel;
        cancel.expendable(|| trash.erase_unless(cancel))
    }

    /// Makes the directory entries of layers, and of the files beside them, durable. This comes
    /// before the record that names them is saved. Otherwise a power cut may leave the record
    /// alone: btrfs keeps a rename only when the directory is synced.
    ///
    /// Does nothing with [`SyncMode::None`].
    pub(crate) fn sync_places(&self, replaced: &[&LayerId]) -> Result<(), LayerError> {
        if self.sync == SyncMode::None {
            return Ok(());
        }
        let _span = phase!("flush", of = "places");
        self.driver().sync_places(replaced)?;
        let mut dirs = self.catalog.layout.layer_dirs();
        Ok(dirs.try_for_each(|dir| self.options.metadata_io.sync_dir(dir))?)
    }

    /// Moves the contents, the tar-split file and the big data items of a layer into a temporary
    /// area.
    pub(crate) fn move_out(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        self.driver().remove(id, trash)?;
        self.move_out_files(id, trash)
    }

    /// Moves the files beside the record of a layer into a temporary area.
    pub(crate) fn move_out_files(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        for dir in self.catalog.layout.layer_dirs() {
            self.discard(dir, &tar_split_name(id), trash)?;
            self.discard(dir, id.as_ref(), trash)?;
        }
        Ok(())
    }

    /// Moves a file or directory beside records into a temporary area; does nothing when there is
    /// none.
    ///
    /// It is erased at once where no temporary area can be made or used, as on a full disk.
    pub(crate) fn discard(
        &self,
        dir: &Dir,
        name: &OsStr,
        trash: &mut Trash,
    ) -> Result<(), PathError> {
        if !dir.exists(name)? {
            return Ok(());
        }
        let moved = trash
            .area(&self.catalog.layout.temp_root())
            .map(|area| area.stage_deletion(dir, name));
        match moved {
            Ok(Ok(_)) => Ok(()),
            _ => {
                under_lock_on_purpose("a full disk must stay emptiable", || remove_tree(dir, name))
            }
        }
    }
}
