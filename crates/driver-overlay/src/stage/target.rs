//! Existing layers into which a diff is applied, and what unpacking leaves open.

use std::sync::Arc;

use layerhold_archive::{UnpackOptions, Unsettled};
use layerhold_driver::{LayerError, LayerTarget};
use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::context::Context;
use crate::layers::{Layer, Parent};

/// An existing layer into which a diff is applied.
#[derive(Debug)]
pub(crate) struct OverlayTarget {
    root: Dir,
    context: Arc<Context>,
    layer: Layer,
}

impl OverlayTarget {
    pub(crate) fn open(context: &Arc<Context>, id: &LayerId) -> Result<Self, LayerError> {
        let layer = context.homes.require_writable(id)?;
        layer.dir().refuse_external()?;
        Ok(Self {
            root: layer.dir().open_diff()?,
            context: Arc::clone(context),
            layer,
        })
    }
}

impl LayerTarget for OverlayTarget {
    fn root(&self) -> &Dir {
        &self.root
    }

    fn unpack_options(&self) -> UnpackOptions {
        self.context.unpack_options()
    }

    fn settle(&self, unsettled: &Unsettled) -> Result<(), LayerError> {
        let parent = Parent::of(&self.context.homes, &self.layer)?;
        settle(&self.context, &self.root, &parent, unsettled)
    }
}

/// Completes what unpacking had to leave open, because it depends on the parents.
pub(super) fn settle(
    context: &Context,
    root: &Dir,
    parent: &Parent,
    unsettled: &Unsettled,
) -> Result<(), LayerError> {
    if unsettled.is_empty() {
        return Ok(());
    }
    let mut lower = Vec::new();
    if unsettled.is_about_root() {
        lower.extend(parent.open_diff()?);
    } else {
        for dir in parent.dirs(&context.homes)? {
            lower.extend(dir.open_diffs()?);
        }
    }
    Ok(unsettled.settle(root, &lower, context.namespace())?)
}
