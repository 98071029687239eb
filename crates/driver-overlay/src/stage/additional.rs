//! Layers in an additional layer store, and layers that are made of them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_driver::{AdditionalLayer, LayerError, StageRequest, StagedLayer};

use super::staged::OverlayStaged;
use crate::context::Context;
use crate::layers::LayerUse;

/// A layer in an additional layer store.
#[derive(Debug)]
pub(crate) struct OverlayAdditional {
    context: Arc<Context>,
    in_use: LayerUse,
}

impl OverlayAdditional {
    pub(crate) fn new(context: &Arc<Context>, path: PathBuf) -> Self {
        Self {
            context: Arc::clone(context),
            in_use: LayerUse::begin(path),
        }
    }
}

impl AdditionalLayer for OverlayAdditional {
    fn path(&self) -> &Path {
        self.in_use.path()
    }

    fn info(&self) -> Result<Vec<u8>, LayerError> {
        self.in_use.info()
    }

    fn blob(&self) -> Result<File, LayerError> {
        self.in_use.blob()
    }

    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        let own_use = LayerUse::begin(self.in_use.path().to_owned());
        let staged = OverlayStaged::external(&self.context, request, own_use)?;
        Ok(Box::new(staged))
    }
}
