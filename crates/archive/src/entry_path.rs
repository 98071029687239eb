//! Cleans the paths of archive entries.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Cleans an entry's path into `out`: components joined by single slashes, without empty ones, `.`
/// or `..`. The root is the empty path.
///
/// `..` removes the component before it and stops at the root; a leading slash means nothing. Go
/// gets the same result: it cleans lexically, inside a changed root (`pkg/archive/diff.go`,
/// `UnpackLayer`).
pub(crate) fn clean_into(path: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                let end = out.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                out.truncate(end);
            }
            name => {
                if !out.is_empty() {
                    out.push(b'/');
                }
                out.extend_from_slice(name);
            }
        }
    }
}

/// Cleans an entry's path as unpacking does. The result is relative to the root, with no links
/// followed; it is empty for the root.
///
/// ```
/// let cleaned = layerhold_archive::clean_entry_path("/a/missing/../../../b//c".as_ref());
/// assert_eq!(cleaned, std::path::Path::new("b/c"));
/// ```
#[must_use]
pub fn clean_entry_path(path: &OsStr) -> PathBuf {
    let mut cleaned = Vec::with_capacity(path.len());
    clean_into(path.as_bytes(), &mut cleaned);
    shown(&cleaned)
}

/// The components of an entry's cleaned path.
#[must_use]
pub fn entry_components(path: &[u8]) -> Vec<&[u8]> {
    let mut components: Vec<&[u8]> = Vec::new();
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    components
}

/// Splits a cleaned, non-empty path into its parent (empty at the top) and its name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (
            path.get(..slash).unwrap_or_default(),
            path.get(slash + 1..).unwrap_or_default(),
        ),
        None => (&[], path),
    }
}

/// A component as the operating system's string type.
pub(crate) fn os(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}

/// A path for error messages.
pub(crate) fn shown(path: &[u8]) -> PathBuf {
    PathBuf::from(os(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(path: &str) -> String {
        let mut out = b"left over".to_vec();
        clean_into(path.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cleaning() {
        for (path, expected) in [
            ("", ""),
            (".", ""),
            ("/", ""),
            ("./", ""),
            ("a", "a"),
            ("./a/b/", "a/b"),
            ("/a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("a/b/../..", ""),
            ("../x", "x"),
            ("../../x/../../y", "y"),
            ("..", ""),
            ("a/..b", "a/..b"),
            ("...", "..."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn splitting() {
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
    }

    proptest! {
        #[test]
        fn cleaned_paths_stay_inside_and_are_stable(path in "[ab./]{0,24}") {
            let once = clean(&path);
            prop_assert!(once.is_empty() || once.split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert_eq!(clean(&once), &*once);
            let components = entry_components(path.as_bytes());
            prop_assert_eq!(components.join(&b'/'), once.into_bytes());
        }
    }
}
