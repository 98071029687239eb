//! Where layers are: the driver's home, a split-off image store, and additional stores.

use std::path::{Path, PathBuf};

use layerhold_driver::{Access, DriverConfig, LayerAccess, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, PathError};

use crate::NAME;
use crate::layer::LayerDir;
use crate::link::{LinkName, layer_of_target};
use crate::names::{LINKS, STAGING, TEMP};

/// One `overlay` directory.
///
/// It is opened anew for each operation: whoever shuts the store down takes away the mount that the
/// home is, and directories opened before would then belong to another mount than those opened
/// afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
    kind: HomeKind,
    access: Access,
}

/// What a home is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HomeKind {
    /// The driver's own.
    Own,
    /// The split-off image store.
    ImageStore,
    /// An additional store, which is never written to.
    Additional,
}

impl Home {
    pub(crate) fn new(root: &Path, kind: HomeKind, access: Access) -> Self {
        Self {
            path: root.join(NAME),
            kind,
            access,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn kind(&self) -> HomeKind {
        self.kind
    }

    /// Whether the driver writes to it.
    pub(crate) fn is_written(&self) -> bool {
        self.access == Access::ReadWrite && self.kind != HomeKind::Additional
    }

    pub(crate) fn temp_root(&self) -> PathBuf {
        self.path.join(TEMP)
    }

    /// The path of a layer that is, or is to be, here.
    pub(crate) fn layer_path(&self, id: &LayerId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// Opens the home; `None` when there is none.
    pub(crate) fn open(&self) -> Result<Option<Dir>, PathError> {
        optional(Dir::open_ambient(&self.path))
    }

    /// Opens the home for changing it.
    pub(crate) fn writable(&self) -> Result<Dir, LayerError> {
        if !self.is_written() {
            return Err(LayerError::ReadOnlyHome {
                driver: NAME,
                home: self.path.clone(),
            });
        }
        Ok(Dir::open_ambient(&self.path)?)
    }

    /// Opens the directory of short names; `None` when there is none.
    pub(crate) fn open_links(&self) -> Result<Option<Dir>, PathError> {
        match self.open()? {
            Some(home) => optional(home.open_dir(LINKS)),
            None => Ok(None),
        }
    }

    pub(crate) fn holds(&self, id: &LayerId) -> Result<bool, PathError> {
        match self.open()? {
            Some(home) if is_layer_name(id) => home.exists(id.as_str()),
            _ => Ok(false),
        }
    }

    pub(crate) fn layer(&self, id: &LayerId) -> Result<Option<LayerDir>, PathError> {
        let Some(home) = self.open()?.filter(|_| is_layer_name(id)) else {
            return Ok(None);
        };
        let dir = optional(home.open_dir(id.as_str()))?;
        Ok(dir.map(|dir| LayerDir::new(self.clone(), id.clone(), dir)))
    }

    /// The layer that a short name means, as the symbolic link has it.
    pub(crate) fn layer_of_link(&self, link: &LinkName) -> Result<Option<LayerDir>, PathError> {
        let Some(links) = self.open_links()? else {
            return Ok(None);
        };
        let target = match links.read_link(link.as_str()) {
            Ok(target) => target,
            Err(error) if is_no_link(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        match layer_of_target(&target) {
            Some(id) => self.layer(&id),
            None => Ok(None),
        }
    }

    /// The layers here, sorted. Names that no layer can have are somebody else's.
    pub(crate) fn ids(&self) -> Result<Vec<LayerId>, PathError> {
        let mut ids = Vec::new();
        if let Some(home) = self.open()? {
            for entry in home.entries()? {
                let entry = entry?;
                if entry.file_type == FileType::Dir {
                    ids.extend(entry.name.to_str().and_then(|name| name.parse().ok()));
                }
            }
        }
        ids.retain(is_layer_name);
        ids.sort_unstable();
        Ok(ids)
    }
}

/// Turns "it is not there" into `None`.
pub(crate) fn optional<T>(outcome: Result<T, PathError>) -> Result<Option<T>, PathError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether reading a symbolic link failed because there is none of the name.
pub(crate) fn is_no_link(error: &PathError) -> bool {
    error.is_not_found() || error.kind() == std::io::ErrorKind::InvalidInput
}

/// Whether a directory of this name can be a layer: some are the driver's own.
pub(crate) fn is_layer_name(id: &LayerId) -> bool {
    ![LINKS, STAGING, TEMP].contains(&id.as_str())
}

/// All the places a layer may be in.
#[derive(Debug)]
pub(crate) struct Homes {
    own: Home,
    image_store: Option<Home>,
    /// Roots of additional stores, as configured.
    additional: Vec<PathBuf>,
}

impl Homes {
    pub(crate) fn new(config: &DriverConfig, additional: Vec<PathBuf>) -> Self {
        let home = |root: &Path, kind| Home::new(root, kind, config.access);
        Self {
            own: home(&config.root, HomeKind::Own),
            image_store: config
                .image_store
                .as_deref()
                .map(|root| home(root, HomeKind::ImageStore)),
            additional,
        }
    }

    pub(crate) fn own(&self) -> &Home {
        &self.own
    }

    pub(crate) fn additional(&self) -> &[PathBuf] {
        &self.additional
    }

    /// The homes this driver writes to, if it writes.
    pub(crate) fn main(&self) -> impl Iterator<Item = &Home> {
        std::iter::once(&self.own).chain(&self.image_store)
    }

    /// All homes, in the order in which layers are looked for.
    pub(crate) fn all(&self) -> impl Iterator<Item = Home> + '_ {
        let read_only = |root: &PathBuf| Home::new(root, HomeKind::Additional, Access::ReadOnly);
        self.main()
            .cloned()
            .chain(self.additional.iter().map(read_only))
    }

    /// Where a new layer goes.
    pub(crate) fn for_new(&self, access: LayerAccess) -> &Home {
        match (access, &self.image_store) {
            (LayerAccess::ReadOnly, Some(store)) => store,
            _ => &self.own,
        }
    }

    /// Looks for a layer.
    pub(crate) fn find(&self, id: &LayerId) -> Result<Option<LayerDir>, PathError> {
        for home in self.all() {
            if let Some(layer) = home.layer(id)? {
                return Ok(Some(layer));
            }
        }
        Ok(None)
    }

    /// Looks for a layer that must be there.
    pub(crate) fn require(&self, id: &LayerId) -> Result<LayerDir, LayerError> {
        self.find(id)?
            .ok_or_else(|| LayerError::Unknown { id: id.clone() })
    }

    /// Looks for the home of a layer that is to be changed; `None` when there is no such layer.
    pub(crate) fn home_for_change(&self, id: &LayerId) -> Result<Option<Home>, LayerError> {
        for home in self.all() {
            if !home.holds(id)? {
                continue;
            }
            if home.kind() == HomeKind::Additional {
                let store = home.path().parent().unwrap_or(home.path()).to_owned();
                return Err(LayerError::ReadOnlyStore {
                    id: id.clone(),
                    store,
                });
            }
            return Ok(Some(home));
        }
        Ok(None)
    }

    /// Looks for a layer that is to be changed and must be there.
    pub(crate) fn require_writable(&self, id: &LayerId) -> Result<LayerDir, LayerError> {
        let unknown = || LayerError::Unknown { id: id.clone() };
        let home = self.home_for_change(id)?.ok_or_else(unknown)?;
        drop(home.writable()?);
        home.layer(id)?.ok_or_else(unknown)
    }
}
