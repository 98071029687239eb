//! Mounts and unmounts layers.
//!
//! The driver mounts first, then the mount is counted in `mountpoints.json`. A crash in between
//! leaves a mounted layer with too small a count, and the next mount finds it mounted. Both happen
//! under the write lock of the layers: the layer cannot be deleted under the mount, and a Go
//! process that saves layers does not restore an old count (see [`crate::catalog::mount_counts`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold_driver::{Driver, MountDurability, MountOptions, OwnFiles, Shifting};
use layerhold_ids::LayerId;
use layerhold_json_store::ReadGuard;
use layerhold_sys::best_effort;

use crate::catalog::error::{AccessError, LookupError};
use crate::catalog::key::Key;
use crate::catalog::locked::Locked;
use crate::catalog::lookup::{
    by_id, find, is_exactly, is_exactly_container, lookup, refuse_additional, require,
};
use crate::catalog::mount_counts::{CountsGuard, MountCounts, Mounted};
use crate::catalog::record_stores::Records;
use crate::engine::Engine;
use crate::engine::options::VolatileMounts;
use crate::engine::owners_on_disk::mapped_container;
use crate::mount::error::MountError;
use crate::mount::kernel_table::mounted_layers;
use crate::mount::stale::{is_mounted_here, stale};
use crate::records::kinds::{ItemId, ItemKind};
use crate::records::{Container, Layer};

/// How a layer or container is to be mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountRequest {
    /// The SELinux label; empty for that of the layer.
    pub label: String,
    /// Mount options such as `ro`, added to those of the container.
    pub options: Vec<String>,
}

impl MountRequest {
    /// Requests a mount with the label and options of the layer and the container.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the SELinux label.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a mount option.
    #[must_use]
    pub fn option(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }
}

/// How far unmounting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmounting {
    /// Ends one use of the mount. The last one unmounts the layer.
    #[default]
    Once,
    /// Unmounts the layer, no matter how many users it has.
    Force,
}

/// Whether a layer is still mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StillMounted {
    /// It has other users.
    Yes,
    /// It is unmounted.
    No,
}

pub(crate) fn mount(
    engine: &Engine,
    key: &Key<'_, ItemId>,
    request: &MountRequest,
) -> Result<PathBuf, MountError> {
    let target = mount_target(engine, key)?;
    mount_layer(engine, &target, request)
}

pub(crate) fn unmount(
    engine: &Engine,
    key: &Key<'_, ItemId>,
    how: Unmounting,
) -> Result<StillMounted, MountError> {
    let layer = match mount_target(engine, key) {
        Ok(target) => target.layer.id().clone(),
        Err(MountError::Lookup(error)) => mounted_at(engine, key.as_str())?.ok_or(error)?,
        Err(error) => return Err(error),
    };
    unmount_layer(engine, &layer, how)
}

pub(crate) fn mounted(engine: &Engine, key: &Key<'_, ItemId>) -> Result<u32, MountError> {
    let layer = mount_target(engine, key)?.layer.id().clone();
    let mounts = engine.catalog.mounts.read()?;
    Ok(mounts
        .iter()
        .find(|mount| mount.layer == layer)
        .map_or(0, |mount| mount.count))
}

pub(crate) fn mounts(engine: &Engine) -> Result<Vec<Mounted>, AccessError> {
    engine.catalog.mounts.read()
}

/// A layer to be mounted, with its container if it has one.
#[derive(Debug)]
pub(crate) struct MountTarget {
    pub(crate) layer: Arc<Layer>,
    pub(crate) container: Option<Arc<Container>>,
}

/// Finds the layer that a key names: that of a container, or a layer itself (Go: store.go,
/// `Mount`).
pub(crate) fn mount_target(
    engine: &Engine,
    key: &Key<'_, ItemId>,
) -> Result<MountTarget, MountError> {
    let containers = engine.catalog.read_containers()?;
    let layers = engine.catalog.read_layers()?;
    // Containers are found by prefix too, unless the key is the ID or a name of a layer.
    let container = key
        .container()
        .and_then(|key| find(&containers, &key).unwrap_or(None));
    let text = key.as_str();
    let is_layer = || {
        let layer = key.layer().map(|key| find(&layers, &key));
        matches!(layer, Some(Ok(Some(layer))) if is_exactly(&*layer, text))
    };
    let container = container.filter(|it| is_exactly_container(it, text) || !is_layer());
    if let Some(container) = container {
        let layer = require(&layers, container.layer().as_str())?;
        return Ok(MountTarget {
            layer,
            container: Some(container),
        });
    }
    let layer = match key.layer() {
        Some(key) => lookup(&layers, &key)?,
        None => {
            let key = key.to_text();
            return Err(LookupError::Nothing { key }.into());
        }
    };
    // Container and layer share one mount, whichever of them is named. It shows the owners that the
    // container is to see.
    let container = match layer.id_maps().is_identity() {
        true => mapped_container(&containers, layer.id()),
        false => None,
    };
    Ok(MountTarget { layer, container })
}

/// Mounts a layer, and counts the mount.
pub(crate) fn mount_layer(
    engine: &Engine,
    target: &MountTarget,
    request: &MountRequest,
) -> Result<PathBuf, MountError> {
    mount_locked(engine, target, request).map(|(path, _)| path)
}

/// Mounts a layer, counts the mount, and returns the lock under which it was mounted.
pub(crate) fn mount_locked(
    engine: &Engine,
    target: &MountTarget,
    request: &MountRequest,
) -> Result<(PathBuf, LockedLayer), MountError> {
    let in_use = engine.use_driver()?;
    let id = target.layer.id();
    let options = options(target, request, engine.options.volatile_mounts);
    refuse_unshifted(target, &*in_use.driver)?;
    let held = lock_layer(engine, id, &options)?;
    let mut counts = held.counts(&engine.catalog.mounts)?;
    let counted = counts.get(id);
    if let Some(mount) = &counted
        && is_mounted_here(engine, &mount.path)?
    {
        // As in Go, a mounted layer is not mounted again, and its mount options stay.
        counts.set(id, &mount.path, mount.count.saturating_add(1))?;
        let path = mount.path.clone();
        drop(counts);
        return Ok((path, held));
    }
    // A count that an unmount outside this library left behind is stale. Any other count is for
    // users in other mount namespaces.
    let others = match counted {
        Some(mount) if stale(engine, vec![mount.clone()])?.is_empty() => mount.count,
        _ => 0,
    };
    let failed = |source| MountError::Driver {
        layer: id.clone(),
        source: Box::new(source),
    };
    let path = in_use.driver.mount(id, &options).map_err(failed)?;
    if let Err(error) = counts.set(id, &path, others.saturating_add(1)) {
        // Unmounting would end the mounts in other namespaces too.
        if others == 0 {
            best_effort(in_use.driver.unmount(id));
        }
        return Err(error.into());
    }
    drop(counts);
    Ok((path, held))
}

/// Ends a use of a mount, or the mount.
pub(crate) fn unmount_layer(
    engine: &Engine,
    layer: &LayerId,
    how: Unmounting,
) -> Result<StillMounted, MountError> {
    let in_use = engine.use_driver()?;
    let layers = engine.catalog.lock_layers()?;
    let mut counts = engine.catalog.mounts.write(&layers)?;
    unmount_counted(engine, &*in_use.driver, &mut counts, layer, how)
}

pub(crate) fn unmount_counted(
    engine: &Engine,
    driver: &dyn Driver,
    counts: &mut CountsGuard,
    layer: &LayerId,
    how: Unmounting,
) -> Result<StillMounted, MountError> {
    let Some(mount) = counts.get(layer) else {
        return unmount_uncounted(engine, driver, layer);
    };
    if how == Unmounting::Once && mount.count > 1 {
        counts.set(layer, &mount.path, mount.count - 1)?;
        return Ok(StillMounted::Yes);
    }
    match driver.unmount(layer) {
        // The kernel has no such mount, or the layer does not exist: nothing is left to do.
        Err(error) if !error.is_not_found() => {
            return Err(MountError::Driver {
                layer: layer.clone(),
                source: Box::new(error),
            });
        }
        _ => counts.set(layer, &mount.path, 0)?,
    }
    Ok(StillMounted::No)
}

/// Unmounts a layer that has no mount count. Its mounter is unknown, so the caller is treated as
/// the only user.
fn unmount_uncounted(
    engine: &Engine,
    driver: &dyn Driver,
    layer: &LayerId,
) -> Result<StillMounted, MountError> {
    if !mounted_layers(engine)?.contains_key(layer) {
        return Err(MountError::NotMounted {
            layer: layer.clone(),
        });
    }
    let unmounted = driver.unmount(layer);
    unmounted.map_err(|error| MountError::Driver {
        layer: layer.clone(),
        source: Box::new(error),
    })?;
    Ok(StillMounted::No)
}

/// Takes the lock under which a layer is mounted. Fails if the layer no longer exists, or may not
/// be mounted with these options.
fn lock_layer(
    engine: &Engine,
    id: &LayerId,
    options: &MountOptions,
) -> Result<LockedLayer, MountError> {
    let unknown = || LookupError::Unknown {
        kind: ItemKind::Layer,
        key: id.to_string(),
    };
    let layers = engine.catalog.read_layers()?;
    let store = layers.store_of(id.as_str()).ok_or_else(unknown)?;
    if store.additional.is_none() {
        let held = engine.catalog.lock_layers()?;
        return match by_id(&held, id.as_str()) {
            Ok(Some(layer)) if layer.is_incomplete() => Err(unknown().into()),
            Ok(None) => Err(unknown().into()),
            _ => Ok(LockedLayer::Own(held)),
        };
    }
    if !options.is_read_only() {
        refuse_additional(&layers, id.as_str())?;
    }
    let held = store.read()?.ok_or_else(unknown)?;
    match held.get(id.as_str()) {
        Ok(Some(layer)) if layer.is_incomplete() => Err(unknown().into()),
        Ok(None) => Err(unknown().into()),
        _ => Ok(LockedLayer::Additional(held)),
    }
}

/// Finds the layer that is mounted at a path.
fn mounted_at(engine: &Engine, path: &str) -> Result<Option<LayerId>, MountError> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Ok(None);
    }
    let mounts = engine.catalog.mounts.read()?;
    match mounts.into_iter().find(|mount| mount.path == path) {
        Some(mount) => Ok(Some(mount.layer)),
        None => Err(MountError::NotMountedAt {
            path: path.to_owned(),
        }),
    }
}

/// A layer under the lock that keeps other processes from deleting it.
#[derive(Debug)]
pub(crate) enum LockedLayer {
    Own(Locked<Layer>),
    /// A layer of an additional store. Locks of this store cannot be taken inside the lock of that
    /// one.
    Additional(ReadGuard<Layer>),
}

impl LockedLayer {
    /// Returns the counts that a mount of the layer is noted in.
    fn counts<'a>(&'a self, counts: &'a MountCounts) -> Result<CountsGuard<'a>, AccessError> {
        match self {
            Self::Own(layers) => counts.write(layers),
            Self::Additional(layers) => counts.write_additional(layers),
        }
    }
}

/// Refuses a container whose files would have owners other than those of its ID maps (Go:
/// layers.go, `Mount`).
fn refuse_unshifted(target: &MountTarget, driver: &dyn Driver) -> Result<(), MountError> {
    let maps = target.container.as_ref().map(|it| it.id_maps());
    let on_disk = target.layer.id_maps();
    match maps.filter(|maps| !maps.is_identity() && *maps != on_disk) {
        Some(maps) if !driver.supports_shifting(&maps) => Err(MountError::ShiftingNotEnabled {
            layer: target.layer.id().clone(),
        }),
        _ => Ok(()),
    }
}

/// Combines the options of the layer, the container and the request.
fn options(target: &MountTarget, request: &MountRequest, volatile: VolatileMounts) -> MountOptions {
    let label = if request.label.is_empty() {
        target.layer.mount_label()
    } else {
        &request.label
    };
    let mut options = MountOptions::new().with_label(label);
    let maps = target
        .container
        .as_ref()
        .map_or_else(|| target.layer.id_maps(), |container| container.id_maps());
    if !maps.is_identity() {
        options = options.with_id_maps(maps);
    }
    if !target.layer.id_maps().is_identity() {
        // The owners on disk are mapped already.
        options = options.with_shifting(Shifting::Disabled);
    }
    if let Some(container) = &target.container {
        options = options.with_own_files(OwnFiles::Outside);
        for option in container.mount_options() {
            options = options.with_option(option);
        }
        if container.is_volatile() && volatile == VolatileMounts::Allowed {
            options = options.with_durability(MountDurability::Volatile);
        }
    }
    for option in &request.options {
        options = options.with_option(option);
    }
    options
}
