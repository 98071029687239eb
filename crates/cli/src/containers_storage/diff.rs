//! `changes`, `diff`, `diffsize`, `applydiff`.

use layerhold::{ChangeKind, DiffCompression, Key};
use layerhold_archive::Codec;
use serde::Serialize;

use super::call::Call;
use super::output::{copy_out, input, json, line};
use crate::failure::Failure;

/// The layer and what it is compared with.
fn pair<'a>(call: &Call<'a, '_>) -> (Option<&'a str>, &'a str) {
    let to = call.operands.first().map_or("", String::as_str);
    let from = call.operands.get(1).map(String::as_str);
    (from.filter(|from| !from.is_empty()), to)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeOut {
    path: String,
    kind: u8,
}

pub(crate) fn changes(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let (from, to) = pair(call);
    let changes = call.store.changes(from.map(Key::from), to)?;
    if call.flags.is_on("json") {
        if changes.is_empty() {
            return json(call, &());
        }
        let list: Vec<ChangeOut> = changes
            .iter()
            .map(|change| ChangeOut {
                path: change.path.to_string_lossy().into_owned(),
                kind: match change.kind {
                    ChangeKind::Modify => 0,
                    ChangeKind::Add => 1,
                    ChangeKind::Delete => 2,
                },
            })
            .collect();
        return json(call, &list);
    }
    for change in &changes {
        let what = match change.kind {
            ChangeKind::Modify => "Modify",
            ChangeKind::Add => "Add",
            ChangeKind::Delete => "Delete",
        };
        let path = quote(&change.path);
        line(call, format_args!("{what} {path}"))?;
    }
    Ok(0)
}

/// Quotes a path as Go's `%q` does: printable characters as they are, control characters by
/// their short escapes, bytes that are not UTF-8 as `\x..`.
fn quote(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut quoted = String::from("\"");
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\u{7}' => quoted.push_str("\\a"),
                '\u{8}' => quoted.push_str("\\b"),
                '\u{c}' => quoted.push_str("\\f"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '\u{b}' => quoted.push_str("\\v"),
                c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                    quoted.push_str(&format!("\\x{:02x}", c as u32));
                }
                c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", c as u32)),
                c => quoted.push(c),
            }
        }
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

pub(crate) fn size(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let (from, to) = pair(call);
    let size = call.store.diff_size(from.map(Key::from), to)?;
    line(call, size)?;
    Ok(0)
}

pub(crate) fn diff(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let (from, to) = pair(call);
    // As in Go, the last flag that is on counts, in this order.
    let codec = [
        ("uncompressed", Codec::Plain),
        ("gzip", Codec::Gzip),
        ("bzip2", Codec::Bzip2),
        ("xz", Codec::Xz),
    ]
    .into_iter()
    .filter(|(flag, _)| call.flags.is_on(flag))
    .map(|(_, codec)| codec)
    .next_back();
    let compression = codec.map_or(DiffCompression::AsImported, DiffCompression::As);
    let mut reader = call.store.diff(from.map(Key::from), to, compression)?;
    copy_out(call, &mut reader)?;
    Ok(0)
}

pub(crate) fn apply(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let source = input(call)?;
    let (_, to) = pair(call);
    call.store.apply_diff(to, source)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_go_does() {
        use std::os::unix::ffi::OsStrExt;
        for (path, quoted) in [
            (&b"/a b"[..], "\"/a b\""),
            (b"/\"\\", "\"/\\\"\\\\\""),
            (b"/\n\x01", "\"/\\n\\x01\""),
            ("/é\u{85}".as_bytes(), "\"/é\\u0085\""),
            (b"/\xff", "\"/\\xff\""),
        ] {
            let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
            assert_eq!(quote(path), quoted);
        }
    }
}
