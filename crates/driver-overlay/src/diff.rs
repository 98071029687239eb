//! Differences, read from what the layer itself holds where that is the difference.

use std::io::{BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use layerhold_archive::{
    Change, ChangesError, OverlayForm, OverlayLayers, PackOptions, UnmappedOwners,
    check_redirected, overlay_changes, overlay_size, pack,
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
///
/// What the layer holds is read from it alone. Its parents are opened for the list of changes, and
/// where `diff` has an opaque directory: to see what it hides.
#[derive(Debug)]
pub(crate) struct NativeDiff {
    upper: Dir,
    form: OverlayForm,
    parents: Parents,
}

impl NativeDiff {
    /// Finds the layer, if its `diff` is the difference that is asked for: the request names the
    /// nearest parent, and owners have not been rewritten by copying (Go:
    /// drivers/overlay/overlay.go, `useNaiveDiff` and `isParent`).
    fn find(context: &Arc<Context>, request: &DiffRequest<'_>) -> Result<Option<Self>, LayerError> {
        let layer = context.homes.require(request.id)?;
        if !context.has_native_diff() || layer.dir().is_rotated()? {
            return Ok(None);
        }
        let links = lower_of(&context.homes, &layer)?;
        if !is_nearest(context, &layer, &links, request.parent)? {
            return Ok(None);
        }
        let Some(upper) = layer.dir().open_diffs()?.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Self {
            upper,
            form: OverlayForm::Kernel(context.namespace()),
            parents: Parents {
                context: Arc::clone(context),
                layer,
                links,
                nearest: request.parent.cloned(),
            },
        }))
    }

    /// Lists what is changed; `None` if only the mounted trees show it.
    pub(crate) fn changes(
        context: &Arc<Context>,
        request: &DiffRequest<'_>,
    ) -> Result<Option<Vec<Change>>, LayerError> {
        let Some(found) = Self::find(context, request)? else {
            return Ok(None);
        };
        let (lower, _view) = found.parents.open()?;
        unless_redirected(overlay_changes(
            &found.upper,
            &lower,
            found.form,
            &request.cancel,
        ))
    }

    /// Adds up the bytes in the files that are changed; `None` if only the mounted trees show them.
    pub(crate) fn size(
        context: &Arc<Context>,
        request: &DiffRequest<'_>,
    ) -> Result<Option<u64>, LayerError> {
        let Some(found) = Self::find(context, request)? else {
            return Ok(None);
        };
        unless_redirected(overlay_size(&found.upper, found.form, &request.cancel))
    }

    /// Finds the layer as [`find`](Self::find) does, if it can be packed: nothing in `diff` may
    /// refer to parents (directories renamed by `redirect_dir`, files without contents of
    /// `metacopy`).
    pub(crate) fn to_pack(
        context: &Arc<Context>,
        request: &DiffRequest<'_>,
    ) -> Result<Option<Self>, LayerError> {
        let Some(found) = Self::find(context, request)? else {
            return Ok(None);
        };
        let checked = check_redirected(&found.upper, found.form, &request.cancel);
        Ok(unless_redirected(checked)?.map(|()| found))
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
            .with_overlay(self.parents.opened_when_needed(self.form))
            .with_cancel(request.cancel.clone());
        let out = BufWriter::with_capacity(PACK_BUFFER, out);
        pack(&self.upper, &options, out)
            .map_err(LayerError::Pack)?
            .flush()
            .map_err(LayerError::Output)
    }
}

/// Turns "redirected" into `None`: the layer was made by a mount with other options than those
/// configured now.
fn unless_redirected<T>(found: Result<T, ChangesError>) -> Result<Option<T>, LayerError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(ChangesError::Redirected { .. }) => Ok(None),
        Err(error) => Err(LayerError::Compare(error)),
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

/// The parents of a layer, which are not open.
#[derive(Debug)]
struct Parents {
    context: Arc<Context>,
    layer: Layer,
    /// Nearest first.
    links: Vec<LinkName>,
    nearest: Option<LayerId>,
}

impl Parents {
    /// What the kernel shows of the parents, uppermost first, and what has to be kept for it.
    fn open(&self) -> Result<(Vec<Dir>, Option<LayerView<'static>>), LayerError> {
        if let Some(view) = self.view_of_many()? {
            return Ok((vec![view.root().clone()], Some(view)));
        }
        let homes = &self.context.homes;
        let dirs = resolve_each(homes, &self.layer, &self.links, |parent, _| {
            parent.dir().open_diffs()
        })?;
        Ok((dirs.into_iter().flatten().collect(), None))
    }

    /// Shows the parents through a mount if they are many, and not more than can be mounted.
    fn view_of_many(&self) -> Result<Option<LayerView<'static>>, LayerError> {
        let parents = self.links.len();
        match &self.nearest {
            Some(nearest) if parents > OPENED && parents <= MAX_DEPTH => {
                let nearest = self.context.homes.require(nearest)?;
                view(&self.context, &nearest, "", None).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn opened_when_needed(self, form: OverlayForm) -> OverlayLayers {
        let kept = Mutex::new(None);
        OverlayLayers::opened_by(form, move || {
            let (dirs, view) = self.open()?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = view;
            Ok(dirs)
        })
    }
}
