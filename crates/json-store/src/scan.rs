//! Looking one text up in a file without keeping the file.
//!
//! For a single lookup, the memory for a whole file costs more than the walk over it. So the file
//! goes through one small buffer, record by record, and only the record is kept whose ID is the
//! text or begins with it. Anything less plain is [`ScanResult::Unsure`]: the caller loads
//! everything.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use memchr::memmem::Finder;

use crate::fields::{Field, Fields};
use crate::text::{Quoted, is_space};
use crate::walk::{self, Value, Visitor};

/// Bytes that are read at once: few enough to stay in the processor's caches, and for few new
/// pages.
const PIECE: usize = 128 << 10;

/// What a scan of a file says about a text.
#[derive(PartialEq, Eq)]
pub(crate) enum ScanResult {
    /// The text of the first record with this ID.
    Record(Vec<u8>),
    /// The file is a whole list of records. The ID of this one alone begins with the text,
    /// and none has the text as its name or the like.
    Beginning(Vec<u8>),
    /// The file is a whole list of records, and the text means none of them.
    Nothing,
    /// The text may be a name or something else, or there are several whose IDs begin with
    /// it; or the file is damaged.
    Unsure,
}

impl fmt::Debug for ScanResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, json) = match self {
            Self::Record(json) => ("Record", json),
            Self::Beginning(json) => ("Beginning", json),
            Self::Nothing => return f.write_str("Nothing"),
            Self::Unsure => return f.write_str("Unsure"),
        };
        f.debug_tuple(name)
            .field(&String::from_utf8_lossy(json))
            .finish()
    }
}

/// Scans a file once, as far as necessary.
pub(crate) fn scan(file: impl Read, text: &str, fields: &Fields) -> io::Result<ScanResult> {
    if text.is_empty() {
        return Ok(ScanResult::Unsure);
    }
    let window = Window {
        file,
        text: Finder::new(text),
        buffer: vec![0; PIECE],
        held: 0..0,
        mention: None,
        is_at_end: false,
    };
    let pass = Pass {
        window,
        fields,
        beginning: None,
    };
    Ok(pass.list()?.unwrap_or(ScanResult::Unsure))
}

#[derive(Debug)]
struct Pass<'a, F> {
    window: Window<'a, F>,
    fields: &'a Fields,
    /// The record passed over whose ID begins with the text.
    beginning: Option<Vec<u8>>,
}

impl<F: Read> Pass<'_, F> {
    /// Passes over the list; `None` if there is none.
    fn list(mut self) -> io::Result<Option<ScanResult>> {
        if self.window.token()? != Some(b'[') {
            return Ok(None);
        }
        if self.window.peek()? == Some(b']') {
            self.window.token()?;
            return self.end();
        }
        loop {
            let Some(record) = self.record()? else {
                return Ok(None);
            };
            let result = self.judge(record.clone());
            self.window.pass_over(record.end);
            // Without one of these behind it, it is no element.
            let separator = self
                .window
                .token()?
                .filter(|byte| matches!(byte, b',' | b']'));
            match (separator, result) {
                (None, _) => return Ok(None),
                (Some(_), Some(result)) => return Ok(Some(result)),
                (Some(b']'), None) => return self.end(),
                (Some(_), None) => _ = self.window.peek()?,
            }
        }
    }

    /// What the end of the list means.
    fn end(mut self) -> io::Result<Option<ScanResult>> {
        let is_whole = self.window.peek()?.is_none();
        let result = self
            .beginning
            .map_or(ScanResult::Nothing, ScanResult::Beginning);
        Ok(is_whole.then_some(result))
    }

    /// The next record, all of it in the buffer; `None` if there is none.
    fn record(&mut self) -> io::Result<Option<RecordSpan>> {
        loop {
            let start = self.window.held.start;
            let mut escapes = Escapes(false);
            if let Some(end) = walk::record(self.window.bytes(), start, &mut escapes) {
                let escapes = escapes.0;
                return Ok(Some(RecordSpan {
                    start,
                    end,
                    escapes,
                }));
            }
            if !self.window.fill()? {
                return Ok(None);
            }
        }
    }

    /// What a record says about the text; `None` if nothing.
    fn judge(&mut self, record: RecordSpan) -> Option<ScanResult> {
        let mentions = self.window.is_mentioned(record.start..record.end);
        if !mentions && !record.escapes {
            return None;
        }
        let mut reader = FieldReader {
            fields: self.fields,
            length: self.window.text.needle().len(),
            mentions: self.window.mentions(record.start..record.end),
            id: None,
            is_hidden: false,
        };
        let bytes = self.window.bytes();
        let walked = walk::record(bytes, record.start, &mut reader);
        if walked.is_none() || reader.is_hidden {
            return Some(ScanResult::Unsure);
        }
        let text = self.window.text.needle();
        let id = reader.id.and_then(|id| bytes.get(id.start..id.end));
        let json = bytes.get(record.start..record.end)?;
        if id == Some(text) {
            return Some(ScanResult::Record(json.to_vec()));
        }
        if !reader.mentions.is_empty() {
            return Some(ScanResult::Unsure);
        }
        // Those with a space are found as a whole only (Go: pkg/truncindex/truncindex.go).
        if id.is_some_and(|id| id.starts_with(text) && !id.contains(&b' ')) {
            let json = json.to_vec();
            let is_second = self.beginning.replace(json).is_some();
            return is_second.then_some(ScanResult::Unsure);
        }
        None
    }
}

#[derive(Clone, Debug)]
struct RecordSpan {
    start: usize,
    end: usize,
    /// Whether there are escapes in it, behind which the text could hide.
    escapes: bool,
}

/// Notices escapes and nothing else.
#[derive(Debug)]
struct Escapes(bool);

impl Visitor for Escapes {
    #[inline]
    fn field(&mut self, _: &[u8], name: Quoted, value: Value) -> Option<()> {
        self.0 |= name.escaped | value.is_escaped();
        Some(())
    }
}

/// Finds out what is in the indexed fields.
#[derive(Debug)]
struct FieldReader<'a> {
    fields: &'a Fields,
    /// How long the text is.
    length: usize,
    /// Where the text is in the record, but for those places where it has no meaning.
    mentions: Vec<usize>,
    id: Option<Quoted>,
    /// Whether a field that is looked up in has escapes, or may be hidden by them.
    is_hidden: bool,
}

impl FieldReader<'_> {
    /// Drops the mentions inside of a string.
    fn forget(&mut self, text: Quoted) {
        let length = self.length;
        self.mentions
            .retain(|at| *at < text.start || at + length > text.end);
    }
}

impl Visitor for FieldReader<'_> {
    fn field(&mut self, bytes: &[u8], name: Quoted, value: Value) -> Option<()> {
        self.is_hidden |= name.escaped;
        let field = self.fields.find(bytes, name.start, name.end);
        if let Value::Text(text) = value {
            // A text in the ID is no more than a beginning of it, which is looked at later.
            let is_resolved = field.is_some_and(|field| self.fields.is_resolved(field));
            if !is_resolved || field == Some(Field::Id) {
                self.forget(text);
            }
        }
        let Some(field) = field else {
            return Some(());
        };
        self.is_hidden |= value.is_escaped();
        if field == Field::Id {
            if self.id.is_some() {
                return None;
            }
            if let Value::Text(text) = value {
                self.id = Some(text);
            }
        }
        Some(())
    }
}

/// The part of a file that is looked at.
#[derive(Debug)]
struct Window<'a, F> {
    file: F,
    text: Finder<'a>,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not passed over.
    held: Range<usize>,
    /// Where the text is next, if it is in the buffer.
    mention: Option<usize>,
    is_at_end: bool,
}

impl<F: Read> Window<'_, F> {
    /// The buffer up to the last byte that was read.
    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.held.end).unwrap_or_default()
    }

    fn pass_over(&mut self, end: usize) {
        self.held.start = end;
    }

    /// The next byte that is no space, which is then the first one held; `None` at the end.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.bytes().get(self.held.start) {
                Some(byte) if is_space(*byte) => self.held.start += 1,
                Some(byte) => return Ok(Some(*byte)),
                None => {
                    if !self.fill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Passes over the next byte that is no space.
    fn token(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        self.held.start += usize::from(byte.is_some());
        Ok(byte)
    }

    /// Reads more, behind what is held; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        self.buffer.copy_within(self.held.clone(), 0);
        self.held = 0..self.held.len();
        if self.held.end == self.buffer.len() {
            // A record that is larger than all there was.
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = self.read()?;
        self.held.end += read;
        self.is_at_end = read == 0;
        self.mention = self.text.find(self.bytes());
        Ok(read > 0)
    }

    fn read(&mut self) -> io::Result<usize> {
        let room = self.buffer.get_mut(self.held.end..).unwrap_or_default();
        loop {
            match self.file.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// All places where the text is in a range of the buffer.
    fn mentions(&self, range: Range<usize>) -> Vec<usize> {
        let bytes = self.buffer.get(..range.end).unwrap_or_default();
        let after = |at: usize| {
            let found = self.text.find(bytes.get(at..)?)?;
            Some(at + found)
        };
        std::iter::successors(after(range.start), |at| after(at + 1)).collect()
    }

    /// Whether the text is in a range of the buffer; ranges are asked about in order.
    fn is_mentioned(&mut self, range: Range<usize>) -> bool {
        while let Some(at) = self.mention.filter(|at| *at < range.start) {
            let next = at + 1;
            let rest = self.bytes().get(next..).unwrap_or_default();
            self.mention = self.text.find(rest).map(|found| next + found);
        }
        self.mention.is_some_and(|at| range.contains(&at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::KeySpec;
    use proptest::prelude::*;

    fn fields() -> Fields {
        Fields::new(const { &[KeySpec::field("parent").resolved()] })
    }

    /// Gives a few bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(room.len());
            let (now, later) = self.0.split_at(count);
            room[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn scanned(content: &str, text: &str) -> ScanResult {
        scan(content.as_bytes(), text, &fields()).unwrap()
    }

    fn record(text: &str) -> ScanResult {
        ScanResult::Record(text.as_bytes().to_vec())
    }

    #[test]
    fn only_a_plain_identifier_is_found() {
        let list =
            r#"[{"id":"aa","names":["bb"],"parent":"cc","x":"dd"}, {"names":[],"id":"ee"} ] "#;
        assert_eq!(scanned(list, "ee"), record(r#"{"names":[],"id":"ee"}"#));
        for unsure in ["bb", "b", "cc", "id", "\"", ""] {
            assert_eq!(scanned(list, unsure), ScanResult::Unsure, "{unsure}");
        }
        for nothing in ["zz", "dd", "aab", "a-long-text-that-is-nowhere"] {
            assert_eq!(scanned(list, nothing), ScanResult::Nothing, "{nothing}");
        }
        assert_eq!(scanned(" [ ]\n", "a"), ScanResult::Nothing);
    }

    #[test]
    fn the_only_identifier_that_begins_with_the_text_is_found() {
        let list = r#"[{"id":"abc"},{"x":"abc ab","id":"xab"},{"id":"q","x":["qrs"]},{"id":"ba"}, {"id":"ab d"}]"#;
        for text in ["a", "ab"] {
            assert_eq!(
                scanned(list, text),
                ScanResult::Beginning(br#"{"id":"abc"}"#.to_vec())
            );
        }
        assert_eq!(scanned(list, "qr"), ScanResult::Unsure);
        assert_eq!(scanned(list, "ba"), record(r#"{"id":"ba"}"#));
        for (content, text) in [
            // Two of them, a name, and what might be one.
            (r#"[{"id":"abc"},{"id":"abd"}]"#, "ab"),
            (r#"[{"id":"abc"},{"id":"abc"}]"#, "ab"),
            (r#"[{"id":"abc"},{"id":"x","names":["ab"]}]"#, "ab"),
            (r#"[{"id":"abc","parent":"ab"}]"#, "ab"),
            (r#"[{"id":"abc"},{"\u0069d":"abd"}]"#, "ab"),
            (r#"[{"id":"abc"},{"id":"x","y":{"ab":1}}]"#, "ab"),
            (r#"[{"id":"abc"}"#, "ab"),
            (r#"[{"id":"abc"}]x"#, "ab"),
        ] {
            assert_eq!(scanned(content, text), ScanResult::Unsure, "{content}");
        }
        // An ID as a whole comes before one that begins so.
        let list = r#"[{"id":"abc"},{"id":"ab"}]"#;
        assert_eq!(scanned(list, "ab"), record(r#"{"id":"ab"}"#));
    }

    #[test]
    fn what_hides_the_text_or_its_meaning_is_unsure() {
        let cases = [
            r#"[{"id":"\u0061a"}]"#,
            r#"[{"id":"b","names":["x","\u0061a"]}]"#,
            r#"[{"id":"b","parent":"\u0061a"}]"#,
            r#"[{"id":"b","id":"aa"}]"#,
            r#"[{"id":"b","x":[{"id":"aa"}]}]"#,
            r#"[{"\u0069d":"aa"}]"#,
            r#"[{"id":"b"},{"id":"c","#,
            r#"[{"id":"b"}"#,
            r#"[{"id":"b"}]x"#,
            r#"[{"id":"b"},]"#,
            r#"[{"id":"b"},null]"#,
            r#"[{"id":"aa"}}]"#,
            r#"[{"id":"aa"}"#,
            "[",
            "[,]",
            "{}",
            "null",
            "",
            " ",
        ];
        for content in cases {
            assert_eq!(scanned(content, "aa"), ScanResult::Unsure, "{content}");
        }
        // Escapes elsewhere hide nothing.
        let content = r#"[{"id":"b","x":"\"aa\""},{"id":"c","metadata":"{\"k\":1}"}]"#;
        assert_eq!(scanned(content, "zz"), ScanResult::Nothing);
    }

    #[test]
    fn only_the_separator_behind_the_record_is_looked_at() {
        let content = r#"[{"id":"aa"},{"id":"b"#;
        assert_eq!(scanned(content, "aa"), record(r#"{"id":"aa"}"#));
    }

    #[test]
    fn records_may_be_larger_than_the_buffer() {
        let large = "x".repeat(3 * PIECE);
        let list = format!(r#"[{{"id":"a","x":"{large}"}},{{"id":"bb"}}]"#);
        assert_eq!(scanned(&list, "bb"), record(r#"{"id":"bb"}"#));
        assert_eq!(scanned(&list, "cc"), ScanResult::Nothing);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            content in "\\[(\\{\"id\":\"[ab]{1,3}\"(,\"names\":\\[(\"[ab\\\\]{1,2}\",?){0,2}\\])?\\}, ?){0,5}(\\{\"id\":\"abba\"\\})?\\]?",
            text in "[ab]{1,4}",
            piece in 1..9_usize,
        ) {
            let slowly = scan(Slowly(content.as_bytes(), piece), &text, &fields()).unwrap();
            prop_assert_eq!(slowly, scanned(&content, &text));
        }
    }
}
