//! A whole JSON text without loss.

use std::borrow::Cow;

use thiserror::Error;

use super::Reader;
use crate::error::{Fault, RecordErrorKind};

/// A JSON text that borrows from its bytes. Members keep their order and repetitions, and numbers
/// their form.
///
/// For readers that have to interpret a text exactly as Go does, where a map of the members would
/// lose information.
///
/// ```
/// use layerhold_schema::JsonText;
///
/// let JsonText::Object(members) = JsonText::parse(br#"{"a":1e2,"A":null,"a":[]}"#)? else {
///     panic!("no object");
/// };
/// let names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
/// assert_eq!(names, ["a", "A", "a"]);
/// assert_eq!(members.first().map(|(_, value)| value), Some(&JsonText::Number("1e2")));
/// # Ok::<(), layerhold_schema::JsonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonText<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A string, borrowed if it has no escapes.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<JsonText<'a>>),
    /// Members, in the order of the text.
    Object(Vec<(Cow<'a, str>, JsonText<'a>)>),
}

/// The bytes are not JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at byte {offset}: {kind}")]
pub struct JsonError {
    /// The position in the input, from 0.
    pub offset: usize,
    /// The error at that position.
    pub kind: RecordErrorKind,
}

impl<'a> JsonText<'a> {
    /// Parses a text, which white space may surround. Bytes that are not UTF-8, and lone
    /// surrogates, become U+FFFD as in Go.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not JSON or nest more than 128 levels deep.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let mut reader = Reader::new(bytes);
        let read = reader.tree().and_then(|tree| reader.end().map(|()| tree));
        read.map_err(|fault| {
            let error = fault.of("");
            JsonError {
                offset: error.offset,
                kind: error.kind,
            }
        })
    }
}

impl<'a> Reader<'a> {
    fn tree(&mut self) -> Result<JsonText<'a>, Fault> {
        match self.peek() {
            Some(b'{') => {
                let mut members = Vec::new();
                self.object(|reader, name| {
                    members.push((name, reader.tree()?));
                    Ok(())
                })?;
                Ok(JsonText::Object(members))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.array(|reader| {
                    items.push(reader.tree()?);
                    Ok(())
                })?;
                Ok(JsonText::Array(items))
            }
            Some(b'"') => self.string().map(JsonText::String),
            Some(b't' | b'f') => self.boolean().map(JsonText::Bool),
            Some(b'-' | b'0'..=b'9') => self.number_text().map(|(text, _)| JsonText::Number(text)),
            Some(b'n') => self.null().map(|_| JsonText::Null),
            _ => Err(self.unexpected("a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_kept_as_it_stands() {
        let json = br#" {"b":[1.50,-0,true,null],"B":"x","b":"\u0041"} "#;
        let expected = JsonText::Object(vec![
            (
                "b".into(),
                JsonText::Array(vec![
                    JsonText::Number("1.50"),
                    JsonText::Number("-0"),
                    JsonText::Bool(true),
                    JsonText::Null,
                ]),
            ),
            ("B".into(), JsonText::String("x".into())),
            ("b".into(), JsonText::String("A".into())),
        ]);
        assert_eq!(JsonText::parse(json), Ok(expected));
    }

    #[test]
    fn what_is_no_json_is_refused_at_its_place() {
        for (json, offset) in [
            (&b"{"[..], 1),
            (b"{} x", 3),
            (b"[1,]", 3),
            (b"", 0),
            (b"nul", 3),
        ] {
            let error = JsonText::parse(json).unwrap_err();
            assert_eq!(error.offset, offset, "{}", json.escape_ascii());
        }
        let deep = "[".repeat(200);
        assert!(matches!(
            JsonText::parse(deep.as_bytes()).unwrap_err().kind,
            RecordErrorKind::Depth { limit: 128 }
        ));
    }
}
