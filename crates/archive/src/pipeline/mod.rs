//! Imports a layer in one pass: reads, hashes, decompresses, parses, records and unpacks, each
//! stage on its own thread.

mod block;
mod digest;
mod error;
mod import;
mod options;
mod parse;
mod source;
mod unpacking;

pub use digest::ContentSum;
pub use error::ImportError;
pub use import::{Imported, import};
pub use layerhold_sys::Cancel;
pub use options::ImportOptions;
