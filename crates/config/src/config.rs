//! The resulting configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::driver_options::mount_options;
use crate::warning::Warning;

/// How to open a store, from files and environment (Go: `StoreOptions`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Directory of persistent data. Absolute.
    pub graph_root: PathBuf,
    /// Directory of data that may be lost at a reboot. Absolute.
    pub run_root: PathBuf,
    /// Directory of a separate image store. Absolute, never the graph root.
    pub image_store: Option<PathBuf>,
    /// The graph driver; `None` to choose one automatically.
    pub driver: Option<String>,
    /// Drivers to try, in order, if none is named and the store is new.
    pub driver_priority: Vec<String>,
    /// Driver options as `key=value`; later ones win.
    pub driver_options: Vec<String>,
    /// How user namespaces are chosen for containers with automatic ones.
    pub auto_userns: AutoUserns,
    /// Options for pulling images (Go: `Store.PullOptions`).
    pub pull_options: PullOptions,
    /// Whether volatile mounts are forbidden.
    pub disable_volatile: bool,
    /// Whether container records are lost at a reboot.
    pub transient_store: bool,
    /// Whether the process may do less than root of the host
    /// ([`Environment::is_rootless`](crate::Environment::is_rootless)).
    pub rootless: bool,
    /// Whether mounts must not shift owners
    /// ([`forbids_shifting`](crate::forbids_shifting)).
    pub disable_shifting: bool,
    /// The files that were read, in order.
    pub sources: Vec<PathBuf>,
    /// Warnings about the configuration.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// The default mount options of the driver (Go: `GetDefaultMountOptions`).
    #[must_use]
    pub fn mount_options(&self) -> Vec<String> {
        mount_options(self.driver.as_deref(), &self.driver_options)
    }
}

/// How user namespaces are chosen for containers with automatic ones. `None` leaves the choice to
/// the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoUserns {
    /// The name in `/etc/subuid` whose ranges are used. The store's default is `containers`.
    pub user: Option<String>,
    /// The smallest size of a namespace. The store's default is 1024.
    pub min_size: Option<u32>,
    /// The largest size of a namespace. The store's default is 65536.
    pub max_size: Option<u32>,
}

/// The table `pull_options`: strings by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    texts: BTreeMap<String, String>,
}

impl PullOptions {
    pub(crate) fn new(texts: BTreeMap<String, String>) -> Self {
        PullOptions { texts }
    }

    /// The value of an option, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Whether an option is `true`, in any case (Go: `pkg/chunked`, `parseBooleanPullOption`).
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// All options by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether no option is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}
