//! Layers that another program shows in a directory of its own (Go: drivers/overlay/overlay.go, `additionalLayer`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use layerhold_driver::{LayerError, Trash};
use layerhold_sys::Dir;

use crate::names::ADDITIONAL_LAYER;

/// A path is no longer than this.
const LONGEST_PATH: u64 = 4096;

/// Tells the program that a layer is not used any more, once the layer is erased: by removing the directory, which is
/// only a signal. Programs that do not understand it refuse.
pub(crate) fn release_layer(dir: &Dir, trash: &mut Trash) -> Result<(), LayerError> {
    let Some(text) = dir.read_file(ADDITIONAL_LAYER, LONGEST_PATH)? else {
        return Ok(());
    };
    let path = PathBuf::from(OsStr::from_bytes(&text));
    if let (true, Some(above), Some(name)) = (path.is_absolute(), path.parent(), path.file_name()) {
        let (above, name) = (above.to_owned(), name.to_owned());
        trash.defer(move || {
            drop(Dir::open_ambient(above).and_then(|above| above.remove_empty_dir(name)));
            Ok(())
        });
    }
    Ok(())
}
