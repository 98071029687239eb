//! User namespaces, and mounts that map owners through them.

pub(crate) mod enter;
pub(crate) mod idmapped;
pub(crate) mod waiting_child;
