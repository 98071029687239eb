//! The contents of layers: imports, diffs, sizes, additional layers, and the callers' directories.

pub(crate) mod apply;
pub(crate) mod sizes;
pub(crate) mod tree_tar;
pub(crate) mod diff;
pub(crate) mod additional_layer;
pub(crate) mod pipe;
pub(crate) mod import;
pub(crate) mod progress;
pub(crate) mod rebuild;
pub(crate) mod error;
pub(crate) mod directories;
