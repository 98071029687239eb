//! The directories that have layers in them: the driver's home, a split-off image store, and
//! additional stores.

use std::path::{Path, PathBuf};

use layerhold_driver::{Access, DriverConfig, LayerAccess, LayerDirs, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::PathError;

/// The driver's name, and the name of its directory below the graph root.
pub const NAME: &str = "vfs";
/// The directory of layers below a driver home.
const LAYERS: &str = "dir";
/// The root of temporary areas below a driver home (Go: drivers/vfs/driver.go, `tempDirName`).
const TEMP: &str = "tempdirs";

/// Opens the layers of the store at a graph root.
fn open_home(root: &Path, access: Access) -> Result<LayerDirs, PathError> {
    let home = root.join(NAME);
    LayerDirs::open(NAME, home.join(LAYERS), home.join(TEMP), access)
}

/// All homes in which a layer may be.
#[derive(Debug)]
pub(crate) struct Homes {
    own: LayerDirs,
    image_store: Option<LayerDirs>,
    /// Roots of additional stores, as configured. They are opened when asked, because they may be
    /// mounted later than the driver is opened.
    additional: Vec<PathBuf>,
}

/// A layer that was found.
#[derive(Debug)]
pub(crate) struct FoundLayer {
    pub(crate) home: LayerDirs,
    /// The root of the additional store, if it is in one.
    pub(crate) additional: Option<PathBuf>,
}

impl Homes {
    pub(crate) fn open(config: &DriverConfig, additional: Vec<PathBuf>) -> Result<Self, PathError> {
        let open = |root: &Path| open_home(root, config.access);
        Ok(Self {
            own: open(&config.root)?,
            image_store: config.image_store.as_deref().map(open).transpose()?,
            additional,
        })
    }

    pub(crate) fn additional(&self) -> &[PathBuf] {
        &self.additional
    }

    /// The homes this driver writes to.
    pub(crate) fn written(&self) -> impl Iterator<Item = &LayerDirs> {
        std::iter::once(&self.own).chain(&self.image_store)
    }

    /// The home of a new layer.
    pub(crate) fn for_new(&self, access: LayerAccess) -> &LayerDirs {
        match (access, &self.image_store) {
            (LayerAccess::ReadOnly, Some(store)) => store,
            _ => &self.own,
        }
    }

    /// Looks for a layer: in the home, then the image store, then the additional stores in their
    /// order.
    pub(crate) fn find(&self, id: &LayerId) -> Result<Option<FoundLayer>, LayerError> {
        for home in self.written() {
            if home.holds(id)? {
                return Ok(Some(FoundLayer {
                    home: home.clone(),
                    additional: None,
                }));
            }
        }
        for root in &self.additional {
            let home = open_home(root, Access::ReadOnly)?;
            if home.holds(id)? {
                return Ok(Some(FoundLayer {
                    home,
                    additional: Some(root.clone()),
                }));
            }
        }
        Ok(None)
    }

    /// Looks for a layer that must be there.
    pub(crate) fn require(&self, id: &LayerId) -> Result<FoundLayer, LayerError> {
        self.find(id)?
            .ok_or_else(|| LayerError::Unknown { id: id.clone() })
    }

    /// Looks for a layer that is to be changed.
    pub(crate) fn require_writable(&self, id: &LayerId) -> Result<LayerDirs, LayerError> {
        let found = self.require(id)?;
        match found.additional {
            Some(store) => Err(LayerError::ReadOnlyStore {
                id: id.clone(),
                store,
            }),
            None => Ok(found.home),
        }
    }
}
