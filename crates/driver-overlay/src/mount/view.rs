//! Showing a layer for reading, where no other process sees it.

use layerhold_driver::{LayerError, LayerView, MountOptions, OwnFiles};
use layerhold_idmap::IdMappings;
use layerhold_sys::OverlayApi;

use super::layer_plan::{Writing, plan};
use super::mounting::own_lowers;
use super::options::mount_options;
use crate::context::Context;
use crate::disk::{MERGED, PRIVATE_MODE};
use crate::kernel::{ProgramMount, ShiftedLowers};
use crate::layers::{Layer, lower_of};

/// By which maps a view shows owners shifted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift<'a> {
    pub(crate) maps: &'a IdMappings,
    pub(crate) own_files: OwnFiles,
}

/// Opens the merged tree of a layer for reading, through a mount of its own.
pub(crate) fn view(
    context: &Context,
    layer: &Layer,
    label: &str,
    shift: Option<Shift<'_>>,
) -> Result<LayerView<'static>, LayerError> {
    let options = mount_options(context, &MountOptions::read_only());
    let parents = lower_of(&context.homes, layer)?;
    let mut plan = plan(context, layer, &parents, Writing::Never, options)?;
    plan.label = label.to_owned();
    let is_detached =
        context.mount_program.is_none() && context.api == OverlayApi::Context && shift.is_none();
    let area = match is_detached {
        true => None,
        false => Some(context.area_for_views()?),
    };
    let place = match &area {
        Some(area) => {
            area.dir().create_dir(MERGED, PRIVATE_MODE)?;
            area.dir().path().join(MERGED)
        }
        None => layer.merged(),
    };
    let mounted = match (&context.mount_program, shift, &area) {
        (Some(program), shift, _) => ProgramMount {
            program,
            maps: shift.map(|shift| shift.maps),
            keeps_permissions: context.options.force_mask.is_some(),
        }
        .mount_privately(&plan, &place)?,
        (None, Some(Shift { maps, own_files }), Some(area)) => {
            let as_they_are = own_lowers(own_files);
            let shifted = ShiftedLowers::put(&mut plan, as_they_are, maps, area.dir())?;
            let mounted = plan.mount_privately(&place, context.api)?;
            drop(shifted);
            mounted
        }
        (None, _, _) => plan.mount_privately(&place, context.api)?,
    };
    let root = mounted.root().ok_or_else(|| LayerError::Unknown {
        id: layer.id().clone(),
    })?;
    Ok(LayerView::new(root).on_release(move || {
        drop(mounted);
        drop(area);
    }))
}
