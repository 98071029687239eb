//! The ID of a record that cannot be read.

use crate::text::{quoted, skip_space, unescape};

/// The ID that bytes begin with, although they are no record: all tools write it first. A comma
/// may stand before it at the end of a torn file.
pub(super) fn claimed_id(bytes: &[u8]) -> Option<String> {
    let start = skip_space(bytes, 0);
    let comma = usize::from(bytes.get(start) == Some(&b','));
    let after = |position: usize, token: &[u8]| {
        let start = skip_space(bytes, position);
        let rest = bytes.get(start..)?;
        rest.starts_with(token).then(|| start + token.len())
    };
    let name = after(start + comma, b"{")?;
    let colon = after(after(name, b"\"id\"")?, b":")?;
    let quote = after(colon, b"\"")? - 1;
    let found = quoted(bytes, quote)?;
    let id = unescape(bytes.get(found.start..found.end)?)?;
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_bytes_claim_the_identifier_they_begin_with() {
        let cases = [
            (r#"{"id":"a","n":}"#, Some("a")),
            (r#" { "id" : "a\u0062" "#, Some("ab")),
            (r#",{"id":"a","names":["x"#, Some("a")),
            (r#"{"id":"a""#, Some("a")),
            (r#"{"id":"a"#, None),
            (r#"{"id":"","n":1}"#, None),
            (r#"{"id":1}"#, None),
            (r#"{"n":1,"id":"a"}"#, None),
            (r#"{"id":"\q"}"#, None),
            (",", None),
            ("", None),
            ("null", None),
        ];
        for (bytes, id) in cases {
            assert_eq!(claimed_id(bytes.as_bytes()).as_deref(), id, "{bytes}");
        }
        assert_eq!(claimed_id(b"{\"id\":\"\xff\"}"), None);
    }
}
