//! The handle on an open store.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use layerhold_driver::{Driver, SyncMode};
use layerhold_idmap::IdMappings;

use crate::engine::Engine;
use crate::engine::options::StoreOptions;

/// An open store: a graph root, a run root and a graph driver.
///
/// Cloning is cheap and gives another handle on the same opening. Everything takes `&self` and may
/// be called from any thread. Two stores opened on the same directories behave like two processes.
///
/// # What the keys are
///
/// Where a method takes `key: &str` it may be an ID, a name, or the beginning of one ID only; typed
/// IDs lend themselves as such through `as_str()`. What several kinds of items share (names,
/// metadata, flags) is looked up as Go does: layers first, then images, then containers.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Engine>,
}

impl Store {
    /// Returns the directory of everything that survives a reboot.
    ///
    /// Go: `Store.GraphRoot`.
    #[must_use]
    pub fn graph_root(&self) -> &Path {
        &self.inner.options.graph_root
    }

    /// Returns the directory of what may be lost at a reboot.
    ///
    /// Go: `Store.RunRoot`.
    #[must_use]
    pub fn run_root(&self) -> &Path {
        &self.inner.options.run_root
    }

    /// Returns the name of the graph driver, which is part of most directory names of the store.
    ///
    /// Go: `Store.GraphDriverName`.
    #[must_use]
    pub fn driver_name(&self) -> &'static str {
        self.inner.driver_name
    }

    /// Returns the driver options the store was opened with.
    ///
    /// Go: `Store.GraphOptions`.
    #[must_use]
    pub fn driver_options(&self) -> &[String] {
        &self.inner.options.driver_options
    }

    /// Returns the options for programs that pull images, as the store was opened with them.
    ///
    /// Go: `Store.PullOptions`.
    #[must_use]
    pub fn pull_options(&self) -> &BTreeMap<String, String> {
        &self.inner.options.pull_options
    }

    /// Returns the mount options that the first driver option `mountopt` asks for, in order.
    ///
    /// Go: `GetMountOptions`.
    #[must_use]
    pub fn default_mount_options(&self) -> Vec<String> {
        // With or without the driver's name in front (Go: store.go, `GetMountOptions`).
        let own = format!("{}.mountopt", self.driver_name());
        let of_mounts = |option: &String| {
            let (key, value) = option.split_once('=')?;
            let key = key.trim().to_ascii_lowercase();
            let is_ours = [own.as_str(), ".mountopt", "mountopt"].contains(&key.as_str());
            is_ours.then(|| value.trim().split(',').map(str::to_owned).collect())
        };
        let options = self.inner.options.driver_options.iter();
        options.filter_map(of_mounts).next().unwrap_or_default()
    }

    /// Returns the maps that layers and containers get which are asked for without maps.
    ///
    /// Go: `Store.UIDMap`, `Store.GIDMap`.
    #[must_use]
    pub fn id_maps(&self) -> &IdMappings {
        &self.inner.options.id_maps
    }

    /// Returns when contents are flushed.
    #[must_use]
    pub fn sync_mode(&self) -> SyncMode {
        self.inner.sync
    }

    /// Returns the options the store was opened with.
    ///
    /// Go: `Store.ImageStore`, `Store.TransientStore`.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.inner.options
    }

    /// Returns the raw driver. What is done with it directly is not recorded in the store.
    ///
    /// Go: `Store.GraphDriver`.
    #[must_use]
    pub fn driver(&self) -> Arc<dyn Driver> {
        self.inner.driver()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("graph_root", &self.graph_root())
            .field("run_root", &self.run_root())
            .field("driver", &self.driver_name())
            .finish_non_exhaustive()
    }
}
