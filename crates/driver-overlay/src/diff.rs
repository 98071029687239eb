//! Differences, read from what the layer itself holds where that is the difference.

use std::io::{BufWriter, Write};

use layerhold_archive::{
    Change, ChangesError, OverlayForm, OverlayLayers, PackOptions, UnmappedOwners, changes_size,
    overlay_changes, pack,
};
use layerhold_driver::{DiffRequest, LayerError, LayerView};
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::chain::{below, lower_of, resolve};
use crate::core::Core;
use crate::layer::LayerDir;
use crate::mounting::{MAX_DEPTH, view};
use crate::stack::Contents;

/// Headers and small files are joined to pieces of this size.
const PACK_BUFFER: usize = 128 * 1024;

/// With more layers than this below a layer, these are not opened one by one, but seen through a
/// mount. A process may have few files open.
const OPENED: usize = 16;

/// A layer whose `diff` is the difference that is asked for.
#[derive(Debug)]
pub(crate) struct NativeDiff<'a> {
    upper: Dir,
    layers: OverlayLayers,
    changes: Vec<Change>,
    /// What shows the layers below, if they are many.
    _view: Option<LayerView<'a>>,
}

impl<'a> NativeDiff<'a> {
    /// Reads the difference, if it is the one that is asked for: the request is about the layer
    /// right below, nothing in `diff` refers to layers below (directories renamed by
    /// `redirect_dir`, files without contents of `metacopy`), and owners have not been rewritten by
    /// copying (Go: drivers/overlay/overlay.go, `useNaiveDiff` and `isParent`).
    pub(crate) fn read(
        core: &'a Core,
        request: &DiffRequest<'_>,
    ) -> Result<Option<Self>, LayerError> {
        let layer = core.homes.require(request.id)?;
        if !core.has_native_diff()
            || layer.is_rotated()?
            || !is_right_below(core, &layer, request.parent)?
        {
            return Ok(None);
        }
        let Some(upper) = Contents::of(&layer).open()?.into_iter().next() else {
            return Ok(None);
        };
        let view = view_of_many(core, &layer, request.parent)?;
        let layers = OverlayLayers {
            form: OverlayForm::Kernel(core.namespace()),
            lower: match &view {
                Some(view) => vec![view.root().clone()],
                None => lower_dirs(core, &layer)?,
            },
        };
        match overlay_changes(&upper, &layers.lower, layers.form) {
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
    pub(crate) fn size(&self) -> Result<u64, LayerError> {
        changes_size(&self.upper, &self.changes).map_err(LayerError::Compare)
    }

    /// Packs what is changed.
    pub(crate) fn pack(
        self,
        request: &DiffRequest<'_>,
        out: &mut dyn Write,
    ) -> Result<(), LayerError> {
        let options = PackOptions {
            id_maps: request.id_maps.clone(),
            unmapped: UnmappedOwners::Overflow,
            overlay: Some(self.layers),
            ..PackOptions::default()
        };
        let out = BufWriter::with_capacity(PACK_BUFFER, out);
        pack(&self.upper, &options, out)
            .map_err(LayerError::Pack)?
            .flush()
            .map_err(LayerError::Output)
    }
}

fn is_right_below(
    core: &Core,
    layer: &LayerDir,
    parent: Option<&LayerId>,
) -> Result<bool, LayerError> {
    let links = lower_of(&core.homes, layer)?;
    let (Some(nearest), Some(parent)) = (links.first(), parent) else {
        return Ok(links.is_empty() && parent.is_none());
    };
    let nearest = resolve(&core.homes, layer, std::slice::from_ref(nearest))?;
    Ok(nearest
        .first()
        .is_some_and(|nearest| nearest.id() == parent))
}

/// MountFidelity the layers below through a mount if they are many, and not more than can be mounted.
fn view_of_many<'a>(
    core: &'a Core,
    layer: &LayerDir,
    parent: Option<&LayerId>,
) -> Result<Option<LayerView<'a>>, LayerError> {
    let depth = lower_of(&core.homes, layer)?.len();
    match parent {
        Some(parent) if depth > OPENED && depth <= MAX_DEPTH => {
            view(core, &core.homes.require(parent)?, "", None).map(Some)
        }
        _ => Ok(None),
    }
}

/// What the kernel shows of the layers below, uppermost first.
fn lower_dirs(core: &Core, layer: &LayerDir) -> Result<Vec<Dir>, LayerError> {
    let mut dirs = Vec::new();
    for layer in below(&core.homes, layer)? {
        dirs.extend(Contents::of(&layer).open()?);
    }
    Ok(dirs)
}
