//! From archive entries to a tree of files, relative to an open directory.

mod attributes;
mod deferred;
mod error;
mod file;
mod link_store;
mod nodes;
mod options;
mod parents;
mod put;
mod unpacker;
mod wanted;
mod whiteouts;

pub use error::UnpackError;
pub(crate) use file::OpenFile;
pub use options::{
    ChownErrors, OverlayNamespace, Replace, UnpackOptions, UserNamespace, Whiteouts,
};
pub use unpacker::{Summary, Unpacker};
