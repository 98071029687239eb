//! Types, features and quotas of filesystems.

pub(crate) mod d_type;
pub(crate) mod fs_magic;
pub(crate) mod project_quota;
