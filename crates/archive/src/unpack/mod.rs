//! Unpacks archive entries relative to an open directory.

mod entry;
mod finish;
mod whiteouts;
mod nodes;
mod file;
mod attributes;
mod unpacker;
mod deferred;
mod open_file;
mod xattr_policy;
mod parents;
mod unsettled;
mod own_entries;
mod entry_attributes;
mod error;
mod options;

pub use error::UnpackError;
pub(crate) use open_file::OpenFile;
pub use options::{ChownErrors, OwnFiles, Replace, UnpackOptions, UserNamespace, Whiteouts};
pub use unpacker::{Summary, Unpacker};
pub use unsettled::Unsettled;
