//! Turns settings into driver options, in the order of the Go library.

use crate::settings::Settings;

/// Driver options of `[storage.options]`, in Go's order (`types/options.go`). `force_mask`, a
/// number, comes after the fourth.
pub(crate) const GENERAL: [&str; 5] = [
    "size",
    "mount_program",
    "skip_mount_home",
    "ignore_chown_errors",
    "mountopt",
];

/// Keys of the drivers' own tables, in Go's order (`pkg/config`, `GetGraphDriverOptions`).
pub(crate) const OF_DRIVERS: [(&str, &[&str]); 4] = [
    ("btrfs", &["min_space", "size"]),
    (
        "overlay",
        &[
            "ignore_chown_errors",
            "mount_program",
            "mountopt",
            "size",
            "inodes",
            "skip_mount_home",
            "force_mask",
            "use_composefs",
            "sync",
        ],
    ),
    ("vfs", &["ignore_chown_errors", "sync"]),
    ("zfs", &["fsname", "mountopt", "size"]),
];

/// All options as `key=value`. Later ones win, so those of a driver's own table come last.
pub(crate) fn emit(settings: &Settings) -> Vec<String> {
    let mut options = Vec::new();
    let stores = settings.additional_image_stores.iter();
    options.extend(stores.map(|store| format!("imagestore={store}")));
    let stores = settings.additional_layer_stores.iter();
    options.extend(stores.map(|store| format!("additionallayerstore={store}")));
    let mut add = |name: &str| {
        let text = settings
            .driver_texts
            .get(name)
            .filter(|text| !text.is_empty());
        if name == "mountopt" && settings.force_mask != 0 {
            options.push(format!("force_mask={:o}", settings.force_mask));
        }
        options.extend(text.map(|text| format!("{name}={text}")));
    };
    GENERAL.into_iter().for_each(&mut add);
    for (driver, keys) in OF_DRIVERS {
        for key in keys {
            add(&format!("{driver}.{key}"));
        }
    }
    options
}

/// The mount options for a driver: those of the first option that has some (Go: `GetMountOptions`).
/// Opening the driver refuses invalid options.
pub(crate) fn mount_options(driver: Option<&str>, options: &[String]) -> Vec<String> {
    let value = options.iter().find_map(|option| {
        let (key, value) = option.split_once('=')?;
        let key = key.trim().to_lowercase();
        let (for_driver, key) = key.split_once('.').unwrap_or(("", &key));
        let is_meant = for_driver.is_empty() || Some(for_driver) == driver;
        (is_meant && key == "mountopt").then(|| value.trim().to_owned())
    });
    value.map_or_else(Vec::new, |value| {
        value.split(',').map(str::to_owned).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_options_are_of_the_first_that_is_meant() {
        let options = ["overlay.mountopt=nodev,metacopy=on", ".MountOpt = x", "bad"];
        let options = options.map(str::to_owned);
        assert_eq!(
            mount_options(Some("overlay"), &options),
            ["nodev", "metacopy=on"]
        );
        assert_eq!(mount_options(Some("zfs"), &options), ["x"]);
        assert_eq!(mount_options(None, &options), ["x"]);
        assert_eq!(mount_options(None, &options[2..]), Vec::<String>::new());
    }
}
