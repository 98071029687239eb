//! A JSON reader that borrows from its input, and a writer that matches Go's.

mod tree;
pub(crate) mod read;
pub(crate) mod write;

pub(crate) use read::Reader;
pub use tree::{JsonError, JsonText};
