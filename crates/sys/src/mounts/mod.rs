//! Mounts, overlays, and the mount table.

pub(crate) mod overlay_mount;
pub(crate) mod detached;
pub(crate) mod mount_namespaces;
pub(crate) mod mount_users;
pub(crate) mod mount_of;
pub mod mount;
pub mod mountinfo;
pub(crate) mod in_directory;
