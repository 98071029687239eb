//! Finds the members of a JSON object, and where their values stand in the text.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Why bytes are not an authentication file.
///
/// Nothing of the contents is in the message, because it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes are not UTF-8.
    #[error("it is not UTF-8")]
    Encoding,
    /// The text is not JSON.
    #[error("it is not JSON: mistake in line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, in bytes: 0 if it is the end of the line before.
        column: usize,
    },
    /// A value has the wrong type.
    #[error("{member} is not {expected}")]
    Type {
        /// The member that holds the value.
        member: String,
        /// The right type.
        expected: &'static str,
    },
}

/// A JSON object in a text. `null` counts as an object without members, as in Go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// Where it stands in the text, with its braces.
    pub(crate) place: Range<usize>,
    pub(crate) members: Vec<Member>,
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where its value stands in the text.
    pub(crate) value: Range<usize>,
}

impl Object {
    /// Finds the members of the value at a place. `name` is for messages.
    pub(crate) fn at(text: &str, place: Range<usize>, name: &str) -> Result<Self, ParseError> {
        let part = text.get(place.clone()).unwrap_or_default();
        let raw: RawMembers<'_> = serde_json::from_str(part).map_err(|error| {
            if error.classify() == Category::Data {
                return ParseError::Type {
                    member: name.to_owned(),
                    expected: "an object",
                };
            }
            ParseError::Syntax {
                line: error.line(),
                column: error.column(),
            }
        })?;
        let members = raw.0.into_iter().map(|(name, value)| {
            let start = value
                .get()
                .as_ptr()
                .addr()
                .saturating_sub(text.as_ptr().addr());
            Member {
                name,
                value: start..start.saturating_add(value.get().len()),
            }
        });
        Ok(Self {
            place,
            members: members.collect(),
        })
    }

    /// The members with a name, in any case of ASCII letters, as Go reads fields of structures.
    pub(crate) fn fields<'a>(
        &'a self,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Member> {
        self.members
            .iter()
            .filter(move |member| member.name.eq_ignore_ascii_case(name))
    }

    /// The member of exactly this name; of several the last, as in Go.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().rposition(|member| member.name == name)
    }
}

/// The JSON string at a place; `None` for `null`.
pub(crate) fn string_at(
    text: &str,
    place: &Range<usize>,
    member: &str,
) -> Result<Option<String>, ParseError> {
    let part = text.get(place.clone()).unwrap_or_default();
    serde_json::from_str(part).map_err(|_| ParseError::Type {
        member: member.to_owned(),
        expected: "a string",
    })
}

struct RawMembers<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(RawMembers(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawMembers(members))
            }
        }

        deserializer.deserialize_any(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_know_where_their_values_are() {
        let text = "x {\"a\": [1, 2] , \"b\\u0063\":\tnull}";
        let object = Object::at(text, 2..text.len(), "it").unwrap();
        let values = object
            .members
            .iter()
            .map(|member| (&*member.name, &text[member.value.clone()]));
        assert_eq!(
            values.collect::<Vec<_>>(),
            [("a", "[1, 2]"), ("bc", "null")]
        );
        assert_eq!(Object::at("null", 0..4, "it").unwrap().members, []);
    }

    #[test]
    fn mistakes_show_no_contents() {
        let wrong = ParseError::Type {
            member: "it".to_owned(),
            expected: "an object",
        };
        assert_eq!(Object::at("\"hunter2\"", 0..9, "it"), Err(wrong));
        let wrong = ParseError::Syntax { line: 2, column: 2 };
        assert_eq!(Object::at("{\n x", 0..4, "it"), Err(wrong.clone()));
        assert_eq!(
            wrong.to_string(),
            "it is not JSON: mistake in line 2, column 2"
        );
    }
}
