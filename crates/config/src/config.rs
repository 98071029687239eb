//! The result.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::driver_options::mount_options;
use crate::warning::Warning;

/// How a store is to be opened, as files and environment say (Go: `StoreOptions`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Directory of what has to survive a reboot. Absolute.
    pub graph_root: PathBuf,
    /// Directory of what may be lost at a reboot. Absolute.
    pub run_root: PathBuf,
    /// Directory of images, where they are kept apart from containers. Absolute, never the graph
    /// root.
    pub image_store: Option<PathBuf>,
    /// The graph driver; `None` is to be found out.
    pub driver: Option<String>,
    /// Drivers to try, in order, when none is named and the store is new.
    pub driver_priority: Vec<String>,
    /// Options of drivers as `key=value`; later ones win.
    pub driver_options: Vec<String>,
    /// How user namespaces are chosen for containers that ask for one.
    pub auto_userns: AutoUserns,
    /// What is handed to those who pull images (Go: `Store.PullOptions`).
    pub pull_options: PullOptions,
    /// Whether volatile mounts are forbidden.
    pub disable_volatile: bool,
    /// Whether containers are forgotten at a reboot.
    pub transient_store: bool,
    /// The files that were read, in order.
    pub sources: Vec<PathBuf>,
    /// What is odd about them.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// The default mount options of the driver (Go: `GetDefaultMountOptions`).
    #[must_use]
    pub fn mount_options(&self) -> Vec<String> {
        mount_options(self.driver.as_deref(), &self.driver_options)
    }
}

/// How user namespaces are chosen for containers that ask for one. What is `None` is left to the
/// store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoUserns {
    /// The name in `/etc/subuid` whose ranges are shared out. The store's choice is `containers`.
    pub user: Option<String>,
    /// The fewest IDs of a namespace. The store's choice is 1024.
    pub min_size: Option<u32>,
    /// The most IDs of a namespace. The store's choice is 65536.
    pub max_size: Option<u32>,
}

/// The table `pull_options`: texts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    texts: BTreeMap<String, String>,
}

impl PullOptions {
    pub(crate) fn new(texts: BTreeMap<String, String>) -> Self {
        PullOptions { texts }
    }

    /// The text of an option, when it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Whether an option is `true`, in letters of any case (Go: `pkg/chunked`,
    /// `parseBooleanPullOption`).
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

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}
