//! Tables of TOML files, taken key by key as Go programs read them, with file and line in each
//! error.
//!
//! A [`Document`] is the text of a file. A loader takes the keys that it knows from a [`Table`];
//! what is left is unknown, and the loader decides what that means:
//!
//! ```
//! use layerhold_toml_table::{Document, TomlError};
//!
//! let text = b"[engine]\nRetry = 3\n\nretries = 4\n".to_vec();
//! let document = Document::new("containers.conf", text)?;
//! let parsed = document.parse()?;
//! let mut root = parsed.root();
//! let mut engine = root.table("engine")?.unwrap();
//! assert_eq!(engine.take("retry").unwrap().number()?, 3);
//!
//! let unknown = engine.rest().next().unwrap();
//! assert_eq!((unknown.key(), unknown.line()), ("engine.retries", 4));
//! let error = unknown.text().unwrap_err().to_string();
//! assert_eq!(error, "containers.conf:4: engine.retries is an integer, which should be a string");
//! # Ok::<(), TomlError>(())
//! ```
//!
//! # Promises
//!
//! - A key in other letters is taken if there is no exact match, as Go's parser does.
//! - Each error has the file and the line, and a message of one line.
//! - Deep nesting is an error, and no input makes the parser panic.
//!
//! # Limitations
//!
//! - Numbers are those from 0 to 2³²−1. Dates and other numbers are known only as what they are.
//! - Nothing is written.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod table;
mod value;
mod document;
mod error;

pub use document::{Document, Parsed};
pub use error::TomlError;
pub use table::Table;
pub use value::Value;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
