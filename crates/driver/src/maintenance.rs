//! Checking and repairing what a driver keeps beside the files of layers.

use std::ffi::OsStr;
use std::path::PathBuf;

use layerhold_ids::LayerId;
use layerhold_sys::Dir;

use crate::error::LayerError;

/// Finds, repairs and removes what is damaged or left over in the home of a driver.
///
/// Layers can be made, mounted and removed without it: only a check, a repair and the recovery
/// after a crash use it. [`Driver::maintenance`](crate::Driver::maintenance) returns it without an
/// `Option`, because every driver must be able to [`quarantine`](Self::quarantine) a layer. The
/// other methods have a body that is right for a driver that keeps nothing but the trees of its
/// layers.
pub trait Maintenance {
    // ---- what the driver knows of other layers ----

    /// Lists the parents of a layer, nearest first, by what the driver itself keeps about it, so
    /// that a lost record of the store can be rebuilt. `None` when it keeps nothing (vfs), or when
    /// what it keeps is damaged. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn parents(&self, _id: &LayerId) -> Result<Option<Vec<LayerId>>, LayerError> {
        Ok(None)
    }

    /// Tells whether any parent that the driver has listed for a layer is in one of the stores that
    /// it was opened with. `None` when it keeps no list (vfs), when that is damaged, or when it
    /// lists none.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn knows_any_parent(&self, _id: &LayerId) -> Result<Option<bool>, LayerError> {
        Ok(None)
    }

    // ---- damage ----

    /// Looks for damage to what the driver keeps about a layer: links between layers, the list of
    /// its parents. `parent` is the layer that the store's record names.
    ///
    /// No lock is held, so what is found may be work in progress. The caller asks again under the
    /// layers lock. A layer that the driver does not hold has no damage.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn damage(
        &self,
        _id: &LayerId,
        _parent: Option<&LayerId>,
    ) -> Result<Vec<DriverDamage>, LayerError> {
        Ok(Vec::new())
    }

    /// Repairs the [`damage`](Self::damage) of a layer that is [`Repairable::Yes`]. The caller
    /// holds the layers lock for writing, and repairs parents before their children.
    ///
    /// # Errors
    ///
    /// When something cannot be repaired. Nothing is removed then.
    fn repair(&self, _id: &LayerId, _parent: Option<&LayerId>) -> Result<(), LayerError> {
        Ok(())
    }

    /// Looks for what lies in the driver's home and belongs to no layer: links to layers that are
    /// gone, directories of dead processes outside of the
    /// [temporary roots](crate::Driver::temp_roots). [`repair_home`](Self::repair_home) removes it.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn home_damage(&self) -> Result<Vec<DriverDamage>, LayerError> {
        Ok(Vec::new())
    }

    /// Removes one thing that [`home_damage`](Self::home_damage) found, if it still belongs to no
    /// layer. The caller holds the layers lock for writing.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    fn repair_home(&self, _damage: &DriverDamage) -> Result<(), LayerError> {
        Ok(())
    }

    /// Moves everything that the driver holds of a layer to a directory where no layers are looked
    /// for, so that it can be examined. Returns that directory. The caller holds the layers lock
    /// for writing.
    ///
    /// # Errors
    ///
    /// When the layer is unknown or cannot be moved. It stays where it was then.
    fn quarantine(&self, id: &LayerId) -> Result<PathBuf, LayerError>;

    // ---- after a crash ----

    /// Puts a layer back from the temporary area of a dead process: the directory `name` in an area
    /// below one of the [temporary roots](crate::Driver::temp_roots). Does nothing when the layer
    /// is in its place. Tells whether the layer was put back.
    ///
    /// The caller holds the lock of the area and has seen a record that says that the layer is
    /// complete.
    ///
    /// # Errors
    ///
    /// When it cannot be put back. It stays where it was then.
    fn put_back(&self, _area: &Dir, _name: &OsStr, _id: &LayerId) -> Result<bool, LayerError> {
        Ok(false)
    }

    /// Removes what dead processes left outside of the
    /// [temporary roots](crate::Driver::temp_roots). A writer calls it, without a lock.
    ///
    /// # Errors
    ///
    /// When something cannot be removed, or the driver cannot find out whether there is anything.
    fn recover(&self) -> Result<(), LayerError> {
        Ok(())
    }

    /// Lists what [`recover`](Self::recover) would remove, without changing anything.
    ///
    /// # Errors
    ///
    /// When the answer cannot be found out.
    fn abandoned(&self) -> Result<Vec<PathBuf>, LayerError> {
        Ok(Vec::new())
    }
}

/// Damage to what a driver keeps about a layer, or about its home: a link between layers, a list of
/// parents.
///
/// The files of a layer are not part of it: the store has the record of what was imported, and
/// compares them with that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
#[non_exhaustive]
pub struct DriverDamage {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it, as the end of a sentence that begins with its name, such as `is
    /// empty`.
    pub what: String,
    /// Whether the driver can repair it.
    pub repairable: Repairable,
}

/// Whether a driver can rebuild something from what else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repairable {
    /// It can.
    Yes,
    /// It cannot, and the layer cannot be used any more.
    No,
}

impl DriverDamage {
    /// Describes damage that the driver can repair.
    #[must_use]
    pub fn repairable(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            what: what.into(),
            repairable: Repairable::Yes,
        }
    }

    /// Describes damage that the driver cannot repair.
    #[must_use]
    pub fn fatal(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            repairable: Repairable::No,
            ..Self::repairable(path, what)
        }
    }
}
