//! The directories that have layers in them: the driver's home, a split-off image store, and
//! additional stores.

use std::path::{Path, PathBuf};

use layerhold_driver::{Access, DriverConfig, LayerAccess, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, PathError};

/// The driver's name, and the name of its directory below the graph root.
pub const NAME: &str = "vfs";
/// The directory of layers below a driver home.
const LAYERS: &str = "dir";
/// The root of temporary areas below a driver home (Go: drivers/vfs/driver.go, `tempDirName`).
const TEMP: &str = "tempdirs";

/// One `vfs` directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// The `vfs` directory.
    path: PathBuf,
    access: Access,
    /// Its `dir`; `None` when there is none and none may be made.
    layers: Option<Dir>,
}

impl Home {
    fn open(path: PathBuf, access: Access) -> Result<Self, PathError> {
        let layers = match access {
            Access::ReadWrite => Some(Dir::create_ambient_all(path.join(LAYERS), 0o700)?),
            Access::ReadOnly => match Dir::open_ambient(path.join(LAYERS)) {
                Ok(dir) => Some(dir),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            },
        };
        Ok(Self {
            path,
            access,
            layers,
        })
    }

    pub(crate) fn layers(&self) -> Option<&Dir> {
        self.layers.as_ref()
    }

    pub(crate) fn temp_root(&self) -> PathBuf {
        self.path.join(TEMP)
    }

    /// Returns the directory of layers, for changing it.
    pub(crate) fn writable(&self) -> Result<&Dir, LayerError> {
        match (&self.layers, self.access) {
            (Some(layers), Access::ReadWrite) => Ok(layers),
            _ => Err(LayerError::ReadOnlyHome {
                driver: NAME,
                home: self.path.clone(),
            }),
        }
    }

    fn holds(&self, id: &LayerId) -> Result<bool, PathError> {
        self.layers
            .as_ref()
            .map_or(Ok(false), |layers| layers.exists(id.as_str()))
    }

    /// The path of a layer that is, or is to be, here.
    pub(crate) fn layer_path(&self, id: &LayerId) -> PathBuf {
        self.path.join(LAYERS).join(id.as_str())
    }

    pub(crate) fn open_layer(&self, id: &LayerId) -> Result<Dir, LayerError> {
        let unknown = || LayerError::Unknown { id: id.clone() };
        match self
            .layers
            .as_ref()
            .ok_or_else(unknown)?
            .open_dir(id.as_str())
        {
            Err(error) if error.is_not_found() => Err(unknown()),
            other => Ok(other?),
        }
    }
}

/// All homes in which a layer may be.
#[derive(Debug)]
pub(crate) struct Homes {
    own: Home,
    image_store: Option<Home>,
    /// Roots of additional stores, as configured. They are opened when asked, because they may be
    /// mounted later than the driver is opened.
    additional: Vec<PathBuf>,
}

/// A layer that was found.
#[derive(Debug)]
pub(crate) struct FoundLayer {
    pub(crate) home: Home,
    /// The root of the additional store, if it is in one.
    pub(crate) additional: Option<PathBuf>,
}

impl Homes {
    pub(crate) fn open(config: &DriverConfig, additional: Vec<PathBuf>) -> Result<Self, PathError> {
        let open = |root: &Path| Home::open(root.join(NAME), config.access);
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
    pub(crate) fn written(&self) -> impl Iterator<Item = &Home> {
        std::iter::once(&self.own).chain(&self.image_store)
    }

    /// The home of a new layer.
    pub(crate) fn for_new(&self, access: LayerAccess) -> &Home {
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
            let home = Home::open(root.join(NAME), Access::ReadOnly)?;
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
    pub(crate) fn require_writable(&self, id: &LayerId) -> Result<Home, LayerError> {
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
