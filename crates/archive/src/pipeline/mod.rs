//! One pass over a layer: hashed as stored, decompressed, hashed as unpacked,
//! parsed once, shown to a recorder and unpacked, each on its own thread.

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
