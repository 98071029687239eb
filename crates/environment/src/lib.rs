//! What the configuration of container tools depends on, as a value: the variables, the user, the
//! home directory and the files of the host.
//!
//! An [`Environment`] holds the first three, and [`ConfigFiles`] is the access to files that a
//! loader needs; [`HostFiles`] is the real one. Code that takes both as arguments works for the
//! user of the process, for another user, for a system that is not booted, and in tests:
//!
//! ```
//! use layerhold_environment::{Environment, HostFiles};
//!
//! let environment = Environment::new(0).with("HOME", "/root").with("PASSWORD", "hunter2");
//! assert_eq!(environment.home(&HostFiles)?, Some("/root".into()));
//! assert!(!format!("{environment:?}").contains("hunter2"));
//! # Ok::<(), layerhold_environment::HomeError>(())
//! ```
//!
//! [`Proxies`] are the proxies for HTTP that variables name.
//!
//! # Promises
//!
//! - Only [`Environment::of_process`] reads the environment of the process.
//! - The values of variables are not in the `Debug` form: many are secrets.
//! - The user, the home directory and what makes a process rootless are those of the Go library.
//! - At most 16 MiB of a file are read.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod proxy;
mod environment;
mod files;

pub use environment::{Environment, HomeError, NotUtf8};
pub use files::{ConfigFiles, HostFiles, Listed};
pub use proxy::{Proxies, Proxy, ProxyError};

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
