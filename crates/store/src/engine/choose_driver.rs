//! Chooses the driver that a store was used with so far.

use layerhold_driver::{Access, DriverConfig};
use layerhold_sys::Dir;

use crate::engine::options::StoreOptions;

/// The kinds of items as directory names have them, and the files with their records.
const RECORDS: [(&str, &[&str]); 3] = [
    ("layers", &["layers.json", "volatile-layers.json"]),
    ("images", &["images.json"]),
    (
        "containers",
        &["containers.json", "volatile-containers.json"],
    ),
];
/// No record file of this size or less holds a record: it is `[]` or `null`.
const NO_RECORDS: u64 = 8;

impl StoreOptions {
    /// Names the driver that the store has contents of, unless a driver or an order of drivers is
    /// given. A graph root that has contents of several drivers or of none is left to
    /// [`Store::open`](crate::Store::open).
    ///
    /// Opening a store without naming a driver follows Go, which looks for directories instead of
    /// contents and skips vfs: a store that was used with vfs is then opened with overlay and looks
    /// empty. Interactive programs should call this.
    #[must_use]
    pub fn with_driver_of_contents(mut self) -> Self {
        if self.driver.as_deref().unwrap_or_default().is_empty() && self.driver_priority.is_empty()
        {
            let mut found = self.drivers.names().filter(|name| self.has_contents(name));
            if let (Some(only), None) = (found.next(), found.next()) {
                self.driver = Some(only.to_owned());
            }
        }
        self
    }

    fn has_contents(&self, driver: &str) -> bool {
        self.has_records(driver) || self.has_layers(driver)
    }

    fn has_records(&self, driver: &str) -> bool {
        RECORDS.iter().any(|(kind, files)| {
            let dir = self.graph_root.join(format!("{driver}-{kind}"));
            let Ok(dir) = Dir::open_ambient(dir) else {
                return false;
            };
            files.iter().any(|file| {
                let stat = dir.stat(file).ok().flatten();
                stat.is_some_and(|stat| stat.size > NO_RECORDS)
            })
        })
    }

    /// Tells whether the driver holds layers, with or without records. A driver that cannot be
    /// opened counts as empty here; it reports why when it is opened for use.
    fn has_layers(&self, driver: &str) -> bool {
        let config = DriverConfig::new(&self.graph_root, &self.run_root)
            .with_access(Access::ReadOnly)
            .with_options(self.driver_options.clone());
        let listed = self
            .drivers
            .open(driver, &config)
            .map(|driver| driver.list());
        matches!(listed, Ok(Ok(Some(layers))) if !layers.is_empty())
    }
}
