//! Splitting an array of records without parsing them.
//!
//! The fields at the first level of each record are walked over: names and
//! strings from quote to quote, lists and objects from bracket to bracket. That is
//! enough to find where records begin and end and to pick out the indexed
//! fields; numbers and what is inside brackets are checked when a record is parsed.
//! A lost bracket can make one record of two, which shows in two identifiers.
//! Anything else than a list of objects ends the attempt, and the careful way
//! (`recover`) is taken.

use memchr::memchr3;

use crate::document::{Fault, Item, Name, Parts, Span, hash};
use crate::fields::{Field, Fields};
use crate::text::{Quoted, is_space, quoted, short_quoted, skip_space};

/// Walks over records and collects what is to be known about them.
#[derive(Debug)]
pub(crate) struct Splitter<'a> {
    bytes: &'a [u8],
    fields: &'a Fields,
    parts: Parts,
    /// The identifier of the record that is walked over.
    id: Span,
    /// Whether only elements that are known to be valid are walked over.
    are_valid: bool,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(bytes: &'a [u8], fields: &'a Fields) -> Self {
        let mut parts = Parts {
            stride: fields.keys(),
            ..Parts::default()
        };
        // Records of image layers take 450 bytes and more. Room for a few too many is never touched; growing copies.
        let expected = bytes.len() / 400;
        parts.items.reserve(expected);
        parts.keys.reserve(expected.saturating_mul(fields.keys()));
        Self {
            bytes,
            fields,
            parts,
            id: Span::NONE,
            are_valid: false,
        }
    }

    /// Splits a whole array; `None` if the text is not one.
    pub(crate) fn whole(mut self) -> Option<Parts> {
        let end = self.array(skip_space(self.bytes, 0))?;
        (skip_space(self.bytes, end) == self.bytes.len()).then_some(self.parts)
    }

    /// Takes one element whose range is known.
    pub(crate) fn element(&mut self, start: usize, end: usize) {
        self.are_valid = true;
        let known = self.parts.items.len();
        if self.record(start) != Some(end) {
            self.forget_from(known);
            self.damaged(start, end);
        }
    }

    /// Takes a range of bytes that is no record.
    pub(crate) fn damaged(&mut self, start: usize, end: usize) {
        self.begin();
        self.finish(start, end, Some(Fault::Syntax));
    }

    pub(crate) fn into_parts(self) -> Parts {
        self.parts
    }

    fn forget_from(&mut self, items: usize) {
        let keys = items.saturating_mul(self.parts.stride);
        self.parts.items.truncate(items);
        self.parts.keys.truncate(keys);
        let names = &mut self.parts.names;
        while names.last().is_some_and(|name| name.item as usize >= items) {
            names.pop();
        }
    }

    #[inline]
    fn byte(&self, position: usize) -> Option<u8> {
        self.bytes.get(position).copied()
    }

    /// Whether a byte stands at a position.
    #[inline]
    fn expect(&self, position: usize, byte: u8) -> Option<()> {
        (self.byte(position)? == byte).then_some(())
    }

    /// Walks over the array that starts at a position and returns its end.
    fn array(&mut self, start: usize) -> Option<usize> {
        self.expect(start, b'[')?;
        let mut position = skip_space(self.bytes, start + 1);
        if self.byte(position)? == b']' {
            return Some(position + 1);
        }
        loop {
            let end = skip_space(self.bytes, self.record(position)?);
            match self.byte(end)? {
                b',' => position = skip_space(self.bytes, end + 1),
                b']' => return Some(end + 1),
                _ => return None,
            }
        }
    }

    /// Walks over the record that starts at a position and returns its end.
    fn record(&mut self, start: usize) -> Option<usize> {
        self.expect(start, b'{')?;
        self.begin();
        let mut position = skip_space(self.bytes, start + 1);
        if self.byte(position)? == b'}' {
            self.finish(start, position + 1, None);
            return Some(position + 1);
        }
        loop {
            let end = skip_space(self.bytes, self.member(position)?);
            match self.byte(end)? {
                b',' => position = skip_space(self.bytes, end + 1),
                b'}' => {
                    self.finish(start, end + 1, None);
                    return Some(end + 1);
                }
                _ => return None,
            }
        }
    }

    /// Walks over a name and its value and returns the end of the value.
    #[inline]
    fn member(&mut self, position: usize) -> Option<usize> {
        self.expect(position, b'"')?;
        let name = short_quoted(self.bytes, position)?;
        let colon = skip_space(self.bytes, name.end + 1);
        self.expect(colon, b':')?;
        let field = self.fields.find(self.bytes, name.start, name.end);
        let start = skip_space(self.bytes, colon + 1);
        if let Some(field) = field {
            if field == Field::Id && !self.id.is_none() && !self.are_valid {
                return None;
            }
            self.forget(field);
        }
        match self.byte(start)? {
            b'"' => {
                let text = quoted(self.bytes, start)?;
                if let Some(field) = field {
                    self.remember(field, text);
                }
                Some(text.end + 1)
            }
            b'[' => {
                if field == Some(Field::Names) {
                    self.names(start);
                }
                self.skip(start, b'[', b']')
            }
            b'{' => self.skip(start, b'{', b'}'),
            _ => self.scalar(start),
        }
    }

    /// The end of a list or object. Brackets of the other kind are not counted.
    fn skip(&self, start: usize, open: u8, close: u8) -> Option<usize> {
        let mut position = start + 1;
        let mut depth = 1;
        loop {
            position += memchr3(b'"', open, close, self.bytes.get(position..)?)?;
            match self.byte(position)? {
                b'"' => {
                    // With a quote too many or too few, strings would begin where they end.
                    let before = position.checked_sub(1).and_then(|at| self.byte(at))?;
                    if !matches!(before, b'[' | b'{' | b',' | b':') && !is_space(before) {
                        return None;
                    }
                    position = quoted(self.bytes, position)?.end;
                }
                byte if byte == open => depth += 1,
                _ => depth -= 1,
            }
            position += 1;
            if depth == 0 {
                return Some(position);
            }
        }
    }

    /// The end of a number or word.
    fn scalar(&self, start: usize) -> Option<usize> {
        let rest = self.bytes.get(start..)?;
        for (len, byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'-' | b'+' | b'.' | b'E' => {}
                b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r' if len > 0 => return Some(start + len),
                _ => return None,
            }
        }
        None
    }

    /// Of repeated fields the last one counts.
    fn forget(&mut self, field: Field) {
        match field {
            Field::Id => self.id = Span::NONE,
            Field::Names => {
                let item = self.parts.items.len();
                let names = &mut self.parts.names;
                while names.last().is_some_and(|name| name.item as usize >= item) {
                    names.pop();
                }
            }
            Field::Key(key) => self.set_key(key, Span::NONE),
        }
    }

    fn remember(&mut self, field: Field, text: Quoted) {
        match field {
            Field::Id => self.id = self.parts.remember(self.bytes, text),
            Field::Names => {}
            Field::Key(key) => {
                let span = self.parts.remember_bytes(self.bytes, text);
                self.set_key(key, span);
            }
        }
    }

    fn set_key(&mut self, key: usize, span: Span) {
        let position = self.parts.items.len() * self.parts.stride + key;
        if let Some(known) = self.parts.keys.get_mut(position) {
            *known = span;
        }
    }

    /// Takes the names from a list; they end at the first element that is not a string.
    fn names(&mut self, start: usize) {
        let Ok(item) = u32::try_from(self.parts.items.len()) else {
            return;
        };
        let mut position = skip_space(self.bytes, start + 1);
        while self.byte(position) == Some(b'"') {
            let Some(found) = quoted(self.bytes, position) else {
                return;
            };
            let span = self.parts.remember(self.bytes, found);
            if !span.is_none() {
                self.parts.names.push(Name { item, span });
            }
            let comma = skip_space(self.bytes, found.end + 1);
            if self.byte(comma) != Some(b',') {
                return;
            }
            position = skip_space(self.bytes, comma + 1);
        }
    }

    fn begin(&mut self) {
        self.id = Span::NONE;
        for _ in 0..self.parts.stride {
            self.parts.keys.push(Span::NONE);
        }
    }

    fn finish(&mut self, start: usize, end: usize, fault: Option<Fault>) {
        let id = self.parts.span(self.bytes, self.id);
        let missing = self.id.is_none() || id.is_empty();
        let hash = hash(id);
        self.parts.items.push(Item {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
            id: self.id,
            hash,
            fault: fault.or(missing.then_some(Fault::MissingId)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::KeySpec;

    fn fields() -> Fields {
        Fields::new(const { &[KeySpec::field("parent")] })
    }

    /// Identifier, names and parent of each element, or `None` if the text is refused.
    fn split(text: &str) -> Option<Vec<(String, Vec<String>, String)>> {
        let fields = fields();
        let parts = Splitter::new(text.as_bytes(), &fields).whole()?;
        let string = |span| String::from_utf8(parts.span(text.as_bytes(), span).to_vec()).unwrap();
        let item = |(position, item): (usize, &Item)| {
            let names = parts
                .names
                .iter()
                .filter(|name| name.item as usize == position);
            (
                string(item.id),
                names.map(|name| string(name.span)).collect(),
                string(parts.keys[position]),
            )
        };
        Some(parts.items.iter().enumerate().map(item).collect())
    }

    fn entry(id: &str, names: &[&str], parent: &str) -> (String, Vec<String>, String) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        (id.to_owned(), names, parent.to_owned())
    }

    #[test]
    fn lists_are_split() {
        assert_eq!(split("[]"), Some(vec![]));
        assert_eq!(split(" [ ] \n"), Some(vec![]));
        assert_eq!(
            split(r#"[{"id":"a","names":["x","y"],"parent":"p"},{"id":"b"}]"#),
            Some(vec![entry("a", &["x", "y"], "p"), entry("b", &[], "")])
        );
        let pretty = "[\n  {\n    \"names\" : [ \"x\" , \"y\" ] ,\n    \"parent\": \"p\",\n    \"id\": \"a\"\n  } ,\n {}\n]\n";
        assert_eq!(
            split(pretty),
            Some(vec![entry("a", &["x", "y"], "p"), entry("", &[], "")])
        );
    }

    #[test]
    fn only_the_first_level_of_a_record_counts() {
        let text = r#"[{"flags":{"id":"no","names":["no"],"parent":"no"},"list":[{"id":"no"}],"id":"a","note":"},{\"id\":\"no\",[: "}]"#;
        assert_eq!(split(text), Some(vec![entry("a", &[], "")]));
    }

    #[test]
    fn escapes_are_resolved() {
        let text =
            r#"[{"id":"\u0061\"b","names":["x\u003cy","\ud83d\ude00","z\\"],"parent":"\/"}]"#;
        assert_eq!(
            split(text),
            Some(vec![entry("a\"b", &["x<y", "\u{1f600}", "z\\"], "/")])
        );
    }

    #[test]
    fn values_of_another_type_are_no_values() {
        let text =
            r#"[{"id":1,"names":"x","parent":null},{"id":null,"names":[1,"x"],"parent":["p"]}]"#;
        assert_eq!(
            split(text),
            Some(vec![entry("", &[], ""), entry("", &[], "")])
        );
    }

    #[test]
    fn the_last_of_repeated_fields_counts() {
        let text = r#"[{"id":"a","names":["x"],"names":["y"],"parent":"p","parent":1}]"#;
        assert_eq!(split(text), Some(vec![entry("a", &["y"], "")]));
        // Two identifiers are left to the careful way.
        let text = r#"[{"id":"a","id":"b"}]"#;
        assert_eq!(split(text), None);
        let fields = fields();
        let mut splitter = Splitter::new(text.as_bytes(), &fields);
        splitter.element(1, text.len() - 1);
        let parts = splitter.into_parts();
        assert_eq!(parts.span(text.as_bytes(), parts.items[0].id), b"b");
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused() {
        let cases = [
            "",
            "null",
            "{}",
            "[",
            "]",
            "[]]",
            "[]x",
            "x[]",
            "[[]]",
            "[1]",
            "[null]",
            "[{]",
            "[{}",
            "[{},]",
            "[,{}]",
            "[{}{}]",
            "[{},,{}]",
            "[{} {}]",
            "[{}x]",
            "[{}],",
            "[{}][{}]",
            r#"[{"id":"a"#,
            r#"[{"id":"a}]"#,
            r#"[{"id":"b":"c"}]"#,
            r#"[{"a":12:30}]"#,
            r#"[{"a":}]"#,
            r#"[{"a"}]"#,
            r#"[{a:1}]"#,
            r#"[{"a":1,}]"#,
            r#"[{"a":1 2}]"#,
            r#"[{"a":[}]"#,
            r#"[{"a":{"b":1}]"#,
            r#"[{"a":"b}]"#,
            "[{}:]",
            r#"[{"id":"a"},"b"]"#,
            "[}]",
        ];
        for text in cases {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_do_not_matter() {
        for padding in 0..200 {
            let text = format!(
                r#"[{{"note":"{}","id":"a\\","names":["x"]}},{{"id":"b","parent":"p"}}]"#,
                "y".repeat(padding)
            );
            let expected = vec![entry("a\\", &["x"], ""), entry("b", &[], "p")];
            assert_eq!(split(&text), Some(expected), "{padding}");
        }
    }
}
