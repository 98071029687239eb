//! A graph driver that keeps each layer as a directory tree, written with the public interface of
//! `layerhold-driver` alone.

use std::path::PathBuf;
use std::sync::Arc;

use layerhold_driver::layerhold_ids::LayerId;
use layerhold_driver::layerhold_sys::Dir;
use layerhold_driver::{
    Capabilities, CopyRules, DirTarget, Driver, DriverConfig, DriverFactory, DriverOption,
    LayerDirs, LayerError, LayerTarget, Maintenance, MountOptions, OpenError, Stacking,
    StageRequest, StagedLayer, Trash,
};

/// The driver's name: of its directory below the graph root, and before its options.
pub(crate) const NAME: &str = "copies";

/// What a program adds to its [`StoreOptions`](layerhold::StoreOptions).
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopiesFactory;

impl DriverFactory for CopiesFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, config: &DriverConfig) -> Result<Arc<dyn Driver>, OpenError> {
        let mut rules = CopyRules::new(config.privilege);
        for option in DriverOption::parse_for(NAME, &config.options)? {
            match option.key() {
                "ignore_chown_errors" => {
                    rules = rules.with_chown_errors(option.chown_errors_value()?);
                }
                _ => return Err(option.unknown().into()),
            }
        }
        let home = config.home(NAME);
        let (layers, temporary) = (home.join("layers"), home.join("tmp"));
        let dirs = LayerDirs::open(NAME, layers, temporary, config.access)?;
        Ok(Arc::new(Copies { dirs, rules }))
    }
}

/// Layers are copies of their parents: slow and large, but nothing has to be mounted.
#[derive(Debug)]
struct Copies {
    dirs: LayerDirs,
    rules: CopyRules,
}

impl Driver for Copies {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Stacking::Copies)
    }

    fn stage(&self, request: &StageRequest<'_>) -> Result<Box<dyn StagedLayer>, LayerError> {
        let committed = |id: &LayerId| self.dirs.open_layer(id);
        Ok(Box::new(self.dirs.stage(request, self.rules, committed)?))
    }

    fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        self.dirs.remove(id, trash)
    }

    fn exists(&self, id: &LayerId) -> Result<bool, LayerError> {
        self.dirs.holds(id)
    }

    fn list(&self) -> Result<Option<Vec<LayerId>>, LayerError> {
        self.dirs.list().map(Some)
    }

    fn mount(&self, id: &LayerId, options: &MountOptions) -> Result<PathBuf, LayerError> {
        // Nothing is mounted, so there is nothing that options could apply to.
        options.refuse_options(NAME)?;
        self.dirs.open_layer(id)?;
        Ok(self.dirs.layer_path(id))
    }

    fn apply_target(&self, id: &LayerId, _label: &str) -> Result<Box<dyn LayerTarget>, LayerError> {
        Ok(Box::new(DirTarget::new(
            self.dirs.open_layer(id)?,
            self.rules,
        )))
    }

    fn diff_dir(&self, id: &LayerId) -> Result<Option<Dir>, LayerError> {
        self.dirs.open_layer(id).map(Some)
    }

    fn maintenance(&self) -> &dyn Maintenance {
        &self.dirs
    }

    fn temp_roots(&self) -> Vec<PathBuf> {
        vec![self.dirs.temp_root().to_owned()]
    }
}
