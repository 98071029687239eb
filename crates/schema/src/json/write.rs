//! Writes JSON as json-iterator does with Go's standard settings.

use crate::value::Value;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Whether a byte stands for itself in a string. Bytes of longer characters do, except in two of them.
const fn is_plain(byte: u8) -> bool {
    let special =
        (byte == b'"') | (byte == b'\\') | (byte == b'<') | (byte == b'>') | (byte == b'&');
    (byte >= b' ') & !special & (byte != 0xe2)
}

/// Writes text in quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Without an early end the check compares many bytes at once, and most strings are digits or names.
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

/// Writes the first byte or character of `rest` and returns what follows.
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
                    out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
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
    // The greatest is 39 digits long.
    let mut digits = [0; 40];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        let digit = u8::try_from(rest % 10).unwrap_or_default();
        digits[start] = b'0' + digit;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
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

/// Writes members in braces; the caller gives them in order.
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
