//! A JSON reader that borrows from its input, and a writer that matches Go's.

pub(crate) mod read;
mod tree;
pub(crate) mod write;

pub(crate) use read::Reader;
pub use tree::{JsonError, JsonText};
