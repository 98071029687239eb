//! Reads `storage.conf`, its drop-ins and the environment into typed options of a container store.
//!
//! [`Config::of_process`] finds the files that podman, buildah, skopeo and CRI-O read, merges them,
//! and applies the variables that override them:
//!
//! ```no_run
//! let config = layerhold_config::Config::of_process()?;
//! println!("{} {:?} {:?}", config.graph_root.display(), config.driver, config.driver_options);
//! for warning in &config.warnings {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), layerhold_config::ConfigError>(())
//! ```
//!
//! [`load`] does the same for any [`Environment`], which is a value, and reads files through
//! [`ConfigFiles`], so that nothing depends on the process:
//!
//! ```
//! use layerhold_config::{Environment, HostFiles, load};
//!
//! let environment = Environment::new(0)
//!     .with("STORAGE_DRIVER", "vfs")
//!     .with("STORAGE_OPTS", "vfs.ignore_chown_errors=true");
//! let config = load(&environment, &HostFiles)?;
//! assert_eq!(config.driver.as_deref(), Some("vfs"));
//! assert_eq!(config.driver_options, ["vfs.ignore_chown_errors=true"]);
//! # Ok::<(), layerhold_config::ConfigError>(())
//! ```
//!
//! # Promises
//!
//! - A file that is not TOML, or a value of the wrong type, is an error with file and line, and no
//!   setting is used. Unknown keys are [`Warning`]s, because new releases add keys and old ones
//!   remain in files.
//! - Driver options have the order of the Go library, in which later ones win.
//! - No store is opened, and nothing is created except the last candidate for the run root of an
//!   unprivileged user.
//!
//! # Limitations
//!
//! - Values of driver options are not checked; the drivers do that.
//! - Only `storage.conf` is read, not `containers.conf` or `registries.conf`.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod resolve;
mod search;
mod roots;
mod merge;
mod section;
mod expand;
mod config;
mod driver_options;
mod settings;
mod list;
mod variables;
mod warning;
mod error;

pub use config::{AutoUserns, Config, PullOptions};
pub use error::ConfigError;
pub use layerhold_environment::{self, ConfigFiles, Environment, HostFiles, Listed};
pub use layerhold_toml_table::{self, TomlError};
pub use resolve::{load, load_from};
pub use search::ConfigDirs;
pub use variables::{driver_variable, forbids_shifting};
pub use warning::Warning;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
