//! Whiteouts of layer archives: names that delete entries of lower layers.
//!
//! The names are those of AUFS: `.wh.x` deletes `x`, and `.wh..wh..opq` hides everything that lower
//! layers have in its directory (Go: `pkg/archive/whiteouts.go`; OCI image specification,
//! `layer.md`).

use layerhold_tar_format::{EntryKind, Header};

/// Prefix of the whiteout of an entry.
pub const WHITEOUT_PREFIX: &str = ".wh.";
/// Prefix of reserved names, which delete no single entry.
pub const WHITEOUT_META_PREFIX: &str = ".wh..wh.";
/// The name that makes its directory opaque.
pub const OPAQUE_NAME: &str = ".wh..wh..opq";

/// What an entry does, judged by the last component of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning<'n> {
    /// An ordinary entry.
    Ordinary,
    /// Delete the sibling of this name.
    Delete(&'n [u8]),
    /// Hide everything that lower layers have in this directory.
    Opaque,
    /// A whiteout with an impossible name: empty, `.` or `..`.
    Malformed,
}

/// The meaning of an entry, by the last component of its cleaned path.
#[must_use]
pub fn meaning<'n>(name: &'n [u8], header: &Header) -> Meaning<'n> {
    match meaning_of_name(name) {
        // overlayfs takes it for a whiteout, so every driver does.
        Meaning::Ordinary if is_null_device(header) => Meaning::Delete(name),
        meaning => meaning,
    }
}

fn is_null_device(header: &Header) -> bool {
    header.kind == EntryKind::CharDevice && (header.device_major, header.device_minor) == (0, 0)
}

/// The meaning of a component alone.
pub(crate) fn meaning_of_name(name: &[u8]) -> Meaning<'_> {
    let Some(hidden) = name.strip_prefix(WHITEOUT_PREFIX.as_bytes()) else {
        return Meaning::Ordinary;
    };
    if name == OPAQUE_NAME.as_bytes() {
        return Meaning::Opaque;
    }
    match hidden {
        // Go joins these to the path, and so removes the directory or its parent.
        b"" | b"." | b".." => Meaning::Malformed,
        _ => Meaning::Delete(hidden),
    }
}

/// Whether the last component of an uncleaned path is any whiteout.
pub(crate) fn is_whiteout_path(path: &[u8]) -> bool {
    let trimmed = match path.iter().rposition(|&byte| byte != b'/') {
        Some(end) => path.get(..=end).unwrap_or(path),
        None => return false,
    };
    let name = trimmed.rsplit(|&byte| byte == b'/').next();
    name.is_some_and(|name| name.starts_with(WHITEOUT_PREFIX.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_meaning() {
        assert_eq!(meaning_of_name(b"x"), Meaning::Ordinary);
        assert_eq!(meaning_of_name(b".wh"), Meaning::Ordinary);
        assert_eq!(meaning_of_name(b".wh.x"), Meaning::Delete(b"x"));
        assert_eq!(meaning_of_name(b".wh..x"), Meaning::Delete(b".x"));
        assert_eq!(meaning_of_name(b".wh..wh..opq"), Meaning::Opaque);
        assert_eq!(
            meaning_of_name(b".wh..wh.aufs"),
            Meaning::Delete(b".wh.aufs")
        );
        for name in [&b".wh."[..], b".wh..", b".wh..."] {
            assert_eq!(meaning_of_name(name), Meaning::Malformed);
        }
    }

    #[test]
    fn whiteouts_are_found_in_whole_paths() {
        for (path, expected) in [
            (&b"a/.wh.b"[..], true),
            (b".wh.b", true),
            (b"./.wh..wh..opq", true),
            (b".wh.b/", true),
            (b".wh.b/c", false),
            (b"a", false),
            (b"", false),
            (b"/", false),
        ] {
            assert_eq!(is_whiteout_path(path), expected);
        }
    }
}
