//! Unpacks archive entries relative to an open directory.

mod attributes;
mod deferred;
mod error;
mod file;
mod nodes;
mod options;
mod own;
mod parents;
mod unpacker;
mod unsettled;
mod wanted;
mod whiteouts;

pub use error::UnpackError;
pub(crate) use file::OpenFile;
pub use options::{
    ChownErrors, OverlayNamespace, OwnFiles, Replace, UnpackOptions, UserNamespace, Whiteouts,
};
pub use unpacker::{Summary, Unpacker};
pub use unsettled::Unsettled;
