//! Finding the driver of a store.

use std::path::Path;
use std::sync::Arc;

use layerhold_sys::Dir;

use crate::config::DriverConfig;
use crate::driver::Driver;
use crate::registry::{OpenError, Registry};

/// The order in which drivers are tried when the configuration names none.
pub const PRIORITY: [&str; 4] = ["overlay", "btrfs", "zfs", "vfs"];

/// Opens the driver a store uses (Go: drivers/driver.go, `New`).
///
/// 1. A requested name is opened, whatever is on disk.
/// 2. Otherwise the first driver of the priority list that has a directory below the graph root
///    decides: it must work, and it must be the only driver with a directory. vfs is skipped here
///    unless the configuration's own list names it, although its directory counts as one. Without
///    such a list, registered drivers that are not in [`PRIORITY`] come after it.
/// 3. Otherwise the first driver of the priority list that works here is opened, then any
///    registered one.
///
/// A directory of a driver in [`PRIORITY`] counts even where that is not registered, whatever the
/// list: another driver would begin an empty store beside it.
///
/// # Errors
///
/// [`OpenError::Several`], [`OpenError::OtherDriver`], [`OpenError::NoneUsable`], or that of the
/// driver that decided.
pub fn detect(
    requested: Option<&str>,
    config: &DriverConfig,
    registry: &Registry,
) -> Result<Arc<dyn Driver>, OpenError> {
    if let Some(name) = requested.filter(|name| !name.is_empty()) {
        return registry.open(name, config);
    }
    let mut order: Vec<&str> = config.priority.iter().map(String::as_str).collect();
    if order.is_empty() {
        order.extend(PRIORITY);
        for name in registry.names() {
            if !PRIORITY.contains(&name) {
                order.push(name);
            }
        }
    }
    let prior = prior_drivers(&config.root, registry)?;
    let vfs_counts = !config.priority.is_empty();
    for name in &order {
        if prior.iter().any(|known| known == name) && (vfs_counts || *name != "vfs") {
            return open_prior(name, &prior, config, registry);
        }
    }
    refuse_others(&config.root, &prior, registry)?;
    for name in registry.names() {
        order.push(name);
    }
    for name in order {
        match registry.open(name, config) {
            Err(error) if error.is_unsuitable() => {}
            decided => return decided,
        }
    }
    Err(OpenError::NoneUsable)
}

/// Opens the driver whose state was found. Its failure is an error: with another driver all images
/// would seem to be gone.
fn open_prior(
    name: &str,
    prior: &[&'static str],
    config: &DriverConfig,
    registry: &Registry,
) -> Result<Arc<dyn Driver>, OpenError> {
    refuse_others(&config.root, std::slice::from_ref(&name), registry)?;
    let driver = registry.open(name, config)?;
    if prior.len() > 1 {
        return Err(OpenError::Several {
            root: config.root.clone(),
            names: prior.to_vec(),
        });
    }
    Ok(driver)
}

/// Refuses a store of a driver that is not registered.
fn refuse_others(root: &Path, prior: &[&str], registry: &Registry) -> Result<(), OpenError> {
    let is_known = |name: &str| registry.names().any(|known| known == name);
    match prior.iter().find(|name| !is_known(name)) {
        Some(name) => Err(OpenError::OtherDriver {
            name: (*name).to_owned(),
            root: root.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Refuses a graph root with state of drivers that are not registered, and of no others. Changes
/// nothing.
///
/// # Errors
///
/// [`OpenError::OtherDriver`], or when the graph root cannot be read.
pub fn refuse_other_drivers(root: &Path, registry: &Registry) -> Result<(), OpenError> {
    let prior = prior_drivers(root, registry)?;
    let mut known = registry.names();
    if known.any(|name| prior.contains(&name)) {
        return Ok(());
    }
    refuse_others(root, &prior, registry)
}

/// Lists the drivers that have an entry of their name below the graph root, whatever it holds:
/// those that are registered, and those of Go's library that are not.
///
/// # Errors
///
/// When the graph root cannot be read. One that does not exist has no prior drivers.
pub fn prior_drivers(root: &Path, registry: &Registry) -> Result<Vec<&'static str>, OpenError> {
    let dir = match Dir::open_ambient(root) {
        Ok(dir) => dir,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    let known = |name: &str| registry.names().any(|known| known == name);
    let others = PRIORITY.into_iter().filter(|name| !known(name));
    for name in registry.names().chain(others) {
        if dir.stat(name)?.is_some() {
            found.push(name);
        }
    }
    Ok(found)
}
