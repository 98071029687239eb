//! Splitting an array of records without parsing them.
//!
//! The brackets outside of strings give the elements, the colons at the first
//! level of an element its fields. Anything that a list of records does not have
//! there ends the attempt, and the careful way (`recover`) is taken; what a
//! record looks like inside is checked when it is parsed. Flipped quotes do not
//! go unnoticed, because they turn the colons of times and digests, which stand
//! inside strings, into colons that do not follow a name.

use crate::document::{Fault, Item, Name, Parts, Span, hash};
use crate::fields::{Field, Fields};
use crate::masks::{BLOCK, Carry, classify};
use crate::text::{Quoted, is_space, quoted, skip_space};

/// Follows the brackets and colons of a text.
#[derive(Debug)]
pub(crate) struct Splitter<'a> {
    bytes: &'a [u8],
    fields: &'a Fields,
    parts: Parts,
    depth: u32,
    /// Whether the array was closed.
    closed: bool,
    /// End of the last element, or of the opening bracket.
    previous: usize,
    start: usize,
    id: Span,
    /// Whether single elements are taken, so that what is between them is known.
    alone: bool,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(bytes: &'a [u8], fields: &'a Fields) -> Self {
        let mut parts = Parts {
            stride: fields.keys(),
            ..Parts::default()
        };
        // Records take about 700 bytes; a short estimate costs little.
        let expected = bytes.len() / 512;
        parts.items.reserve(expected);
        parts.keys.reserve(expected.saturating_mul(fields.keys()));
        Self {
            bytes,
            fields,
            parts,
            depth: 0,
            closed: false,
            previous: 0,
            start: 0,
            id: Span::NONE,
            alone: false,
        }
    }

    /// Splits a whole array; `None` if the text is not one.
    pub(crate) fn whole(mut self) -> Option<Parts> {
        self.run(0, self.bytes.len())?;
        let rest = skip_space(self.bytes, self.previous);
        (self.closed && rest == self.bytes.len()).then_some(self.parts)
    }

    /// Takes one element whose range is known.
    pub(crate) fn element(&mut self, start: usize, end: usize) {
        let known = self.parts.items.len();
        self.depth = 1;
        self.alone = true;
        self.previous = start;
        let well_formed = self.run(start, end).is_some()
            && self.depth == 1
            && self.parts.items.len() == known + 1
            && self.previous == end;
        if !well_formed {
            self.forget_from(known);
            self.damaged(start, end);
        }
    }

    /// Takes a range of bytes that is no record.
    pub(crate) fn damaged(&mut self, start: usize, end: usize) {
        self.begin(start);
        self.finish(end, Some(Fault::Syntax));
    }

    pub(crate) fn into_parts(self) -> Parts {
        self.parts
    }

    fn forget_from(&mut self, items: usize) {
        self.parts.items.truncate(items);
        self.parts
            .keys
            .truncate(items.saturating_mul(self.parts.stride));
        while self
            .parts
            .names
            .last()
            .is_some_and(|name| name.item as usize >= items)
        {
            self.parts.names.pop();
        }
    }

    /// Follows the bytes of a range; `None` as soon as something does not belong there.
    fn run(&mut self, from: usize, to: usize) -> Option<()> {
        let range = self.bytes.get(from..to)?;
        let (blocks, rest) = range.as_chunks::<BLOCK>();
        let mut carry = Carry::default();
        let mut base = from;
        for block in blocks {
            self.block(block, base, &mut carry)?;
            base += BLOCK;
        }
        let mut last = [b' '; BLOCK];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.block(&last, base, &mut carry)?;
        (!carry.is_in_string()).then_some(())
    }

    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], base: usize, carry: &mut Carry) -> Option<()> {
        let masks = classify(block);
        let outside = !carry.strings(&masks);
        let mut structure = masks.structure & outside;
        while structure != 0 {
            let at = base + structure.trailing_zeros() as usize;
            structure &= structure - 1;
            match self.bytes.get(at)? {
                b':' => self.colon(at)?,
                b'{' | b'[' => self.open(at)?,
                _ => self.close(at)?,
            }
        }
        Some(())
    }

    #[inline]
    fn open(&mut self, at: usize) -> Option<()> {
        match self.depth {
            0 => {
                let first = !self.closed && skip_space(self.bytes, 0) == at;
                if !first || self.bytes.get(at) != Some(&b'[') {
                    return None;
                }
                self.previous = at + 1;
            }
            1 => {
                if self.bytes.get(at) != Some(&b'{') || !self.is_separated(at) {
                    return None;
                }
                self.begin(at);
            }
            _ => {}
        }
        self.depth += 1;
        Some(())
    }

    /// Whether exactly one comma stands before an element, and none before the first.
    fn is_separated(&self, at: usize) -> bool {
        let expected = usize::from(!self.parts.items.is_empty());
        let between = self.bytes.get(self.previous..at).unwrap_or_default();
        if self.alone || (between == b"," && expected == 1) {
            return true;
        }
        let commas = between.iter().filter(|byte| **byte == b',').count();
        let spaces = between.iter().filter(|byte| is_space(**byte)).count();
        commas == expected && commas + spaces == between.len()
    }

    #[inline]
    fn close(&mut self, at: usize) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        match self.depth {
            0 => {
                let end = skip_space(self.bytes, self.previous);
                if end != at || self.bytes.get(at) != Some(&b']') {
                    return None;
                }
                self.closed = true;
                self.previous = at + 1;
            }
            1 => self.finish(at + 1, None),
            _ => {}
        }
        Some(())
    }

    #[inline]
    fn colon(&mut self, at: usize) -> Option<()> {
        if self.depth > 2 {
            return Some(());
        }
        if self.depth < 2 {
            return None;
        }
        let Some(field) = self.fields.before(self.bytes, at)? else {
            return Some(());
        };
        let value = skip_space(self.bytes, at + 1);
        match field {
            Field::Names => self.names(value),
            Field::Id => self.id = self.string(value)?,
            Field::Key(key) => {
                let span = self.string(value)?;
                let position = self.parts.items.len() * self.parts.stride + key;
                if let Some(known) = self.parts.keys.get_mut(position) {
                    *known = span;
                }
            }
        }
        Some(())
    }

    /// The string at a position; no span if there is something else.
    #[inline]
    fn string(&mut self, at: usize) -> Option<Span> {
        if self.bytes.get(at) != Some(&b'"') {
            return Some(Span::NONE);
        }
        let found = quoted(self.bytes, at)?;
        Some(self.parts.remember(self.bytes, found))
    }

    /// Takes the names from a list; what is not a list of strings has none.
    fn names(&mut self, at: usize) {
        let Ok(item) = u32::try_from(self.parts.items.len()) else {
            return;
        };
        while self
            .parts
            .names
            .last()
            .is_some_and(|name| name.item == item)
        {
            self.parts.names.pop();
        }
        if self.bytes.get(at) != Some(&b'[') {
            return;
        }
        let mut position = skip_space(self.bytes, at + 1);
        while let Some(found) = self.name(position) {
            let span = self.parts.remember(self.bytes, found);
            if !span.is_none() {
                self.parts.names.push(Name { item, span });
            }
            let comma = skip_space(self.bytes, found.end + 1);
            if self.bytes.get(comma) != Some(&b',') {
                return;
            }
            position = skip_space(self.bytes, comma + 1);
        }
    }

    fn name(&self, at: usize) -> Option<Quoted> {
        if self.bytes.get(at) != Some(&b'"') {
            return None;
        }
        quoted(self.bytes, at)
    }

    fn begin(&mut self, start: usize) {
        self.start = start;
        self.id = Span::NONE;
        for _ in 0..self.parts.stride {
            self.parts.keys.push(Span::NONE);
        }
    }

    fn finish(&mut self, end: usize, fault: Option<Fault>) {
        let id = self.parts.span(self.bytes, self.id);
        let missing = self.id.is_none() || id.is_empty();
        let hash = hash(id);
        self.previous = end;
        self.parts.items.push(Item {
            start: u32::try_from(self.start).unwrap_or(u32::MAX),
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
        Fields::new(&[KeySpec::field("parent")])
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
        let text = r#"[{"id":"a","names":["x"],"id":"b","names":["y"]}]"#;
        assert_eq!(split(text), Some(vec![entry("b", &["y"], "")]));
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
            r#"[{"a":"12:30"},{"id":"b":"c"},{"a":12:30}]"#,
            "[{}:]",
            r#"[{"id":"a"},"b"]"#,
            "[}]",
        ];
        for text in cases {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn blocks_do_not_matter() {
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
