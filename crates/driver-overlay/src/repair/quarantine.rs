//! Moving a damaged layer to where it can be examined.

use std::path::PathBuf;

use layerhold_driver::{LayerError, quarantine};
use layerhold_ids::LayerId;

use crate::context::Context;
use crate::mount::unmount_unused;
use crate::removal::{remove_links, restore_links};

/// Moves a layer to the quarantine of its home.
pub(crate) fn quarantine_layer(context: &Context, id: &LayerId) -> Result<PathBuf, LayerError> {
    let layer = context.homes.require_writable(id)?;
    layer.dir().refuse_external()?;
    unmount_unused(context, &layer)?;
    let home = layer.home().writable()?;
    let links = remove_links(&home, &layer)?;
    let moved = quarantine(&layer.home().temp_root(), &home, id.as_str());
    if moved.is_err() {
        restore_links(&home, &links, id);
    }
    moved
}
