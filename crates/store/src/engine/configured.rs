//! Options from the configuration that podman, buildah and skopeo read.

use layerhold_config::{AutoUserns, Config, ConfigError};
use layerhold_driver::{Privilege, Shifting};
use layerhold_sys::effective_user;

use crate::catalog::transient::Persistence;
use crate::engine::Engine;
use crate::engine::error::OpenError;
use crate::engine::open::open;
use crate::engine::options::{StoreOptions, VolatileMounts};
use crate::engine::userns::AutoUserNsPolicy;

/// The driver that needs no mounts, and so no user namespace.
const WITHOUT_MOUNTS: &str = "vfs";

/// Opens the store of the user of this process.
pub(crate) fn open_default() -> Result<Engine, OpenError> {
    let options = StoreOptions::of_user()?;
    let user = effective_user();
    if user != 0 && options.driver.as_deref() != Some(WITHOUT_MOUNTS) {
        // Detection would choose another driver than podman does, or the driver would fail.
        return Err(OpenError::NoUserNamespace { user });
    }
    open(options)
}

impl StoreOptions {
    /// Returns the options with which podman opens the store of the user of this process: from
    /// `storage.conf`, its drop-ins and the environment.
    ///
    /// The driver is the one that the store has contents of, if neither a driver nor an order of
    /// drivers is configured ([`with_driver_of_contents`](Self::with_driver_of_contents)); podman
    /// remembers it in a database of its own. Warnings about the configuration are in
    /// [`config_warnings`](Self::config_warnings).
    ///
    /// Go: `DefaultStoreOptions`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not valid, or the user has no place for a store.
    pub fn of_user() -> Result<Self, ConfigError> {
        let options = Self::from(Config::of_process()?);
        Ok(options.with_driver_of_contents())
    }
}

/// Takes everything over that is configured; the rest keeps the defaults of the store.
///
/// ```
/// use layerhold::StoreOptions;
/// use layerhold::layerhold_config::{Environment, HostFiles, load};
///
/// let environment = Environment::new(0).with("STORAGE_DRIVER", "vfs");
/// let options = StoreOptions::from(load(&environment, &HostFiles)?);
/// assert_eq!(options.driver.as_deref(), Some("vfs"));
/// # Ok::<(), layerhold::layerhold_config::ConfigError>(())
/// ```
impl From<Config> for StoreOptions {
    fn from(config: Config) -> Self {
        let mut options = Self::new(config.graph_root, config.run_root);
        options.image_store = config.image_store;
        options.driver = config.driver;
        options.driver_priority = config.driver_priority;
        options.driver_options = config.driver_options;
        for (name, value) in config.pull_options.iter() {
            options = options.with_pull_option(name, value);
        }
        if config.disable_volatile {
            options.volatile_mounts = VolatileMounts::Disabled;
        }
        if config.transient_store {
            options.persistence = Persistence::Transient;
        }
        if config.rootless {
            options.privilege = Privilege::UserNamespace;
        }
        if config.disable_shifting {
            options.shifting = Shifting::Disabled;
        }
        options.auto_userns = policy(config.auto_userns);
        options.config_warnings = config.warnings;
        options
    }
}

/// Leaves settings that are not configured to the store.
fn policy(config: AutoUserns) -> AutoUserNsPolicy {
    let default = AutoUserNsPolicy::default();
    AutoUserNsPolicy {
        user: config.user.unwrap_or(default.user),
        min_size: config.min_size.unwrap_or(default.min_size),
        max_size: config.max_size.unwrap_or(default.max_size),
    }
}
