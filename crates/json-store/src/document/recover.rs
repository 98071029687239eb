//! Taking what can be taken from a record file that is not a list of records.
//!
//! Elements are validated one by one. An element that is not valid JSON but that the fast way
//! (`split`) would walk over is taken as the fast way takes it: a save that trims the torn end
//! leaves a file that the fast way reads, and its content must not depend on the way. Behind any
//! other invalid element the next valid record is searched; the bytes in between are one damaged
//! element. If there is none, the rest of the file is its torn end.

use memchr::memmem;

use super::outline::Outline;
use super::split::Splitter;
use crate::damage::FileState;
use crate::fields::Fields;
use crate::text::{quoted, skip_space};

/// Deeper nesting is not a record of any tool (and serde does not read it).
const DEPTH: usize = 128;

/// How every record begins that the Go library or we wrote.
const BEGINNING: &[u8] = b"{\"id\":";

/// Splits a file that is not a list of records.
pub(crate) fn recover(bytes: &[u8], fields: &Fields) -> (Outline, FileState) {
    let mut splitter = Splitter::new(bytes, fields);
    let taken = take(bytes, &mut splitter);
    let state = match taken {
        Taken::All => FileState::Complete,
        Taken::UpTo(offset) => FileState::Torn {
            offset: offset as u64,
            len: (bytes.len() - offset) as u64,
        },
    };
    (splitter.into_outline(), state)
}

enum Taken {
    All,
    UpTo(usize),
}

fn take(bytes: &[u8], splitter: &mut Splitter<'_>) -> Taken {
    let start = skip_space(bytes, 0);
    if bytes
        .get(start..)
        .is_some_and(|text| text.trim_ascii_end() == b"null")
    {
        // Go writes this for a list that was never created.
        return Taken::All;
    }
    if bytes.get(start) != Some(&b'[') {
        return Taken::UpTo(0);
    }
    let mut good = start + 1;
    let mut position = skip_space(bytes, good);
    if bytes.get(position) == Some(&b']') {
        return end(bytes, position, good);
    }
    loop {
        let valid = element(bytes, position);
        if let Some(element) = &valid {
            splitter.element(position, element.end);
        }
        if let Some(element) = valid.or_else(|| walked(bytes, position, splitter)) {
            good = element.end;
            match element.next {
                Some(b',') => position = skip_space(bytes, element.separator + 1),
                Some(_) => return end(bytes, element.separator, good),
                None => return Taken::UpTo(good),
            }
        } else {
            let Some(next) = next_record(bytes, position) else {
                return Taken::UpTo(good);
            };
            splitter.damaged(position, next.damaged_end);
            good = next.damaged_end;
            position = next.start;
        }
    }
}

/// What the closing bracket at `bracket` ends.
fn end(bytes: &[u8], bracket: usize, good: usize) -> Taken {
    if skip_space(bytes, bracket + 1) == bytes.len() {
        Taken::All
    } else {
        Taken::UpTo(good)
    }
}

struct ElementEnd {
    end: usize,
    /// Where the comma or bracket behind it is.
    separator: usize,
    next: Option<u8>,
}

/// A valid value that is followed by a comma, a closing bracket or nothing.
fn element(bytes: &[u8], position: usize) -> Option<ElementEnd> {
    let end = value_end(bytes, position)?;
    let separator = skip_space(bytes, end);
    let next = bytes.get(separator).copied();
    // A number or word at the very end may be a part of a longer one.
    let whole = match next {
        Some(b',' | b']') => true,
        Some(_) => false,
        None => bytes.get(position) == Some(&b'{'),
    };
    whole.then_some(ElementEnd {
        end,
        separator,
        next,
    })
}

/// What the fast way would take as an element, unparsed.
fn walked(bytes: &[u8], position: usize, splitter: &mut Splitter<'_>) -> Option<ElementEnd> {
    let (end, separator) = splitter.walked(position)?;
    Some(ElementEnd {
        end,
        separator,
        next: bytes.get(separator).copied(),
    })
}

struct NextRecord {
    damaged_end: usize,
    start: usize,
}

/// The next valid record behind a damaged element.
fn next_record(bytes: &[u8], damaged: usize) -> Option<NextRecord> {
    let from = damaged + 1;
    let candidates = memmem::find_iter(bytes.get(from..)?, BEGINNING);
    for start in candidates.map(|found| found + from) {
        let before = bytes.get(damaged..start)?.trim_ascii_end();
        let Some(before) = before.strip_suffix(b",") else {
            continue;
        };
        if element(bytes, start).is_some() {
            let damaged_end = damaged + before.trim_ascii_end().len();
            return Some(NextRecord { damaged_end, start });
        }
    }
    None
}

/// The end of the JSON value that starts at `position`, if it is valid.
pub(crate) fn value_end(bytes: &[u8], position: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut position = skip_space(bytes, position);
    loop {
        // A value is expected here.
        position = match *bytes.get(position)? {
            b'{' => {
                let inside = skip_space(bytes, position + 1);
                if bytes.get(inside) != Some(&b'}') {
                    enter(&mut open, b'}')?;
                    position = member(bytes, inside)?;
                    continue;
                }
                inside + 1
            }
            b'[' => {
                let inside = skip_space(bytes, position + 1);
                if bytes.get(inside) != Some(&b']') {
                    enter(&mut open, b']')?;
                    position = inside;
                    continue;
                }
                inside + 1
            }
            b'"' => string_end(bytes, position)?,
            b't' => word_end(bytes, position, b"true")?,
            b'f' => word_end(bytes, position, b"false")?,
            b'n' => word_end(bytes, position, b"null")?,
            _ => number_end(bytes, position)?,
        };
        // A value ended here.
        loop {
            let Some(closing) = open.last() else {
                return Some(position);
            };
            position = skip_space(bytes, position);
            let found = *bytes.get(position)?;
            if found == *closing {
                open.pop();
                position += 1;
            } else if found == b',' {
                position = skip_space(bytes, position + 1);
                if *closing == b'}' {
                    position = member(bytes, position)?;
                }
                break;
            } else {
                return None;
            }
        }
    }
}

fn enter(open: &mut Vec<u8>, closing: u8) -> Option<()> {
    if open.len() == DEPTH {
        return None;
    }
    open.push(closing);
    Some(())
}

/// Reads the name of a member and returns where its value starts.
fn member(bytes: &[u8], position: usize) -> Option<usize> {
    let colon = skip_space(bytes, string_end(bytes, position)?);
    if bytes.get(colon) != Some(&b':') {
        return None;
    }
    Some(skip_space(bytes, colon + 1))
}

fn string_end(bytes: &[u8], position: usize) -> Option<usize> {
    if bytes.get(position) != Some(&b'"') {
        return None;
    }
    let found = quoted(bytes, position)?;
    let raw = bytes.get(found.start..found.end)?;
    let control = raw.iter().any(|byte| *byte < 0x20);
    (!control).then_some(found.end + 1)
}

fn word_end(bytes: &[u8], position: usize, word: &[u8]) -> Option<usize> {
    let end = position + word.len();
    (bytes.get(position..end)? == word).then_some(end)
}

fn number_end(bytes: &[u8], position: usize) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let start = position + usize::from(bytes.get(position) == Some(&b'-'));
    let mut end = digits(start);
    if end == start || (end > start + 1 && bytes.get(start) == Some(&b'0')) {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == end + 1 {
            return None;
        }
        end = fraction;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        let first = end + 1 + usize::from(signed);
        let exponent = digits(first);
        if exponent == first {
            return None;
        }
        end = exponent;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use proptest::prelude::*;

    fn taken(text: &[u8]) -> (Vec<String>, FileState) {
        let document = Document::new(text.to_vec(), &Fields::new(&[]));
        let element = |element| String::from_utf8_lossy(document.raw(element)).into_owned();
        let elements = document.elements().iter().map(element).collect();
        (elements, document.state())
    }

    const fn torn(offset: u64, len: u64) -> FileState {
        FileState::Torn { offset, len }
    }

    #[test]
    fn damage_stays_where_it_is() {
        let a = r#"{"id":"a","t":"1:2"}"#;
        let cases = [
            (
                format!("[{a},{{\"id\":\"b,\"t\":\"1:2\"}},{a}]"),
                vec![a, r#"{"id":"b,"t":"1:2"}"#, a],
            ),
            (format!("[{a},null,{a}]"), vec![a, "null", a]),
            (format!("[12,{a}]"), vec!["12", a]),
            (format!("[{a},{{]}},{a}]"), vec![a, "{]}", a]),
            (format!("[{a},,{a}]"), vec![a, "", a]),
        ];
        for (text, elements) in cases {
            assert_eq!(
                taken(text.as_bytes()),
                (
                    elements.iter().map(ToString::to_string).collect(),
                    FileState::Complete
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn torn_ends_are_told_from_heads() {
        let cases: [(&str, &[&str], FileState); 9] = [
            ("x", &[], torn(0, 1)),
            ("{}", &[], torn(0, 2)),
            ("[", &[], torn(1, 0)),
            ("[]x", &[], torn(1, 2)),
            ("[{}", &["{}"], torn(3, 0)),
            ("[{},", &["{}"], torn(3, 1)),
            ("[{},]", &["{}"], torn(3, 2)),
            ("[{}] {", &["{}"], torn(3, 3)),
            (
                "[{\"id\":\"a\"},{\"id\":\"b",
                &["{\"id\":\"a\"}"],
                torn(11, 9),
            ),
        ];
        for (text, elements, state) in cases {
            let elements = elements.iter().map(ToString::to_string).collect();
            assert_eq!(taken(text.as_bytes()), (elements, state), "{text}");
        }
        assert_eq!(taken(b" null\n"), (vec![], FileState::Complete));
        assert_eq!(taken(b" \n"), (vec![], FileState::Empty));
        assert_eq!(taken(&[0; 100]), (vec![], torn(0, 100)));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(value_end(nested(DEPTH).as_bytes(), 0), Some(2 * DEPTH));
        assert_eq!(value_end(nested(DEPTH + 2).as_bytes(), 0), None);
    }

    proptest! {
        #[test]
        fn agrees_with_serde_on_what_is_json(text in "[\\[\\]{}\",:a0-2. \\\\truefalsn+-]{0,24}") {
            let valid = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            let end = value_end(text.as_bytes(), 0);
            let whole = end.is_some_and(|end| skip_space(text.as_bytes(), end) == text.len());
            // Escapes are only looked into when a string is used.
            if !text.contains('\\') {
                prop_assert_eq!(whole, valid, "{}", text);
            }
        }

        /// A save writes the elements it knows and leaves the torn end out; a reader of
        /// that must find the same ones.
        #[test]
        fn the_torn_end_decides_about_nothing_before_it(
            text in "\\[(\\{\"id\":\"[ab{}\\\\\u{1}\"]{0,3}\"(,\"x\":(\\[[1\"]{0,2}\\]?|\\{[\":a]{0,4}\\}?|[1t]{1,2}))?\\}?,?){0,6}(\\]|\\{\"id\":)?",
        ) {
            let fields = Fields::new(&[]);
            let document = Document::new(text.into_bytes(), &fields);
            let mut saved = b"[".to_vec();
            if let (Some(first), Some(last)) = (document.elements().first(), document.elements().last()) {
                saved.extend_from_slice(document.range(first.start, last.end));
                saved.push(b',');
            }
            saved.extend_from_slice(b"{\"id\":\"new\",\"x\":[]}]");
            let again = Document::new(saved, &fields);
            prop_assert_eq!(again.state(), FileState::Complete);
            let listed = |document: &Document| -> Vec<_> {
                let elements = document.elements().iter();
                let element = |element: &crate::document::Element| {
                    (document.raw(element).to_vec(), document.span(element.id).to_vec(), element.fault)
                };
                elements.map(element).collect()
            };
            let mut expected = listed(&document);
            expected.push((b"{\"id\":\"new\",\"x\":[]}".to_vec(), b"new".to_vec(), None));
            prop_assert_eq!(listed(&again), expected);
        }

        #[test]
        fn nothing_is_lost_or_invented(text in "[\\[\\]{}\",:a ]{0,40}|\\[(\\{\"id\":\"[a:{}]{0,3}\"?\\}?,?){0,5}\\]?") {
            let document = Document::new(text.clone().into_bytes(), &Fields::new(&[]));
            let mut previous = 0;
            for element in document.elements() {
                prop_assert!(element.start >= previous && element.end >= element.start);
                previous = element.end;
            }
            prop_assert!(previous as usize + document.tail().len() <= text.len());
            if let FileState::Torn { offset, len } = document.state() {
                prop_assert_eq!((offset + len) as usize, text.len());
                prop_assert!(offset >= u64::from(previous));
            }
        }
    }
}
