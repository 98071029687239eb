//! The owners of the directories above a mount.

use std::collections::BTreeSet;
use std::path::Path;

use layerhold_idmap::{HostId, IdMappings};
use layerhold_ids::{ContainerId, LayerId};
use layerhold_sys::{lstat_ambient, stat_ambient};

use crate::catalog::key::Key;
use crate::engine::Engine;
use crate::mount::error::MountError;
use crate::mount::layer::MountTarget;

/// Owners that the ID maps of a container or layer do not cover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentOwners {
    /// The user IDs, sorted.
    pub uids: Vec<u32>,
    /// The group IDs, sorted.
    pub gids: Vec<u32>,
}

pub(crate) fn layer_parent_owners(
    engine: &Engine,
    key: &Key<'_, LayerId>,
) -> Result<ParentOwners, MountError> {
    let layer = crate::catalog::lookup::lookup(&engine.catalog.read_layers()?, key)?;
    owners(
        engine,
        &MountTarget {
            layer,
            container: None,
        },
    )
}

pub(crate) fn container_parent_owners(
    engine: &Engine,
    key: &Key<'_, ContainerId>,
) -> Result<ParentOwners, MountError> {
    let container = crate::catalog::lookup::lookup(&engine.catalog.read_containers()?, key)?;
    let layer = crate::catalog::lookup::require(
        &engine.catalog.read_layers()?,
        container.layer().as_str(),
    )?;
    owners(
        engine,
        &MountTarget {
            layer,
            container: Some(container),
        },
    )
}

fn owners(engine: &Engine, target: &MountTarget) -> Result<ParentOwners, MountError> {
    // Without maps every owner is covered, mounted or not (Go: layers.go, `ParentOwners`).
    let maps = target.layer.id_maps();
    if maps.is_identity() {
        return Ok(ParentOwners::default());
    }
    let layer = target.layer.id();
    let not_mounted = || MountError::NotMounted {
        layer: layer.clone(),
    };
    let mounts = engine.catalog.mounts.read()?;
    let Some(mount) = mounts.into_iter().find(|mount| mount.layer == *layer) else {
        return Err(not_mounted());
    };
    // The mount may be gone since the counts were read.
    if lstat_ambient(&mount.path)?.is_none() {
        return Err(not_mounted());
    }
    uncovered(&mount.path, &maps)
}

/// Collects the owners between a mount point and the root directory, both excluded. A symbolic link
/// counts with its own owner and that of its target: a process needs the permissions of both.
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
