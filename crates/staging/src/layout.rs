//! The names in a root: `lock-NUMBER` and `temp-dir-NUMBER` (Go: internal/tempdir).

use std::ffi::{OsStr, OsString};

pub(crate) const LOCK_PREFIX: &str = "lock-";
pub(crate) const DIR_PREFIX: &str = "temp-dir-";
/// Permissions of the root and of the areas.
pub(crate) const DIR_MODE: u32 = 0o700;

pub(crate) fn joined(prefix: &str, area: &OsStr) -> OsString {
    let mut name = OsString::from(prefix);
    name.push(area);
    name
}
