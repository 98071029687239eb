//! Differences, read from what the layer itself holds where that is the difference.

use std::io::{BufWriter, Write};

use layerhold_archive::{
    Cancel, Change, ChangesError, OverlayForm, OverlayLayers, PackOptions, UnmappedOwners,
    changes_size, overlay_changes, pack,
};
use layerhold_driver::{DiffRequest, LayerError, LayerView};
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::context::Context;
use crate::layers::{Layer, LinkName, lower_of, nearest_parent, resolve_each};
use crate::mount::{MAX_DEPTH, view};

/// Headers and small files are joined to pieces of this size.
const PACK_BUFFER: usize = 128 * 1024;

/// More parents than this are not opened one by one, but seen through a mount. A process may have
/// few files open.
const OPENED: usize = 16;

/// A layer whose `diff` is the difference that is asked for.
#[derive(Debug)]
pub(crate) struct NativeDiff<'a> {
    upper: Dir,
    layers: OverlayLayers,
    changes: Vec<Change>,
    /// What shows the parents, if they are many.
    _view: Option<LayerView<'a>>,
}

impl<'a> NativeDiff<'a> {
    /// Reads the difference, if it is the one that is asked for: the request names the nearest
    /// parent, nothing in `diff` refers to parents (directories renamed by `redirect_dir`, files
    /// without contents of `metacopy`), and owners have not been rewritten by copying (Go:
    /// drivers/overlay/overlay.go, `useNaiveDiff` and `isParent`).
    pub(crate) fn read(
        context: &'a Context,
        request: &DiffRequest<'_>,
    ) -> Result<Option<Self>, LayerError> {
        let layer = context.homes.require(request.id)?;
        if !context.has_native_diff() || layer.dir().is_rotated()? {
            return Ok(None);
        }
        let parents = lower_of(&context.homes, &layer)?;
        if !is_nearest(context, &layer, &parents, request.parent)? {
            return Ok(None);
        }
        let Some(upper) = layer.dir().open_diffs()?.into_iter().next() else {
            return Ok(None);
        };
        let view = view_of_many(context, &parents, request.parent)?;
        let lower = match &view {
            Some(view) => vec![view.root().clone()],
            None => lower_dirs(context, &layer, &parents)?,
        };
        let form = OverlayForm::Kernel(context.namespace());
        let layers = OverlayLayers::new(form, lower);
        match overlay_changes(&upper, &layers.lower, layers.form, &request.cancel) {
            Ok(changes) => Ok(Some(Self {
                upper,
                layers,
                changes,
                _view: view,
            })),
            // Made by a mount with other options than those configured now.
            Err(ChangesError::Redirected { .. }) => Ok(None),
            Err(error) => Err(LayerError::Compare(error)),
        }
    }

    /// What is changed.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// The bytes in the files that are changed.
    pub(crate) fn size(&self, cancel: &Cancel) -> Result<u64, LayerError> {
        changes_size(&self.upper, &self.changes, cancel).map_err(LayerError::Compare)
    }

    /// Packs what is changed.
    pub(crate) fn pack(
        self,
        request: &DiffRequest<'_>,
        out: &mut dyn Write,
    ) -> Result<(), LayerError> {
        let options = PackOptions::new()
            .with_id_maps(request.id_maps.clone())
            .with_unmapped(UnmappedOwners::Overflow)
            .with_overlay(self.layers)
            .with_cancel(request.cancel.clone());
        let out = BufWriter::with_capacity(PACK_BUFFER, out);
        pack(&self.upper, &options, out)
            .map_err(LayerError::Pack)?
            .flush()
            .map_err(LayerError::Output)
    }
}

/// Whether the layer that is asked for is the nearest parent.
fn is_nearest(
    context: &Context,
    layer: &Layer,
    parents: &[LinkName],
    asked: Option<&LayerId>,
) -> Result<bool, LayerError> {
    let Some(asked) = asked else {
        return Ok(parents.is_empty());
    };
    let nearest = nearest_parent(&context.homes, layer, parents)?;
    Ok(nearest.is_some_and(|nearest| nearest.id() == asked))
}

/// Shows the parents through a mount if they are many, and not more than can be mounted.
fn view_of_many<'a>(
    context: &'a Context,
    parents: &[LinkName],
    nearest: Option<&LayerId>,
) -> Result<Option<LayerView<'a>>, LayerError> {
    match nearest {
        Some(nearest) if parents.len() > OPENED && parents.len() <= MAX_DEPTH => {
            view(context, &context.homes.require(nearest)?, "", None).map(Some)
        }
        _ => Ok(None),
    }
}

/// What the kernel shows of the parents, uppermost first.
fn lower_dirs(
    context: &Context,
    layer: &Layer,
    parents: &[LinkName],
) -> Result<Vec<Dir>, LayerError> {
    let dirs = resolve_each(&context.homes, layer, parents, |parent, _| {
        parent.dir().open_diffs()
    })?;
    Ok(dirs.into_iter().flatten().collect())
}
