//! Splitting an array of records without parsing them.
//!
//! Records are walked over (`walk`), and the indexed fields picked out on the way.
//! A lost bracket can make one record of two, which shows in two IDs.
//! Anything else than a list of objects ends the attempt, and the careful way
//! (`recover`) is taken.

use super::outline::{Element, ElementFault, Name, Outline, Span};
use crate::fields::{Field, Fields};
use crate::hash::hash;
use crate::text::{Quoted, quoted, skip_space};
use crate::walk::{self, Value, Visitor, expect};

/// Walks over records and collects what is to be known about them.
#[derive(Debug)]
pub(crate) struct Splitter<'a> {
    bytes: &'a [u8],
    collected: Collected<'a>,
}

/// What is known so far.
#[derive(Debug)]
struct Collected<'a> {
    fields: &'a Fields,
    outline: Outline,
    /// The ID of the record that is walked over.
    id: Span,
    /// What a second ID in a record means.
    second_id: SecondId,
}

/// What a second ID in a record means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecondId {
    /// That a bracket may be missing, so that the walk must end.
    IsSuspicious,
    /// That it counts, since the record is known to be one.
    Counts,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(bytes: &'a [u8], fields: &'a Fields) -> Self {
        let mut outline = Outline {
            stride: fields.keys(),
            ..Outline::default()
        };
        // Records of image layers take 450 bytes and more. Room for a few too many is never
        // touched; growing copies.
        let expected = bytes.len() / 400;
        outline.elements.reserve(expected);
        outline.keys.reserve(expected.saturating_mul(fields.keys()));
        let collected = Collected {
            fields,
            outline,
            id: Span::NONE,
            second_id: SecondId::IsSuspicious,
        };
        Self { bytes, collected }
    }

    /// Splits a whole array; `None` if the text is not one.
    pub(crate) fn whole(mut self) -> Option<Outline> {
        let end = self.array(skip_space(self.bytes, 0))?;
        (skip_space(self.bytes, end) == self.bytes.len()).then_some(self.collected.outline)
    }

    /// Takes one element whose range is known and that is known to be valid JSON.
    pub(crate) fn element(&mut self, start: usize, end: usize) {
        let known = self.collected.outline.elements.len();
        self.collected.second_id = SecondId::Counts;
        let found = self.record(start);
        self.collected.second_id = SecondId::IsSuspicious;
        if found != Some(end) {
            self.collected.forget_from(known);
            self.damaged(start, end);
        }
    }

    /// Takes the element at a position as [`whole`](Self::whole) would, if it would go on behind
    /// it; returns its end and the place of the comma or bracket there.
    pub(crate) fn walked(&mut self, start: usize) -> Option<(usize, usize)> {
        let known = self.collected.outline.elements.len();
        let found = self.record(start).and_then(|end| {
            let separator = skip_space(self.bytes, end);
            matches!(self.bytes.get(separator)?, b',' | b']').then_some((end, separator))
        });
        if found.is_none() {
            self.collected.forget_from(known);
        }
        found
    }

    /// Takes a range of bytes that is no record.
    pub(crate) fn damaged(&mut self, start: usize, end: usize) {
        self.collected.begin();
        self.collected
            .finish(self.bytes, start, end, Some(ElementFault::Syntax));
    }

    pub(crate) fn into_outline(self) -> Outline {
        self.collected.outline
    }

    /// Walks over the array that starts at a position and returns its end.
    fn array(&mut self, start: usize) -> Option<usize> {
        expect(self.bytes, start, b'[')?;
        let mut position = skip_space(self.bytes, start + 1);
        if *self.bytes.get(position)? == b']' {
            return Some(position + 1);
        }
        loop {
            let end = skip_space(self.bytes, self.record(position)?);
            match *self.bytes.get(end)? {
                b',' => position = skip_space(self.bytes, end + 1),
                b']' => return Some(end + 1),
                _ => return None,
            }
        }
    }

    /// Takes the record that starts at a position and returns its end. One that is not
    /// whole may leave a part of its fields behind.
    #[inline]
    fn record(&mut self, start: usize) -> Option<usize> {
        self.collected.begin();
        let end = walk::record(self.bytes, start, &mut self.collected)?;
        self.collected.finish(self.bytes, start, end, None);
        Some(end)
    }
}

impl Visitor for Collected<'_> {
    #[inline]
    fn field(&mut self, bytes: &[u8], name: Quoted, value: Value) -> Option<()> {
        let Some(field) = self.fields.find(bytes, name.start, name.end) else {
            return Some(());
        };
        if field == Field::Id && !self.id.is_none() && self.second_id == SecondId::IsSuspicious {
            return None;
        }
        self.forget(field);
        match value {
            Value::Text(text) => self.remember(bytes, field, text),
            Value::List { start, .. } if field == Field::Names => self.names(bytes, start),
            _ => {}
        }
        Some(())
    }
}

impl Collected<'_> {
    fn begin(&mut self) {
        self.id = Span::NONE;
        for _ in 0..self.outline.stride {
            self.outline.keys.push(Span::NONE);
        }
    }

    fn finish(&mut self, bytes: &[u8], start: usize, end: usize, fault: Option<ElementFault>) {
        let id = self.outline.span(bytes, self.id);
        let missing = self.id.is_none() || id.is_empty();
        let hash = hash(id);
        self.outline.elements.push(Element {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
            id: self.id,
            hash,
            fault: fault.or(missing.then_some(ElementFault::MissingId)),
        });
    }

    fn forget_from(&mut self, elements: usize) {
        let keys = elements.saturating_mul(self.outline.stride);
        self.outline.elements.truncate(elements);
        self.outline.keys.truncate(keys);
        self.forget_names_from(elements);
    }

    fn forget_names_from(&mut self, element: usize) {
        let names = &mut self.outline.names;
        while names
            .last()
            .is_some_and(|name| name.element as usize >= element)
        {
            names.pop();
        }
    }

    /// Of repeated fields the last one counts.
    fn forget(&mut self, field: Field) {
        match field {
            Field::Id => self.id = Span::NONE,
            Field::Names => self.forget_names_from(self.outline.elements.len()),
            Field::Key(key) => self.set_key(key, Span::NONE),
        }
    }

    fn remember(&mut self, bytes: &[u8], field: Field, text: Quoted) {
        match field {
            Field::Id => self.id = self.outline.remember(bytes, text),
            Field::Names => {}
            Field::Key(key) => {
                let span = self.outline.remember_bytes(bytes, text);
                self.set_key(key, span);
            }
        }
    }

    fn set_key(&mut self, key: usize, span: Span) {
        let position = self.outline.elements.len() * self.outline.stride + key;
        if let Some(known) = self.outline.keys.get_mut(position) {
            *known = span;
        }
    }

    /// Takes the names from a list; they end at the first element that is not a string.
    fn names(&mut self, bytes: &[u8], start: usize) {
        let Ok(element) = u32::try_from(self.outline.elements.len()) else {
            return;
        };
        let mut position = skip_space(bytes, start + 1);
        while bytes.get(position) == Some(&b'"') {
            let Some(found) = quoted(bytes, position) else {
                return;
            };
            let span = self.outline.remember(bytes, found);
            if !span.is_none() {
                self.outline.names.push(Name { element, span });
            }
            let comma = skip_space(bytes, found.end + 1);
            if bytes.get(comma) != Some(&b',') {
                return;
            }
            position = skip_space(bytes, comma + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::KeySpec;

    fn fields() -> Fields {
        Fields::new(const { &[KeySpec::field("parent")] })
    }

    /// ID, names and parent of each element, or `None` if the text is refused.
    fn split(text: &str) -> Option<Vec<(String, Vec<String>, String)>> {
        let fields = fields();
        let outline = Splitter::new(text.as_bytes(), &fields).whole()?;
        let string =
            |span| String::from_utf8(outline.span(text.as_bytes(), span).to_vec()).unwrap();
        let element = |(position, element): (usize, &Element)| {
            let names = outline
                .names
                .iter()
                .filter(|name| name.element as usize == position);
            (
                string(element.id),
                names.map(|name| string(name.span)).collect(),
                string(outline.keys[position]),
            )
        };
        Some(outline.elements.iter().enumerate().map(element).collect())
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
        // Two IDs are left to the careful way.
        let text = r#"[{"id":"a","id":"b"}]"#;
        assert_eq!(split(text), None);
        let fields = fields();
        let mut splitter = Splitter::new(text.as_bytes(), &fields);
        splitter.element(1, text.len() - 1);
        let outline = splitter.into_outline();
        assert_eq!(outline.span(text.as_bytes(), outline.elements[0].id), b"b");
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
