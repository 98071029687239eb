//! JSON without second readings: each key once, no unknown keys, no missing ones
//! (Go: `image/signature/internal/json.go`).

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Why a text is not the JSON that is expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The text is not JSON, or not UTF-8.
    #[error("cannot parse the JSON")]
    Syntax(#[source] serde_json::Error),
    /// The JSON has another shape.
    #[error("{at}: {problem}")]
    Shape {
        /// The place, such as `transports.docker."quay.io"[0].keyPath`.
        at: String,
        /// What is wrong there.
        problem: ShapeProblem,
    },
}

/// What is wrong with the shape of a JSON value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeProblem {
    /// A value has the wrong type.
    #[error("it is {found}, which should be {expected}")]
    Type {
        /// The right type.
        expected: &'static str,
        /// The type in the text.
        found: &'static str,
    },
    /// An object has a key twice.
    #[error("the key {key:?} is there twice")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// An object has a key that means nothing here.
    #[error("the key {key:?} is unknown")]
    Unknown {
        /// The key.
        key: String,
    },
    /// An object lacks a key.
    #[error("the key {key:?} is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
}

/// Whole numbers below this one are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON value. Objects keep all their keys, also those that are there twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool,
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, FormatError> {
        serde_json::from_slice(text).map_err(FormatError::Syntax)
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A value, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) value: &'a Json,
    place: Place<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Root,
    Key(&'a Item<'a>, &'a str),
    Index(&'a Item<'a>, usize),
}

impl<'a> Item<'a> {
    pub(crate) fn root(value: &'a Json) -> Self {
        Item {
            value,
            place: Place::Root,
        }
    }

    /// The keys and values of an object that has each key once.
    pub(crate) fn members(&'a self) -> Result<Vec<(&'a str, Item<'a>)>, FormatError> {
        let Json::Object(members) = self.value else {
            return Err(self.wrong_type("an object"));
        };
        let mut seen = BTreeSet::new();
        if let Some((key, _)) = members.iter().find(|(key, _)| !seen.insert(key)) {
            return Err(self.shape(ShapeProblem::Duplicate { key: key.clone() }));
        }
        let item = |(key, value): &'a (String, Json)| {
            let place = Place::Key(self, key);
            (key.as_str(), Item { value, place })
        };
        Ok(members.iter().map(item).collect())
    }

    /// An object that has no other keys than these, each at most once.
    pub(crate) fn fields(&'a self, known: &[&str]) -> Result<Fields<'a>, FormatError> {
        let members = self.members()?;
        if let Some((key, _)) = members.iter().find(|(key, _)| !known.contains(key)) {
            let key = (*key).to_owned();
            return Err(self.shape(ShapeProblem::Unknown { key }));
        }
        Ok(Fields {
            item: self,
            members,
        })
    }

    pub(crate) fn list(&'a self) -> Result<Vec<Item<'a>>, FormatError> {
        let Json::List(values) = self.value else {
            return Err(self.wrong_type("a list"));
        };
        let item = |(index, value)| Item {
            value,
            place: Place::Index(self, index),
        };
        Ok(values.iter().enumerate().map(item).collect())
    }

    pub(crate) fn text(&self) -> Result<&'a str, FormatError> {
        match self.value {
            Json::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a text")),
        }
    }

    /// A number without a fraction, of at most 53 bits.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    pub(crate) fn integer(&self) -> Result<i64, FormatError> {
        match self.value {
            Json::Number(number) if number.fract() == 0.0 && number.abs() < EXACT => {
                Ok(*number as i64)
            }
            _ => Err(self.wrong_type("a whole number")),
        }
    }

    pub(crate) fn wrong_type(&self, expected: &'static str) -> FormatError {
        self.shape(ShapeProblem::Type {
            expected,
            found: self.value.kind(),
        })
    }

    pub(crate) fn shape(&self, problem: ShapeProblem) -> FormatError {
        FormatError::Shape {
            at: self.to_string(),
            problem,
        }
    }
}

/// The place of the value, for messages.
impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |key: &str| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match self.place {
            Place::Root => f.write_str("the top level"),
            Place::Index(parent, index) => write!(f, "{}[{index}]", Above(parent)),
            Place::Key(
                Item {
                    place: Place::Root, ..
                },
                key,
            ) if is_plain(key) => f.write_str(key),
            Place::Key(
                Item {
                    place: Place::Root, ..
                },
                key,
            ) => write!(f, "{key:?}"),
            Place::Key(parent, key) if is_plain(key) => write!(f, "{parent}.{key}"),
            Place::Key(parent, key) => write!(f, "{parent}.{key:?}"),
        }
    }
}

/// The place of a list, which is left out at the top level.
struct Above<'a>(&'a Item<'a>);

impl fmt::Display for Above<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.place {
            Place::Root => Ok(()),
            _ => self.0.fmt(f),
        }
    }
}

/// The members of an object whose keys are all known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    item: &'a Item<'a>,
    members: Vec<(&'a str, Item<'a>)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&Item<'a>> {
        let member = self.members.iter().find(|(name, _)| *name == key);
        member.map(|(_, item)| item)
    }

    pub(crate) fn required(&self, key: &'static str) -> Result<&Item<'a>, FormatError> {
        let missing = || self.item.shape(ShapeProblem::Missing { key });
        self.get(key).ok_or_else(missing)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "Go reads numbers as floating-point ones too"
    )]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "Go reads numbers as floating-point ones too"
    )]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
