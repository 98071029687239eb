//! Walking over a record without parsing it.
//!
//! The fields at the first level are walked over: names and strings from quote to
//! quote, lists and objects from bracket to bracket. That is enough to find where a
//! record ends; numbers and what is inside brackets are checked when it is parsed.
//! A walk that succeeds depends on no byte behind the record, so that a record can be walked over
//! before what follows it is there, or after it changed.

use memchr::memchr3;

use crate::text::{Quoted, is_space, quoted, short_quoted, skip_space};

/// What stands behind the name of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Text(Quoted),
    /// A list by its opening bracket.
    List {
        start: usize,
        /// Whether there are escapes in its strings.
        escaped: bool,
    },
    /// An object, a number or a word.
    Other {
        /// Whether there are escapes in the strings of an object.
        escaped: bool,
    },
}

impl Value {
    pub(crate) fn is_escaped(self) -> bool {
        match self {
            Self::Text(text) => text.escaped,
            Self::List { escaped, .. } | Self::Other { escaped } => escaped,
        }
    }
}

/// Is told what a walk comes by.
pub(crate) trait Visitor {
    /// A field at the first level of the record. `None` ends the walk.
    fn field(&mut self, bytes: &[u8], name: Quoted, value: Value) -> Option<()>;
}

/// Walks over the record that starts at a position and returns its end; `None` if there is no
/// record, or not all of it.
#[inline]
pub(crate) fn record(bytes: &[u8], start: usize, visitor: &mut impl Visitor) -> Option<usize> {
    expect(bytes, start, b'{')?;
    let mut position = skip_space(bytes, start + 1);
    if *bytes.get(position)? == b'}' {
        return Some(position + 1);
    }
    loop {
        let end = skip_space(bytes, field(bytes, position, visitor)?);
        match *bytes.get(end)? {
            b',' => position = skip_space(bytes, end + 1),
            b'}' => return Some(end + 1),
            _ => return None,
        }
    }
}

/// Whether a byte stands at a position.
#[inline]
pub(crate) fn expect(bytes: &[u8], position: usize, byte: u8) -> Option<()> {
    (*bytes.get(position)? == byte).then_some(())
}

/// Walks over a name and its value and returns the end of the value.
#[inline]
fn field(bytes: &[u8], position: usize, visitor: &mut impl Visitor) -> Option<usize> {
    expect(bytes, position, b'"')?;
    let name = short_quoted(bytes, position)?;
    let colon = skip_space(bytes, name.end + 1);
    expect(bytes, colon, b':')?;
    let start = skip_space(bytes, colon + 1);
    let (value, end) = match *bytes.get(start)? {
        b'"' => {
            let text = quoted(bytes, start)?;
            (Value::Text(text), text.end + 1)
        }
        b'[' => {
            let (end, escaped) = skip(bytes, start, b'[', b']')?;
            (Value::List { start, escaped }, end)
        }
        b'{' => {
            let (end, escaped) = skip(bytes, start, b'{', b'}')?;
            (Value::Other { escaped }, end)
        }
        _ => (Value::Other { escaped: false }, scalar(bytes, start)?),
    };
    visitor.field(bytes, name, value)?;
    Some(end)
}

/// The end of a list or object, and whether there are escapes in it. Brackets of the other kind are
/// not counted.
fn skip(bytes: &[u8], start: usize, open: u8, close: u8) -> Option<(usize, bool)> {
    let mut position = start + 1;
    let mut depth = 1;
    let mut escaped = false;
    loop {
        position += memchr3(b'"', open, close, bytes.get(position..)?)?;
        match *bytes.get(position)? {
            b'"' => {
                // With a quote too many or too few, strings would begin where they end.
                let before = position.checked_sub(1).and_then(|at| bytes.get(at))?;
                if !matches!(before, b'[' | b'{' | b',' | b':') && !is_space(*before) {
                    return None;
                }
                let text = quoted(bytes, position)?;
                escaped |= text.escaped;
                position = text.end;
            }
            byte if byte == open => depth += 1,
            _ => depth -= 1,
        }
        position += 1;
        if depth == 0 {
            return Some((position, escaped));
        }
    }
}

/// The end of a number or word.
fn scalar(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    for (len, byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'-' | b'+' | b'.' | b'E' => {}
            b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r' if len > 0 => return Some(start + len),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Names(Vec<String>, Vec<bool>);

    impl Visitor for Names {
        fn field(&mut self, bytes: &[u8], name: Quoted, value: Value) -> Option<()> {
            let name = String::from_utf8_lossy(&bytes[name.start..name.end]);
            self.0.push(name.into_owned());
            self.1.push(value.is_escaped());
            Some(())
        }
    }

    #[test]
    fn fields_are_told_with_their_escapes() {
        let text = br#"{"a":"x","b":"\n","c":["}"],"d":["\t",1],"e":{"x":["{"]},"f":{"\"":1},"g":-1.5,"h":null}, more"#;
        let mut names = Names::default();
        assert_eq!(record(text, 0, &mut names), Some(text.len() - 6));
        assert_eq!(names.0, ["a", "b", "c", "d", "e", "f", "g", "h"]);
        let escaped = [false, true, false, true, false, true, false, false];
        assert_eq!(names.1, escaped);
        assert_eq!(record(b" {}", 1, &mut Names::default()), Some(3));
    }

    proptest! {
        /// What follows a record is of no importance to where it ends.
        #[test]
        fn only_the_record_counts(text in "(\\{(\"[a\\\\]{0,2}\":(\"[x{}\\\\\"]{0,3}\"|[1t]|\\[\"?[]x{]{0,2}\"?\\]|\\{\\}),?){0,3}\\}?,?){1,3}") {
            let text = text.as_bytes();
            let end = record(text, 0, &mut Names::default());
            for cut in 0..=text.len() {
                let found = record(&text[..cut], 0, &mut Names::default());
                prop_assert_eq!(found, end.filter(|end| *end <= cut));
            }
        }
    }
}
