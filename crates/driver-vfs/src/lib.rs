//! The vfs graph driver: every layer is a full directory tree.
