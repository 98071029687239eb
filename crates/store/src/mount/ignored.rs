//! Options without effect, so that programs can warn about them.

use layerhold_driver::{DriverOption, MountOptions};

use crate::engine::Engine;
use crate::engine::options::StoreOptions;
use crate::mount::layer::MountRequest;

/// An option that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// A name in [`StoreOptions::driver_priority`] that is no driver.
    #[error("driver_priority: there is no driver {name}")]
    Driver {
        /// The name.
        name: String,
    },
    /// An option of a driver that does not exist.
    #[error("the driver option {option} has no effect: there is no driver {driver}")]
    DriverOption {
        /// The option.
        option: String,
        /// The driver.
        driver: String,
    },
    /// A driver option that has no effect on any kernel that this library supports.
    #[error("the driver option {option} has no effect: it is of use on kernels before 4.0 only")]
    OldDriverOption {
        /// The option.
        option: String,
    },
    /// An option for programs that pull images.
    #[error("the pull option {name}={value} has no effect: {reason}")]
    PullOption {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// The reason.
        reason: &'static str,
    },
    /// A mount option, of the request or of the driver option `mountopt`.
    #[error(
        "the mount option {option} has no effect: neither the kernel nor the mount program supports it here"
    )]
    MountOption {
        /// The mount option.
        option: String,
    },
}

/// Pull options that have no effect when they are switched on, and why.
const PULL_OPTIONS: [(&str, &str); 3] = [
    ("enable_partial_images", "layers are read whole"),
    ("convert_images", "images are stored as they come"),
    (
        "insecure_allow_unpredictable_image_contents",
        "digests of contents are always checked",
    ),
];
/// This option lists directories; it is not a boolean.
const OSTREE: &str = "ostree_repos";
/// This option has an effect on checks: they do not compare file times then.
const HARD_LINKS: &str = "use_hard_links";

impl StoreOptions {
    /// Lists the options that have no effect. Nothing is opened.
    ///
    /// ```
    /// use layerhold::StoreOptions;
    ///
    /// let options = StoreOptions::new("/g", "/r").with_driver_option("zfs.fsname=tank");
    /// let told: Vec<String> = options.ignored().iter().map(ToString::to_string).collect();
    /// assert_eq!(told, ["the driver option zfs.fsname=tank has no effect: there is no driver zfs"]);
    /// ```
    #[must_use]
    pub fn ignored(&self) -> Vec<Ignored> {
        let is_driver =
            |name: &str| name == "overlay2" || self.drivers.names().any(|known| known == name);
        let names = self.driver_priority.iter();
        let mut ignored: Vec<Ignored> = names
            .filter(|name| !is_driver(name))
            .map(|name| Ignored::Driver { name: name.clone() })
            .collect();
        for text in &self.driver_options {
            // Malformed options are refused when the driver is opened.
            let Ok(option) = DriverOption::parse(text) else {
                continue;
            };
            let option_text = || text.clone();
            if !option.driver().is_empty() && !is_driver(option.driver()) {
                ignored.push(Ignored::DriverOption {
                    option: option_text(),
                    driver: option.driver().to_owned(),
                });
            } else if option.key() == "override_kernel_check" {
                ignored.push(Ignored::OldDriverOption {
                    option: option_text(),
                });
            }
        }
        let pull = self.pull_options.iter();
        ignored.extend(pull.filter_map(|(name, value)| pull_option(name, value)));
        ignored
    }
}

/// Tells why a pull option has no effect, if it is switched on.
fn pull_option(name: &str, value: &str) -> Option<Ignored> {
    let known = PULL_OPTIONS.iter().find(|(known, _)| *known == name);
    let reason = match (known, name) {
        (Some((_, reason)), _) => value.eq_ignore_ascii_case("true").then_some(*reason)?,
        (None, OSTREE) if value.is_empty() => return None,
        (None, OSTREE) => "no repository is asked for files",
        (None, HARD_LINKS) => return None,
        (None, _) => "it is not known",
    };
    Some(Ignored::PullOption {
        name: name.to_owned(),
        value: value.to_owned(),
        reason,
    })
}

pub(crate) fn ignored_mount_options(engine: &Engine, request: &MountRequest) -> Vec<Ignored> {
    let mut options = MountOptions::new();
    for option in &request.options {
        options = options.with_option(option);
    }
    let options = engine.driver().ignored_mount_options(&options).into_iter();
    options
        .map(|option| Ignored::MountOption { option })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: StoreOptions, expected: &[&str]) {
        let told: Vec<String> = options.ignored().iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_does_nothing_is_told_and_the_rest_is_not() {
        let none = || StoreOptions::new("/g", "/r");
        check(none(), &[]);
        let mut priority = none();
        priority.driver_priority = ["overlay", "btrfs", "vfs", "nosuch"]
            .map(str::to_owned)
            .into();
        check(
            priority,
            &[
                "driver_priority: there is no driver btrfs",
                "driver_priority: there is no driver nosuch",
            ],
        );
        let acting = none()
            .with_driver_option("overlay2.mountopt=nodev")
            .with_driver_option("vfs.sync=filesystem")
            .with_driver_option("size=1G")
            .with_driver_option("makes no sense");
        check(acting, &[]);
        let idle = none()
            .with_driver_option("btrfs.min_space=10G")
            .with_driver_option(".override_kernel_check=1");
        check(
            idle,
            &[
                "the driver option btrfs.min_space=10G has no effect: there is no driver btrfs",
                "the driver option .override_kernel_check=1 has no effect: it is of use on kernels before 4.0 only",
            ],
        );
        let off = none()
            .with_pull_option("enable_partial_images", "false")
            .with_pull_option("convert_images", "")
            .with_pull_option("ostree_repos", "")
            .with_pull_option("use_hard_links", "true");
        check(off, &[]);
        let on = none()
            .with_pull_option("enable_partial_images", "True")
            .with_pull_option("nosuch", "")
            .with_pull_option("ostree_repos", "/repo");
        check(
            on,
            &[
                "the pull option enable_partial_images=True has no effect: layers are read whole",
                "the pull option nosuch= has no effect: it is not known",
                "the pull option ostree_repos=/repo has no effect: no repository is asked for files",
            ],
        );
    }
}
