//! The directories that have layers in them: the driver's home, a split-off image store, and
//! additional stores.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use layerhold_driver::{Access, DriverConfig, LayerAccess, LayerError};
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, PathError};

use super::names::{LINKS, NAME, STAGING, TEMP};

/// One `overlay` directory.
///
/// Each operation opens it again. Shutting a store down unmounts the home, which is a mount of its
/// own; directories opened before that belong to another mount than those opened afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
    kind: HomeKind,
    access: Access,
}

/// What a home is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HomeKind {
    /// The driver's own.
    Own,
    /// The split-off image store.
    ImageStore,
    /// An additional store, which is never written to.
    Additional,
}

impl Home {
    fn new(root: &Path, kind: HomeKind, access: Access) -> Self {
        Self {
            path: root.join(NAME),
            kind,
            access,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn kind(&self) -> HomeKind {
        self.kind
    }

    /// Whether the driver writes to it.
    pub(crate) fn is_written(&self) -> bool {
        self.access == Access::ReadWrite && self.kind != HomeKind::Additional
    }

    /// Whether its layers can be mounted in their own directories.
    pub(crate) fn takes_mounts(&self) -> bool {
        self.kind == HomeKind::Own && self.is_written()
    }

    pub(crate) fn temp_root(&self) -> PathBuf {
        self.path.join(TEMP)
    }

    /// Opens the home; `None` when there is none.
    pub(crate) fn open(&self) -> Result<Option<Dir>, PathError> {
        optional(Dir::open_ambient(&self.path))
    }

    /// Opens the home for changing it.
    pub(crate) fn writable(&self) -> Result<Dir, LayerError> {
        self.check_writable()?;
        Ok(Dir::open_ambient(&self.path)?)
    }

    /// Fails if the driver does not write to the home.
    pub(crate) fn check_writable(&self) -> Result<(), LayerError> {
        if self.is_written() {
            return Ok(());
        }
        Err(LayerError::ReadOnlyHome {
            driver: NAME,
            home: self.path.clone(),
        })
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

    /// The layers here, sorted. Names that no layer can have belong to other programs.
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

/// A home that is opened at its first use, and stays open for the rest of one operation.
#[derive(Debug)]
pub(crate) struct OpenHome {
    home: Home,
    dir: OnceCell<Option<Dir>>,
    links: OnceCell<Option<Dir>>,
}

impl OpenHome {
    pub(crate) fn new(home: Home) -> Self {
        Self {
            home,
            dir: OnceCell::new(),
            links: OnceCell::new(),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The home; `None` when there is none.
    pub(crate) fn dir(&self) -> Result<Option<&Dir>, PathError> {
        if self.dir.get().is_none() {
            let opened = self.home.open()?;
            return Ok(self.dir.get_or_init(|| opened).as_ref());
        }
        Ok(self.dir.get().and_then(Option::as_ref))
    }

    /// The directory of short names; `None` when there is none.
    pub(crate) fn links(&self) -> Result<Option<&Dir>, PathError> {
        if self.links.get().is_none() {
            let opened = match self.dir()? {
                Some(home) => optional(home.open_dir(LINKS))?,
                None => None,
            };
            return Ok(self.links.get_or_init(|| opened).as_ref());
        }
        Ok(self.links.get().and_then(Option::as_ref))
    }
}

/// Turns "not found" into `None`.
pub(crate) fn optional<T>(outcome: Result<T, PathError>) -> Result<Option<T>, PathError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a directory of this name can be a layer: some are the driver's own.
pub(crate) fn is_layer_name(id: &LayerId) -> bool {
    ![LINKS, STAGING, TEMP].contains(&id.as_str())
}

/// All homes in which a layer may be.
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

    /// The homes that this driver writes to, if it writes.
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

    /// Whether any home has a layer of this ID.
    pub(crate) fn hold(&self, id: &LayerId) -> Result<bool, PathError> {
        for home in self.all() {
            if home.holds(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The layers of the main homes, sorted.
    pub(crate) fn ids(&self) -> Result<Vec<LayerId>, PathError> {
        let mut ids = Vec::new();
        for home in self.main() {
            ids.extend(home.ids()?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The home of a new layer.
    pub(crate) fn for_new(&self, access: LayerAccess) -> &Home {
        match (access, &self.image_store) {
            (LayerAccess::ReadOnly, Some(store)) => store,
            _ => &self.own,
        }
    }

    /// The home of a layer that is to be changed; `None` when there is no such layer.
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
}
