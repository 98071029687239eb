//! Imports a layer in one pass: reads, hashes, decompresses, parses, records and unpacks, each
//! stage on its own thread.

mod import;
mod source;
mod unpacking;
mod parse;
mod digest;
mod block;
mod error;
mod options;

pub use digest::ContentSum;
pub use error::ImportError;
pub use import::{Imported, import};
pub use options::{ImportLimit, ImportOptions};
