//! Two command lines over one library: [`people`] is `layerhold`, [`dropin`] is
//! `containers-storage`.
//!
//! Both are functions of arguments, environment and streams; only the entry points touch the
//! process. This is the only crate of the project that prints.
//!
//! ```
//! use layerhold_cli::{Environment, Streams, dropin};
//!
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! let mut streams = Streams::new(&mut out, &mut err, Box::new(std::io::empty()));
//! let arguments = ["containers-storage".to_owned(), "nosuch".to_owned()];
//! let code = dropin::run(&arguments, &Environment::default(), &mut streams)?;
//! assert_eq!(code, 1);
//! assert_eq!(out, b"nosuch: unrecognized command.\n");
//! # Ok::<(), std::io::Error>(())
//! ```

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod damage;
pub mod dropin;
mod entry;
mod environment;
mod failure;
mod interruption;
mod options;
pub mod people;
mod streams;
mod user_namespace;

pub use entry::main;
pub use environment::Environment;
pub use failure::Failure;
pub use interruption::Interruption;
pub use streams::Streams;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
