//! Merged settings, not yet interpreted.

use std::collections::BTreeMap;

use crate::list::List;

/// The values of driver options by name: `mountopt` or `overlay.mountopt`.
pub(crate) type DriverTexts = BTreeMap<String, String>;

/// The merged settings of all files; as in Go, unset values are empty strings and zeros
/// (`types/options.go`, `TomlConfig`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) driver: String,
    pub(crate) driver_priority: List,
    pub(crate) run_root: String,
    pub(crate) graph_root: String,
    pub(crate) image_store: String,
    pub(crate) rootless_storage_path: String,
    pub(crate) transient_store: bool,
    pub(crate) additional_image_stores: List,
    pub(crate) additional_layer_stores: List,
    pub(crate) root_auto_userns_user: String,
    pub(crate) auto_userns_min_size: u32,
    pub(crate) auto_userns_max_size: u32,
    pub(crate) disable_volatile: bool,
    pub(crate) pull_options: BTreeMap<String, String>,
    pub(crate) force_mask: u32,
    pub(crate) driver_texts: DriverTexts,
}
