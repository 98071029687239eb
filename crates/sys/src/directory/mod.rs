//! Operations relative to an open directory.

pub(crate) mod resolve;
pub(crate) mod acl;
pub mod xattr;
pub(crate) mod xattrat;
pub(crate) mod links;
pub(crate) mod attributes;
pub(crate) mod entries;
pub(crate) mod ambient;
pub(crate) mod dir;
pub(crate) mod options;
pub(crate) mod stat;
