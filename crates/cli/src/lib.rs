//! Two command lines over one library: [`layerhold`] is `layerhold`, [`containers_storage`] is
//! `containers-storage`.
//!
//! Both are functions of arguments, environment and streams; only the entry points touch the
//! process. This is the only crate of the project that prints.
//!
//! ```
//! use layerhold_cli::{Environment, Streams, containers_storage};
//!
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! let mut streams = Streams::new(&mut out, &mut err, Box::new(std::io::empty()));
//! let arguments = ["containers-storage".to_owned(), "nosuch".to_owned()];
//! let code = containers_storage::run(&arguments, &Environment::default(), &mut streams)?;
//! assert_eq!(code, 1);
//! assert_eq!(out, b"nosuch: unrecognized command.\n");
//! # Ok::<(), std::io::Error>(())
//! ```

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod entry;
pub mod layerhold;
pub mod containers_storage;
mod packing;
mod user_namespace;
mod options;
mod environment;
mod interruption;
mod say;
mod streams;
mod damage;
mod failure;
mod tree;

pub use entry::main;
pub use environment::Environment;
pub use failure::Failure;
pub use interruption::Interruption;
pub use streams::Streams;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
