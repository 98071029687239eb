//! Writes JSON as json-iterator does with Go's standard settings.

use crate::value::Value;

/// The digit for half a byte.
const fn hex_digit(half: u8) -> u8 {
    match half {
        0..=9 => b'0' + half,
        _ => b'a' + half - 10,
    }
}

/// Whether a byte needs no escape in a string. Bytes of longer characters need none, except those
/// of two characters.
const fn is_plain(byte: u8) -> bool {
    let special =
        (byte == b'"') | (byte == b'\\') | (byte == b'<') | (byte == b'>') | (byte == b'&');
    (byte >= b' ') & !special & (byte != 0xe2)
}

/// Writes text in quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Without an early exit, the comparison covers many bytes at once, and most strings are digits
    // or names.
    if !rest
        .iter()
        .fold(true, |plain, byte| plain & is_plain(*byte))
    {
        while let Some(position) = rest.iter().position(|byte| !is_plain(*byte)) {
            let (plain, special) = rest.split_at(position);
            out.extend_from_slice(plain);
            rest = escape(out, special);
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes the first byte or character of `rest`, escaped, and returns the remainder.
fn escape<'a>(out: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    match rest {
        // U+2028 and U+2029 end lines in JavaScript.
        [0xe2, 0x80, last @ (0xa8 | 0xa9), after @ ..] => {
            out.extend_from_slice(if *last == 0xa8 {
                b"\\u2028"
            } else {
                b"\\u2029"
            });
            after
        }
        [byte, after @ ..] => {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x80.. => out.push(*byte),
                _ => {
                    out.extend_from_slice(b"\\u00");
                    out.extend([byte >> 4, byte & 0xf].map(hex_digit));
                }
            }
            after
        }
        [] => rest,
    }
}

/// Writes an integer.
pub(crate) fn integer(out: &mut Vec<u8>, number: impl Into<i128>) {
    let number = number.into();
    if number < 0 {
        out.push(b'-');
    }
    let mut rest = number.unsigned_abs();
    // The lowest digit comes first, so the digits are reversed at the end.
    let start = out.len();
    loop {
        let digit = u8::try_from(rest % 10).unwrap_or_default();
        out.push(b'0' + digit);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Writes items in brackets.
pub(crate) fn array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (position, value) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}

/// Writes members in braces, in the caller's order.
pub(crate) fn object<'a, T>(
    out: &mut Vec<u8>,
    members: impl IntoIterator<Item = (&'a String, T)>,
    mut member: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'{');
    for (position, (name, value)) in members.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        member(out, value);
    }
    out.push(b'}');
}

/// Writes any value.
pub(crate) fn value(out: &mut Vec<u8>, any: &Value) {
    match any {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => number.write(out),
        Value::String(text) => string(out, text),
        Value::Array(items) => array(out, items, value),
        Value::Object(members) => object(out, members, value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Reader;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings() {
        let cases = [
            ("", r#""""#),
            ("plain ~\u{7f}é€😀", "\"plain ~\u{7f}é€😀\""),
            ("<a>&'b'", r#""\u003ca\u003e\u0026'b'""#),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t", r#""\n\r\t""#),
            ("\x08\x0c\x00\x1f", r#""\u0008\u000c\u0000\u001f""#),
            (
                "\u{2027}\u{2028}\u{2029}\u{202a}",
                "\"\u{2027}\\u2028\\u2029\u{202a}\"",
            ),
            ("\u{fffd}", "\"\u{fffd}\""),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text), expected);
        }
    }

    #[test]
    fn integers() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            integer(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    proptest! {
        #[test]
        fn strings_are_read_back(text: String) {
            let json = written(&text);
            prop_assert_eq!(Reader::new(json.as_bytes()).string().map(String::from), Ok(text.clone()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(text));
        }
    }
}
