//! Lookup of keys by any unique prefix.
//!
//! Users type the first characters of an ID. [`TruncIndex`] finds the only key that begins with
//! them, and tells apart whether there is none or more than one. For keys in a sorted slice, or for
//! a single lookup, [`resolve_sorted`] and [`resolve`] do the same without allocating.
//!
//! ```
//! use layerhold_truncindex::{LookupError, TruncIndex};
//!
//! let index = TruncIndex::from_keys(["abc1", "abd2", "e"]);
//! assert_eq!(index.get("e"), Ok(&"e"));
//! assert_eq!(index.get("abd"), Ok(&"abd2"));
//! assert_eq!(index.get("ab"), Err(LookupError::Ambiguous { prefix: "ab".to_owned() }));
//! assert_eq!(index.get("x"), Err(LookupError::NotFound));
//! ```
//!
//! # Limitations
//!
//! - A key that is also the prefix of another key is found by its whole text; Go calls that
//!   ambiguous in the index, but asks a table of exact keys first, so that its users see the same
//!   (Go: pkg/truncindex/truncindex.go, layers.go).
//! - The message about an ambiguous prefix shows the prefix; Go shows one of the keys instead.
//! - Prefixes are compared byte by byte; a prefix must end between characters, which `str`
//!   ensures.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod index;
mod resolve;

pub use index::{InsertError, LookupError, RemoveError, TruncIndex};
pub use resolve::{Resolution, resolve, resolve_sorted};
