//! What the commands `status` and `metadata` show, and the space that a layer takes.

use std::path::PathBuf;

use layerhold_driver::{LayerError, Usage};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::tree_usage;

use crate::context::Context;
use crate::disk::{DIFF, WORK};
use crate::layers::{lower_of, resolve_each};
use crate::mount::mount_point;

/// Facts on the driver, in Go's words.
pub(crate) fn status(context: &Context) -> Vec<(String, String)> {
    let row = |key: &str, value: bool| (key.to_owned(), value.to_string());
    let backing = context.backing.name().unwrap_or("<unknown>");
    vec![
        ("Backing Filesystem".to_owned(), backing.to_owned()),
        row("Supports d_type", true),
        row("Native Overlay Diff", context.has_native_diff()),
        row("Using metacopy", context.uses_metacopy()),
        row(
            "Supports shifting",
            context.can_shift(&IdMappings::IDENTITY),
        ),
        row("Supports volatile", context.has_volatile()),
    ]
}

/// The directories of a layer, under the names that Go gives them.
pub(crate) fn metadata(
    context: &Context,
    id: &LayerId,
) -> Result<Vec<(String, String)>, LayerError> {
    let layer = context.homes.require(id)?;
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let links = lower_of(&context.homes, &layer)?;
    let lowers = resolve_each(&context.homes, &layer, &links, |layer, _| {
        Ok(text(layer.path().join(DIFF)))
    })?;
    let mut facts = Vec::with_capacity(4);
    if !lowers.is_empty() {
        facts.push(("LowerDir".to_owned(), lowers.join(":")));
    }
    for (key, path) in [
        ("MergedDir", mount_point(context, &layer)),
        ("UpperDir", layer.path().join(DIFF)),
        ("WorkDir", layer.path().join(WORK)),
    ] {
        facts.push((key.to_owned(), text(path)));
    }
    Ok(facts)
}

/// The space that a layer takes; none in the home if another program has its contents.
pub(crate) fn usage(context: &Context, id: &LayerId) -> Result<Usage, LayerError> {
    let layer = context.homes.require(id)?;
    if layer.dir().is_external()? {
        return Ok(Usage::default());
    }
    let usage = tree_usage(&layer.dir().open_diff()?)?;
    Ok(Usage {
        bytes: usage.bytes,
        inodes: usage.inodes,
    })
}
