/// Cleans a path lexically: removes empty and `.` components, and resolves `..` after another
/// component; the empty path becomes `.`.
///
/// The same as Go's `path.Clean`, and `filepath.Clean` on Unix.
///
/// ```
/// use layerhold_tar_format::clean_path;
/// assert_eq!(clean_path(b"./a//b/../c/"), b"a/c");
/// assert_eq!(clean_path(b"/../a"), b"/a");
/// assert_eq!(clean_path(b"../a"), b"../a");
/// assert_eq!(clean_path(b""), b".");
/// ```
#[must_use]
pub fn clean_path(path: &[u8]) -> Vec<u8> {
    let root: &[u8] = if path.starts_with(b"/") { b"/" } else { b"" };
    let mut cleaned = Vec::with_capacity(path.len().max(1));
    cleaned.extend_from_slice(root);
    // `..` cannot remove anything before this length.
    let mut fixed = root.len();
    for component in path.split(|&b| b == b'/') {
        match component {
            b"" | b"." => {}
            b".." if cleaned.len() > fixed => {
                let slash = cleaned.iter().rposition(|&b| b == b'/').unwrap_or(0);
                cleaned.truncate(slash.max(fixed));
            }
            b".." if !root.is_empty() => {}
            _ => {
                if cleaned.len() > root.len() {
                    cleaned.push(b'/');
                }
                cleaned.extend_from_slice(component);
                if component == b".." {
                    fixed = cleaned.len();
                }
            }
        }
    }
    if cleaned.is_empty() {
        cleaned.push(b'.');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(
            String::from_utf8(clean_path(path.as_bytes())).unwrap(),
            expected,
            "{path}"
        );
    }

    #[test]
    fn the_cases_of_go() {
        check("abc", "abc");
        check("abc/def", "abc/def");
        check("a/b/c", "a/b/c");
        check(".", ".");
        check("..", "..");
        check("../..", "../..");
        check("../../abc", "../../abc");
        check("/abc", "/abc");
        check("/", "/");
        check("abc/", "abc");
        check("a/b/c/", "a/b/c");
        check("./", ".");
        check("../", "..");
        check("//abc", "/abc");
        check("abc//def//ghi", "abc/def/ghi");
        check("abc/./def", "abc/def");
        check("/./abc/def", "/abc/def");
        check("abc/..", ".");
        check("abc/def/..", "abc");
        check("abc/def/../..", ".");
        check("abc/def/../../..", "..");
        check("/abc/def/../../..", "/");
        check("abc/def/../../../ghi/jkl/../../../mno", "../../mno");
        check("abc/./../def", "def");
        check("abc//./../def", "def");
        check("abc/../../././../def", "../../def");
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(path in "[./a]{0,12}") {
            let once = clean_path(path.as_bytes());
            prop_assert_eq!(clean_path(&once), once);
        }
    }
}
