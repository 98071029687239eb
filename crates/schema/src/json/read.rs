//! Reads JSON piece by piece, as leniently as json-iterator where that is harmless.

use std::borrow::Cow;

use crate::error::{Fault, RecordErrorKind};
use crate::value::{Number, Value};

/// Far more than any record has, and far less than what overflows a thread's stack.
const MAX_DEPTH: usize = 128;

type Result<T> = std::result::Result<T, Fault>;

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    fn peek_raw(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips white space and returns the next byte without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek_raw() {
            self.at += 1;
        }
        self.peek_raw()
    }

    fn fault(&self, kind: RecordErrorKind) -> Fault {
        Fault::new(self.at, kind)
    }

    pub(crate) fn fault_at(&self, offset: usize, kind: RecordErrorKind) -> Fault {
        Fault::new(offset, kind)
    }

    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    /// An error for this position; `expected` is what may stand here.
    pub(crate) fn unexpected(&self, expected: &'static str) -> Fault {
        self.fault(match self.peek_raw() {
            None => RecordErrorKind::End { expected },
            Some(found) => RecordErrorKind::Syntax {
                expected,
                found: char::from(found),
            },
        })
    }

    /// An error for a value of the wrong type.
    fn wrong_type(&mut self, expected: &'static str) -> Fault {
        let found = match self.peek() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => return self.unexpected(expected),
        };
        self.fault(RecordErrorKind::Type { expected, found })
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn word(&mut self, word: &'static str) -> Result<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        let same = rest
            .iter()
            .zip(word.as_bytes())
            .take_while(|(a, b)| a == b)
            .count();
        self.at += same;
        Err(self.unexpected(word))
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault(RecordErrorKind::Depth { limit: MAX_DEPTH }));
        }
        Ok(())
    }

    /// Takes a `null` if there is one.
    pub(crate) fn null(&mut self) -> Result<bool> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    /// Takes a value; `null` gives the default.
    pub(crate) fn or_default<T: Default>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if self.null()? {
            Ok(T::default())
        } else {
            read(self)
        }
    }

    /// Calls `member` at the value of each member of an object; it must take the value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>,
    ) -> Result<()> {
        if self.peek() != Some(b'{') {
            return Err(self.wrong_type("an object"));
        }
        self.at += 1;
        self.deeper()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("the name of a field"));
            }
            let name = self.quoted()?;
            self.expect(b':', "':'")?;
            member(self, name)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Calls `item` at each item of an array; it must take the item.
    pub(crate) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.peek() != Some(b'[') {
            return Err(self.wrong_type("an array"));
        }
        self.at += 1;
        self.deeper()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        let mut position = 0;
        loop {
            item(self).map_err(|fault| fault.in_item(position))?;
            position += 1;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Takes a string. Bytes that are not UTF-8, and lone surrogates, become U+FFFD as in Go.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong_type("a string"));
        }
        self.quoted()
    }

    /// Takes a string whose opening quote comes next.
    fn quoted(&mut self) -> Result<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        self.plain_run();
        let run = self.bytes.get(start..self.at).unwrap_or_default();
        if self.peek_raw() == Some(b'"') {
            self.at += 1;
            return Ok(lossy(run));
        }
        let mut text = lossy(run).into_owned();
        loop {
            match self.peek_raw() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escaped()?);
                }
                _ => return Err(self.unexpected("'\"'")),
            }
            let start = self.at;
            self.plain_run();
            text.push_str(&lossy(self.bytes.get(start..self.at).unwrap_or_default()));
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    /// Skips to the next quote, backslash or control character.
    fn plain_run(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let special = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let plain = rest.get(..special).unwrap_or_default();
        // Without an early exit, the comparison covers many bytes at once, and control characters
        // are very rare.
        let control = plain
            .iter()
            .fold(false, |found, byte| found | (*byte < b' '));
        let first_control = || plain.iter().position(|byte| *byte < b' ');
        self.at += control.then(first_control).flatten().unwrap_or(special);
    }

    /// Takes the rest of an escape, after the backslash.
    fn escaped(&mut self) -> Result<char> {
        let Some(byte) = self.peek_raw() else {
            return Err(self.unexpected("an escape"));
        };
        let plain = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Takes four digits, and a second escape if they are the first half of a surrogate pair.
    fn unicode(&mut self) -> Result<char> {
        let unit = self.four_digits()?;
        let Some(high) = unit.checked_sub(0xd800).filter(|high| *high < 0x400) else {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        };
        let after_first = self.at;
        if self
            .bytes
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(b"\\u")
        {
            self.at += 2;
            let second = self.four_digits()?;
            if let Some(low) = second.checked_sub(0xdc00).filter(|low| *low < 0x400) {
                let code = 0x1_0000 + (high << 10) + low;
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // The second escape is a separate character.
            self.at = after_first;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self
                .peek_raw()
                .and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("a hexadecimal digit"));
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        match self.peek() {
            Some(b't') => self.word("true").map(|()| true),
            Some(b'f') => self.word("false").map(|()| false),
            _ => Err(self.wrong_type("a boolean")),
        }
    }

    /// Takes a number; returns its text, and whether it has the form of an integer.
    pub(crate) fn number_text(&mut self) -> Result<(&'a str, bool)> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.wrong_type("a number"));
        }
        let start = self.at;
        if self.peek_raw() == Some(b'-') {
            self.at += 1;
        }
        match self.peek_raw() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut integer = true;
        if self.peek_raw() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek_raw() {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek_raw() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        Ok((str::from_utf8(text).unwrap_or_default(), integer))
    }

    fn digits(&mut self) -> Result<()> {
        if !matches!(self.peek_raw(), Some(b'0'..=b'9')) {
            return Err(self.unexpected("a digit"));
        }
        while let Some(b'0'..=b'9') = self.peek_raw() {
            self.at += 1;
        }
        Ok(())
    }

    /// Takes an integer.
    pub(crate) fn integer<T: std::str::FromStr>(&mut self) -> Result<T> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.wrong_type("an integer"));
        }
        let start = self.at;
        let (text, integer) = self.number_text()?;
        if !integer {
            let kind = RecordErrorKind::Type {
                expected: "an integer",
                found: "a fraction",
            };
            return Err(Fault::new(start, kind));
        }
        let range = || {
            Fault::new(
                start,
                RecordErrorKind::Range {
                    text: text.to_owned(),
                },
            )
        };
        let text = if text == "-0" { "0" } else { text };
        text.parse().map_err(|_| range())
    }

    pub(crate) fn number(&mut self) -> Result<Number> {
        let start = {
            self.peek();
            self.at
        };
        let (text, _) = self.number_text()?;
        Number::from_json_text(text).ok_or_else(|| {
            Fault::new(
                start,
                RecordErrorKind::Range {
                    text: text.to_owned(),
                },
            )
        })
    }

    /// Takes any value.
    pub(crate) fn value(&mut self) -> Result<Value> {
        match self.peek() {
            Some(b'{') => {
                let mut members = std::collections::BTreeMap::new();
                self.object(|reader, name| {
                    let value = reader.value().map_err(|fault| fault.in_field(&name))?;
                    members.insert(name.into_owned(), value);
                    Ok(())
                })?;
                Ok(Value::Object(members))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.array(|reader| {
                    items.push(reader.value()?);
                    Ok(())
                })?;
                Ok(Value::Array(items))
            }
            Some(b'"') => Ok(Value::String(self.quoted()?.into_owned())),
            Some(b't' | b'f') => self.boolean().map(Value::Bool),
            Some(b'n') => self.word("null").map(|()| Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Takes any value and returns its text.
    pub(crate) fn raw(&mut self) -> Result<Cow<'a, str>> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(lossy(self.bytes.get(start..self.at).unwrap_or_default()))
    }

    fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b'"') => self.skip_string(),
            Some(b't' | b'f') => self.boolean().map(drop),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number_text().map(drop),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn skip_string(&mut self) -> Result<()> {
        self.at += 1;
        loop {
            self.plain_run();
            match self.peek_raw() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.escaped()?;
                }
                _ => return Err(self.unexpected("'\"'")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Checks that only white space follows.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() {
            Ok(())
        } else {
            Err(self.unexpected("the end"))
        }
    }
}

/// Replaces each byte that is not part of a character by U+FFFD, one by one as Go does.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(json: &[u8]) -> Result<Value> {
        let mut reader = Reader::new(json);
        let value = reader.value()?;
        reader.end()?;
        Ok(value)
    }

    fn string(json: &[u8]) -> Option<String> {
        match value(json) {
            Ok(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn strings() {
        let cases: [(&[u8], Option<&str>); 18] = [
            (br#""""#, Some("")),
            (br#""a""#, Some("a")),
            (br#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\x08\x0c\n\r\t")),
            (br#""\u0041\u00e9\u20AC""#, Some("Aé€")),
            (br#""\ud83d\ude00""#, Some("😀")),
            (br#""\ud83d""#, Some("\u{fffd}")),
            (br#""\ude00x""#, Some("\u{fffd}x")),
            (br#""\ud83d\u0041""#, Some("\u{fffd}A")),
            (br#""\ud83d\ud83d\ude00""#, Some("\u{fffd}😀")),
            (br#""\ud83d\n""#, Some("\u{fffd}\n")),
            (b"\"a\xff\xe2\x82b\"", Some("a\u{fffd}\u{fffd}\u{fffd}b")),
            ("\"é\u{2028}\"".as_bytes(), Some("é\u{2028}")),
            (b"\"a", None),
            (b"\"a\n\"", None),
            (b"\"\\", None),
            (br#""\x""#, None),
            (br#""\u12""#, None),
            (b"\"\\n\x01\"", None),
        ];
        for (json, expected) in cases {
            assert_eq!(string(json).as_deref(), expected, "{}", json.escape_ascii());
            let skipped = Reader::new(json).raw();
            assert_eq!(
                skipped.is_ok(),
                expected.is_some(),
                "{}",
                json.escape_ascii()
            );
        }
    }

    #[test]
    fn numbers() {
        for json in [
            "0",
            "-0",
            "1",
            "-12",
            "1.5",
            "1e5",
            "1E+5",
            "1.25e-3",
            "18446744073709551615",
        ] {
            assert!(value(json.as_bytes()).is_ok(), "{json}");
        }
        for json in ["", "-", "01", "1.", ".5", "1e", "+1", "0x1", "1e999", "NaN"] {
            assert!(value(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn integers() {
        let integer = |json: &'static str| {
            Reader::new(json.as_bytes())
                .integer::<i64>()
                .map_err(|fault| fault.of("").kind)
        };
        assert_eq!(integer(" -9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer("-0"), Ok(0));
        let found = |found| {
            Err(RecordErrorKind::Type {
                expected: "an integer",
                found,
            })
        };
        assert_eq!(integer("1.0"), found("a fraction"));
        assert_eq!(integer("1e1"), found("a fraction"));
        assert_eq!(integer("\"1\""), found("a string"));
        let text = "9223372036854775808";
        assert_eq!(
            integer(text),
            Err(RecordErrorKind::Range {
                text: text.to_owned()
            })
        );
        assert_eq!(
            integer("-"),
            Err(RecordErrorKind::End {
                expected: "a digit"
            })
        );
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(nested(MAX_DEPTH).as_bytes()).is_ok());
        let fault = value(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
        assert_eq!(
            fault.of("x").kind,
            RecordErrorKind::Depth { limit: MAX_DEPTH }
        );
        assert!(Reader::new(nested(100_000).as_bytes()).raw().is_err());
        let flat = format!("[{}0]", "[[]],".repeat(1000));
        assert!(value(flat.as_bytes()).is_ok());
    }

    #[test]
    fn faults_have_places() {
        let fault = value(br#"{"a":[1,{"b":[tru]}]}"#).unwrap_err().of("x");
        assert_eq!(fault.path, "a[1].b[0]");
        assert_eq!(fault.offset, 17);
        assert_eq!(
            fault.kind,
            RecordErrorKind::Syntax {
                expected: "true",
                found: ']'
            }
        );
    }

    proptest! {
        #[test]
        fn agrees_with_another_parser(json in "[\\[\\]{}:,\"a\\\\ub0-9.eE+ truefalsn-]{0,12}") {
            let other = serde_json::from_str::<serde_json::Value>(&json);
            let ours = value(json.as_bytes());
            let raw = Reader::new(json.as_bytes()).raw();
            if let Ok(other) = &other {
                prop_assert!(ours.is_ok(), "{:?}", ours);
                let mut bytes = Vec::new();
                crate::json::write::value(&mut bytes, &ours.clone().unwrap());
                let again: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                // Numbers may have become integers, which the other parser distinguishes.
                prop_assert_eq!(again.to_string().replace(".0", ""), other.to_string().replace(".0", ""));
            } else if ours.is_ok() {
                // Lone surrogates only.
                prop_assert!(json.contains("\\ud"), "{}", json);
            }
            prop_assert!(ours.is_err() || raw.is_ok());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _results = (value(&bytes), Reader::new(&bytes).raw().map(Cow::into_owned));
        }
    }
}
