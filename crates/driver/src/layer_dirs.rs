//! A directory of layers, each of which is one directory tree.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use layerhold_ids::LayerId;
use layerhold_staging::TempRoot;
use layerhold_sys::{Dir, FileType, RenameHow};

use crate::config::Access;
use crate::copy::CopyRules;
use crate::error::LayerError;
use crate::maintenance::Maintenance;
use crate::quarantine::quarantine;
use crate::stage::StageRequest;
use crate::staged_dir::StagedDir;
use crate::trash::Trash;

const MODE: u32 = 0o700;

/// A directory of layers, each of which is one directory tree that is named after its ID, and the
/// root of temporary areas beside it.
///
/// This is all of a driver that copies trees and mounts nothing (vfs has one for each store that it
/// writes to or reads). It does what the methods of [`Driver`](crate::Driver) promise: layers
/// appear and disappear by renames, and a crash leaves temporary areas.
/// `examples/third_party_driver` of the crate `layerhold` is a whole driver.
///
/// ```
/// use layerhold_driver::{Access, CopyRules, LayerDirs, Privilege, StageRequest, StagedLayer};
///
/// # let scratch = tempfile::tempdir()?;
/// # let home = scratch.path();
/// let dirs = LayerDirs::open("mine", home.join("layers"), home.join("tmp"), Access::ReadWrite)?;
/// let rules = CopyRules::new(Privilege::UserNamespace);
/// let staged = dirs.stage(&StageRequest::new(), rules, |id| dirs.open_layer(id))?;
/// let id = "base".parse()?;
/// Box::new(staged).commit(&id)?;
/// assert_eq!(dirs.list()?, [id]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LayerDirs {
    driver: &'static str,
    path: PathBuf,
    temp_root: PathBuf,
    access: Access,
    /// `None` when there is no directory and none may be made.
    layers: Option<Dir>,
}

impl LayerDirs {
    /// Opens the directory of layers at `path`, creating it if that is allowed. `temp_root`, which
    /// the first temporary area creates, is on the same filesystem.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened or created.
    pub fn open(
        driver: &'static str,
        path: impl Into<PathBuf>,
        temp_root: impl Into<PathBuf>,
        access: Access,
    ) -> layerhold_sys::Result<Self> {
        let path = path.into();
        let layers = match access {
            Access::ReadWrite => Some(Dir::create_ambient_all(&path, MODE)?),
            Access::ReadOnly => match Dir::open_ambient(&path) {
                Err(error) if error.is_not_found() => None,
                other => Some(other?),
            },
        };
        Ok(Self {
            driver,
            path,
            temp_root: temp_root.into(),
            access,
            layers,
        })
    }

    /// Returns the root of temporary areas ([`Driver::temp_roots`](crate::Driver::temp_roots)).
    #[must_use]
    pub fn temp_root(&self) -> &Path {
        &self.temp_root
    }

    /// Returns the path of a layer that is, or is to be, here.
    #[must_use]
    pub fn layer_path(&self, id: &LayerId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// Tells whether the layer is here.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    pub fn holds(&self, id: &LayerId) -> Result<bool, LayerError> {
        let held = self
            .layers
            .as_ref()
            .map(|layers| layers.exists(id.as_str()));
        Ok(held.transpose()?.unwrap_or(false))
    }

    /// Opens the tree of a layer.
    ///
    /// # Errors
    ///
    /// [`LayerError::Unknown`].
    pub fn open_layer(&self, id: &LayerId) -> Result<Dir, LayerError> {
        let unknown = || LayerError::Unknown { id: id.clone() };
        let layers = self.layers.as_ref().ok_or_else(unknown)?;
        match layers.open_dir(id.as_str()) {
            Err(error) if error.is_not_found() => Err(unknown()),
            other => Ok(other?),
        }
    }

    /// Lists the layers, sorted. Names that no layer can have belong to other programs, and are
    /// passed over.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<LayerId>, LayerError> {
        let mut ids = Vec::new();
        if let Some(layers) = &self.layers {
            for entry in layers.entries()? {
                let entry = entry?;
                if entry.file_type == FileType::Dir {
                    ids.extend(entry.name.to_str().and_then(|name| name.parse().ok()));
                }
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Stages a layer, as [`Driver::stage`](crate::Driver::stage) describes. `find` opens the tree of
    /// a committed parent or template; [`open_layer`](Self::open_layer) does for a driver that looks
    /// nowhere else.
    ///
    /// # Errors
    ///
    /// [`LayerError::StorageOptions`] for any options of the layer,
    /// [`LayerError::ForeignStaged`] for a staged parent of another driver, and those of `find`.
    pub fn stage(
        &self,
        request: &StageRequest<'_>,
        rules: CopyRules,
        find: impl FnOnce(&LayerId) -> Result<Dir, LayerError>,
    ) -> Result<StagedDir, LayerError> {
        if !request.storage_options.is_empty() {
            return Err(LayerError::StorageOptions {
                driver: self.driver,
            });
        }
        let layers = self.writable()?;
        let begin = || {
            let area = TempRoot::new(&self.temp_root).begin();
            area.map_err(LayerError::TempArea)
        };
        StagedDir::new(self.driver, request, layers, begin, rules, find)
    }

    /// Removes a layer, as [`Driver::remove`](crate::Driver::remove) describes. Does nothing when it
    /// is not here.
    ///
    /// # Errors
    ///
    /// [`LayerError::ReadOnlyHome`], or when it can be neither moved nor erased.
    pub fn remove(&self, id: &LayerId, trash: &mut Trash) -> Result<(), LayerError> {
        if !self.holds(id)? {
            return Ok(());
        }
        trash.take(&self.temp_root, self.writable()?, id.as_str())
    }

    /// Flushes the filesystem.
    ///
    /// # Errors
    ///
    /// When the kernel cannot.
    pub fn sync(&self) -> Result<(), LayerError> {
        let layers = self.layers.as_ref();
        Ok(layers.map_or(Ok(()), Dir::sync_filesystem)?)
    }

    /// Makes durable which layers are here ([`Driver::sync_places`](crate::Driver::sync_places)).
    ///
    /// # Errors
    ///
    /// When the directory cannot be synced.
    pub fn sync_places(&self) -> Result<(), LayerError> {
        Ok(self.layers.as_ref().map_or(Ok(()), Dir::sync)?)
    }

    /// The directory, for changing it.
    fn writable(&self) -> Result<&Dir, LayerError> {
        match (&self.layers, self.access) {
            (Some(layers), Access::ReadWrite) => Ok(layers),
            _ => Err(LayerError::ReadOnlyHome {
                driver: self.driver,
                home: self.path.clone(),
            }),
        }
    }
}

impl Maintenance for LayerDirs {
    fn quarantine(&self, id: &LayerId) -> Result<PathBuf, LayerError> {
        if !self.holds(id)? {
            return Err(LayerError::Unknown { id: id.clone() });
        }
        quarantine(&self.temp_root, self.writable()?, id.as_str())
    }

    fn put_back(&self, area: &Dir, name: &OsStr, id: &LayerId) -> Result<bool, LayerError> {
        if area.path().parent() != Some(&self.temp_root) {
            return Ok(false);
        }
        let is_dir = area.stat(name)?.is_some_and(|stat| stat.is_dir());
        if !is_dir || self.holds(id)? {
            return Ok(false);
        }
        let layers = self.writable()?;
        area.rename(name, layers, id.as_str(), RenameHow::NoReplace)?;
        layers.sync()?;
        Ok(true)
    }
}
