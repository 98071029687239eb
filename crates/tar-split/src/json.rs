//! Writes the lines of a tar-split file as Go's `json.Encoder` does (Go:
//! tar-split/tar/storage/entry.go).

use base64::Engine as _;

use crate::Checksum;
use crate::base64_engine::BASE64;

const TRIPLE: usize = 3;

/// Appends base64 of all of `data`, padded.
fn push_base64(out: &mut Vec<u8>, data: &[u8]) {
    let start = out.len();
    out.resize(start + data.len().div_ceil(TRIPLE) * 4, 0);
    if let Some(target) = out.get_mut(start..) {
        // The target has exactly the required length, so this cannot fail.
        let written = BASE64.encode_slice(data, target).unwrap_or(0);
        out.truncate(start + written);
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.split_at(digits.len() - used).1);
}

fn push_position(out: &mut Vec<u8>, position: u64) {
    out.extend_from_slice(b",\"position\":");
    push_number(out, position);
    out.extend_from_slice(b"}\n");
}

/// Appends the line of a segment.
pub(crate) fn push_segment(out: &mut Vec<u8>, bytes: &[u8], position: u64) {
    let mut segment = OpenSegment::start(out);
    segment.push(out, bytes);
    segment.end(out, position);
}

/// A segment's line that is written piece by piece.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    /// Bytes that do not fill a triple yet.
    carry: [u8; TRIPLE],
    carried: usize,
    /// Bytes of the segment so far.
    pub(crate) length: u64,
}

impl OpenSegment {
    pub(crate) fn start(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"type\":2,\"payload\":\"");
        Self {
            carry: [0; TRIPLE],
            carried: 0,
            length: 0,
        }
    }

    pub(crate) fn push(&mut self, out: &mut Vec<u8>, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.carried > 0 {
            while let (Some(slot), Some((first, rest))) =
                (self.carry.get_mut(self.carried), bytes.split_first())
            {
                *slot = *first;
                self.carried += 1;
                bytes = rest;
            }
            if self.carried < TRIPLE {
                return;
            }
            push_base64(out, &self.carry);
            self.carried = 0;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % TRIPLE);
        push_base64(out, whole);
        self.carried = rest.len();
        self.carry
            .iter_mut()
            .zip(rest)
            .for_each(|(to, from)| *to = *from);
    }

    pub(crate) fn end(self, out: &mut Vec<u8>, position: u64) {
        push_base64(out, self.carry.split_at(self.carried).0);
        out.push(b'"');
        push_position(out, position);
    }
}

/// Appends the line of a file; an empty file has no size and no payload.
pub(crate) fn push_file(
    out: &mut Vec<u8>,
    name: &[u8],
    content: Option<(u64, Checksum)>,
    position: u64,
) {
    out.extend_from_slice(b"{\"type\":1");
    match std::str::from_utf8(name) {
        Ok("") => {}
        Ok(name) => {
            out.extend_from_slice(b",\"name\":\"");
            push_escaped(out, name);
            out.push(b'"');
        }
        Err(_) => {
            out.extend_from_slice(b",\"name_raw\":\"");
            push_base64(out, name);
            out.push(b'"');
        }
    }
    match content {
        Some((size, checksum)) => {
            out.extend_from_slice(b",\"size\":");
            push_number(out, size);
            out.extend_from_slice(b",\"payload\":\"");
            push_base64(out, &checksum.0);
            out.push(b'"');
        }
        None => out.extend_from_slice(b",\"payload\":null"),
    }
    push_position(out, position);
}

/// Escapes as Go does, including `<`, `>`, `&` and the two Unicode line separators (Go:
/// encoding/json/encode.go, `appendString` with HTML escaping).
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Go has these two short forms since version 1.22.
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_file(name: &[u8], content: Option<(u64, Checksum)>, expected: &str) {
        let mut out = Vec::new();
        push_file(&mut out, name, content, 7);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn file_lines_are_those_of_go() {
        let checksum = Checksum([1, 2, 3, 4, 5, 6, 7, 8]);
        check_file(
            b"./a",
            Some((6, checksum)),
            r#"{"type":1,"name":"./a","size":6,"payload":"AQIDBAUGBwg=","position":7}"#,
        );
        check_file(
            b"d/",
            None,
            r#"{"type":1,"name":"d/","payload":null,"position":7}"#,
        );
        check_file(b"", None, r#"{"type":1,"payload":null,"position":7}"#);
        check_file(
            b"\xff",
            None,
            r#"{"type":1,"name_raw":"/w==","payload":null,"position":7}"#,
        );
        check_file(
            "<&>\"\\\n\r\t\u{1}\u{7f}\u{2028}\u{2029}\u{8}é".as_bytes(),
            None,
            concat!(
                r#"{"type":1,"name":"\u003c\u0026\u003e\"\\\n\r\t\u0001"#,
                "\u{7f}",
                r#"\u2028\u2029\bé","payload":null,"position":7}"#
            ),
        );
    }

    #[test]
    fn segments_may_come_in_pieces() {
        let data: Vec<u8> = (0..=255).collect();
        let mut whole = Vec::new();
        push_segment(&mut whole, &data, 12_345_678_901);
        for size in 1..10 {
            let mut out = Vec::new();
            let mut segment = OpenSegment::start(&mut out);
            for piece in data.chunks(size) {
                segment.push(&mut out, piece);
            }
            assert_eq!(segment.length, 256);
            segment.end(&mut out, 12_345_678_901);
            assert_eq!(out, whole, "{size}");
        }
        assert!(whole.ends_with(b"\",\"position\":12345678901}\n"));
    }
}
