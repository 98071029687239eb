//! The grammar of the parts of a name (Go: `image/docker/reference/regexp.go`).

/// The longest name, without tag and digest (`NameTotalLengthMax`).
pub(crate) const MAX_NAME: usize = 255;

/// The longest tag.
const MAX_TAG: usize = 128;

/// The digits of an image ID.
const ID_DIGITS: usize = 64;

/// Tells whether a text is a registry: a host name or an IPv4 address, with a port if wanted.
#[must_use]
pub fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Tells whether a text is the path of a repository below its registry: components with slashes
/// between them.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    text.split('/').all(is_component)
}

/// Lowercase letters and digits, with single separators between them: a period, one or two
/// underscores, or any number of hyphens.
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_right =
        bytes.first().is_some_and(is_alphanumeric) && bytes.last().is_some_and(is_alphanumeric);
    ends_right
        && bytes
            .split(is_alphanumeric)
            .all(|separator| match separator {
                b"" | b"." | b"_" | b"__" => true,
                hyphens => hyphens.iter().all(|byte| *byte == b'-'),
            })
}

/// Tells whether a text is a tag: a word character, and up to 127 more, periods and hyphens.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

/// The whole ID of an image: no name, because the two could not be told apart.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        for (text, is_one) in [
            ("localhost", true),
            ("quay.io", true),
            ("QUAY.io:5000", true),
            ("127.0.0.1:1", true),
            ("a-b.c", true),
            ("-a.b", false),
            ("a-.b", false),
            ("a..b", false),
            ("a_b.c", false),
            ("a:", false),
            ("a:b", false),
            ("a:1:2", false),
            ("[::1]", false),
            ("", false),
        ] {
            assert_eq!(is_registry(text), is_one, "{text:?}");
        }
    }

    #[test]
    fn components() {
        for (text, is_one) in [
            ("a", true),
            ("a.b", true),
            ("a_b", true),
            ("a__b", true),
            ("a---b", true),
            ("a.b-c_d", true),
            ("a..b", false),
            ("a___b", false),
            ("a._b", false),
            ("a-.b", false),
            ("-a", false),
            ("a-", false),
            ("A", false),
            ("ä", false),
            ("", false),
        ] {
            assert_eq!(is_component(text), is_one, "{text:?}");
        }
    }

    #[test]
    fn tags() {
        for (text, is_one) in [
            ("latest", true),
            ("1.0-rc_1", true),
            ("_", true),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
            (".a", false),
            ("-a", false),
            ("a/b", false),
            ("", false),
        ] {
            assert_eq!(is_tag(text), is_one, "{text:?}");
        }
    }
}
