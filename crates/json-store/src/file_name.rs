//! File names of big data items. Go: store.go (the rule), images.go (its use).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why a key has no file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key is empty. The text is Go's.
    #[error("not a valid name for a big data item")]
    Empty,
    /// The key stands for a directory (`.`, `..`, `/`).
    #[error("the name stands for a directory")]
    Directory,
    /// The key ends in `/`, and its file is that of the key without it.
    #[error("the name ends in a slash and would share the file of another item")]
    TrailingSlash,
    /// The encoded key contains `/`, so that its file would be in a directory that no tool creates.
    #[error("the encoded name contains a slash")]
    EncodedSlash,
    /// The key ends in a NUL byte, which no file name contains.
    #[error("the name ends in a NUL byte")]
    Nul,
}

/// The file name of a big data item that is to be read.
///
/// Finds everything that the Go library can have written, also where it lets
/// two keys share a file (`a` and `a/`).
pub fn file_name_to_read(key: &str) -> Result<String, KeyError> {
    match file_name_to_write(key) {
        Err(KeyError::TrailingSlash) => file_name_to_read(key.trim_end_matches('/')),
        other => other,
    }
}

/// The file name of a big data item that is to be written.
///
/// The same as Go's for every key that has a file of its own there; all
/// other keys are refused, and no two keys get the same name.
pub fn file_name_to_write(key: &str) -> Result<String, KeyError> {
    let last = key.chars().next_back().ok_or(KeyError::Empty)?;
    let before_last = key.strip_suffix(last).unwrap_or_default();
    if !before_last.bytes().all(is_plain) {
        return encoded(key);
    }
    // Go stops reading at the first character that is not plain and then checks whether anything is
    // left unread. So the last character never counts, and the names on the disk depend on that.
    match (before_last, last) {
        ("", '.' | '/') | (".", '.') => Err(KeyError::Directory),
        (_, '/') => Err(KeyError::TrailingSlash),
        (_, '\0') => Err(KeyError::Nul),
        _ => Ok(key.to_owned()),
    }
}

/// The key of the big data item that has a file of this name; `None` for a name that no key has.
#[must_use]
pub fn key_of_file_name(name: &str) -> Option<String> {
    let is_of = |key: &str| file_name_to_write(key).as_deref() == Ok(name);
    if is_of(name) {
        return Some(name.to_owned());
    }
    let decoded = STANDARD.decode(name.strip_prefix('=')?).ok()?;
    String::from_utf8(decoded).ok().filter(|key| is_of(key))
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'.' | b'0'..=b'9' | b'a'..=b'z')
}

fn encoded(key: &str) -> Result<String, KeyError> {
    let mut name = String::from("=");
    STANDARD.encode_string(key, &mut name);
    // Go joins the name as a path, which drops one slash at the end. The result
    // cannot be the name of another key, since its length would not fit.
    if name.ends_with('/') {
        name.pop();
    }
    if name.contains('/') {
        return Err(KeyError::EncodedSlash);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Keys and names seen in stores that the Go tool made, and what follows from its rule.
    #[test]
    fn names_are_those_of_go() {
        let cases = [
            ("manifest", "manifest"),
            ("k1", "k1"),
            ("...", "..."),
            ("A", "A"),
            ("aA", "aA"),
            ("manifest-", "manifest-"),
            ("x:", "x:"),
            ("a日", "a日"),
            ("日", "日"),
            ("=", "="),
            ("Config", "=Q29uZmln"),
            ("AA", "=QUE="),
            ("Aa", "=QWE="),
            ("z-1", "=ei0x"),
            ("日a", "=5pelYQ=="),
            ("a/b", "=YS9i"),
            ("//", "=Ly8="),
            ("/x", "=L3g="),
            ("../x", "=Li4veA=="),
            ("???", "=Pz8"),
            (
                "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "=c2hhMjU2OmUzYjBjNDQyOThmYzFjMTQ5YWZiZjRjODk5NmZiOTI0MjdhZTQxZTQ2NDliOTM0Y2E0OTU5OTFiNzg1MmI4NTU=",
            ),
        ];
        for (key, name) in cases {
            assert_eq!(file_name_to_write(key).as_deref(), Ok(name), "{key}");
            assert_eq!(file_name_to_read(key).as_deref(), Ok(name), "{key}");
            // The slash that is missing at the end of this one is not made up.
            let expected = Some(key).filter(|key| *key != "???");
            assert_eq!(key_of_file_name(name).as_deref(), expected, "{name}");
        }
        for name in ["", ".", "=", "=QQ", "a/b", "Config", "=Y29uZmln"] {
            let expected = Some("=").filter(|_| name == "=");
            assert_eq!(key_of_file_name(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn keys_without_a_file_of_their_own_are_refused() {
        let cases = [
            ("", KeyError::Empty),
            (".", KeyError::Directory),
            ("..", KeyError::Directory),
            ("/", KeyError::Directory),
            ("a/", KeyError::TrailingSlash),
            ("./", KeyError::TrailingSlash),
            ("a\0", KeyError::Nul),
            ("~~??", KeyError::EncodedSlash),
            ("a??>", KeyError::EncodedSlash),
        ];
        for (key, error) in cases {
            assert_eq!(file_name_to_write(key), Err(error), "{key}");
        }
    }

    #[test]
    fn shared_files_can_be_read() {
        assert_eq!(file_name_to_read("a/").as_deref(), Ok("a"));
        for key in ["/", "./", "../", ".", ".."] {
            assert_eq!(file_name_to_read(key), Err(KeyError::Directory), "{key}");
        }
        assert_eq!(file_name_to_read("~~??"), Err(KeyError::EncodedSlash));
    }

    proptest! {
        #[test]
        fn names_are_single_components_and_never_shared(keys in prop::collection::hash_set("[a=/.?~P8z\\-日\u{7f}]{0,4}", 1..60)) {
            let mut seen: HashMap<String, String> = HashMap::new();
            for key in keys {
                let Ok(name) = file_name_to_write(&key) else { continue };
                prop_assert!(!name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..");
                prop_assert_eq!(file_name_to_read(&key), Ok(name.clone()));
                let other = seen.insert(name, key.clone());
                prop_assert_eq!(other, None);
            }
        }
    }
}
