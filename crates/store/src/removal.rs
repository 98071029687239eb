//! Moving what belongs to a layer, an image or a container out of the way, to be erased when no lock is held.

use std::ffi::OsStr;

use layerhold_driver::{LayerError, Trash};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, PathError, remove_tree};

use crate::inner::Inner;
use crate::layout::tar_split_name;

impl Inner {
    /// Moves the contents, the tar-split file and the data items of a layer out of the way.
    pub(crate) fn move_out(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        self.driver().remove(id, trash)?;
        self.move_out_files(id, trash)
    }

    /// Moves what lies beside the record of a layer out of the way.
    pub(crate) fn move_out_files(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        for dir in self.layout.layer_dirs() {
            self.discard(dir, &tar_split_name(id), trash)?;
            self.discard(dir, id.as_ref(), trash)?;
        }
        Ok(())
    }

    /// Moves a file or directory beside records out of the way; does nothing when there is none.
    ///
    /// Where no temporary area can be made or used, on a full disk above all, it is erased at once.
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
            .area(&self.layout.temp_root())
            .map(|area| area.stage_deletion(dir, name));
        match moved {
            Ok(Ok(_)) => Ok(()),
            _ => remove_tree(dir, name),
        }
    }
}
