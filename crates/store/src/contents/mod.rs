//! The contents of layers: differences, sizes, archives of other programs, directories of callers.

pub(crate) mod apply;
pub(crate) mod sizes;
pub(crate) mod diff;
pub(crate) mod additional_layer;
pub(crate) mod pipe;
pub(crate) mod import;
mod progress;
pub(crate) mod rebuild;
pub(crate) mod error;
pub(crate) mod directories;
