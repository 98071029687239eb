//! Who owns the directories above a mount.

use std::collections::BTreeSet;
use std::path::Path;

use layerhold_idmap::{HostId, IdMappings};
use layerhold_sys::{lstat_ambient, stat_ambient};

use crate::errors::MountError;
use crate::mount::layer::Target;
use crate::store::Store;

/// Owners that a container's maps do not cover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentOwners {
    /// Users, sorted.
    pub uids: Vec<u32>,
    /// Groups, sorted.
    pub gids: Vec<u32>,
}

impl Store {
    /// Lists the owners of the directories above the mount of a layer that the layer's ID maps do
    /// not cover: a process in that user namespace needs their permission to reach it. Without maps
    /// there are none.
    ///
    /// Go: `Store.LayerParentOwners`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when a layer with maps is not mounted.
    pub fn layer_parent_owners(&self, key: &str) -> Result<ParentOwners, MountError> {
        let layer = crate::catalog::lookup::lookup(&self.inner.layers_view()?, key)?;
        self.owners(&Target {
            layer,
            container: None,
        })
    }

    /// As [`layer_parent_owners`](Self::layer_parent_owners), for the layer of a container.
    ///
    /// Go: `Store.ContainerParentOwners`.
    ///
    /// # Errors
    ///
    /// [`MountError::NotMounted`] when the layer is not mounted.
    pub fn container_parent_owners(&self, key: &str) -> Result<ParentOwners, MountError> {
        let container = crate::catalog::lookup::lookup(&self.inner.containers_view()?, key)?;
        let layer = crate::catalog::lookup::require(
            &self.inner.layers_view()?,
            container.layer().as_str(),
        )?;
        self.owners(&Target {
            layer,
            container: Some(container),
        })
    }

    fn owners(&self, target: &Target) -> Result<ParentOwners, MountError> {
        // Without maps every owner is covered, mounted or not (Go: layers.go, `ParentOwners`).
        let maps = target.layer.id_maps();
        if maps.is_identity() {
            return Ok(ParentOwners::default());
        }
        let layer = target.layer.id();
        let not_mounted = || MountError::NotMounted {
            layer: layer.clone(),
        };
        let mounts = self.inner.mounts.read()?;
        let Some(mount) = mounts.into_iter().find(|mount| mount.layer == *layer) else {
            return Err(not_mounted());
        };
        // It may have been unmounted, and removed, since the counts were read.
        if lstat_ambient(&mount.path)?.is_none() {
            return Err(not_mounted());
        }
        uncovered(&mount.path, &maps)
    }
}

/// Looks at what is between a mount point and the root directory, neither of them included. A
/// symbolic link counts as itself and as what it leads to: the permissions of both matter to a
/// process on its way.
fn uncovered(path: &Path, maps: &IdMappings) -> Result<ParentOwners, MountError> {
    let (mut uids, mut gids) = (BTreeSet::new(), BTreeSet::new());
    let parents = path.ancestors().skip(1);
    for dir in parents.filter(|dir| dir.parent().is_some()) {
        let itself = lstat_ambient(dir)?;
        for stat in itself.into_iter().chain(stat_ambient(dir)?) {
            if maps.uids.to_container(HostId::new(stat.uid)).is_err() {
                uids.insert(stat.uid);
            }
            if maps.gids.to_container(HostId::new(stat.gid)).is_err() {
                gids.insert(stat.gid);
            }
        }
    }
    Ok(ParentOwners {
        uids: uids.into_iter().collect(),
        gids: gids.into_iter().collect(),
    })
}
