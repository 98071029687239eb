//! Types of Go, and values of these types.

use std::collections::BTreeMap;

use serde_json::Value;

/// A type that a value is decoded into.
#[derive(Debug)]
pub(crate) enum Shape {
    /// `any`.
    Any,
    /// `string`.
    Text,
    /// `bool`.
    Flag,
    /// `int64`, and `int` on machines of 64 bits.
    Integer,
    /// `[]byte`: text in base64.
    Bytes,
    /// `time.Time`: text in the form of RFC 3339.
    Time,
    /// `struct{}`, the value type of sets.
    Nothing,
    /// `strslice.StrSlice`: a list of texts, or one text.
    Words,
    /// A slice.
    List(&'static Shape),
    /// A map with texts as keys.
    Map(&'static Shape),
    /// A structure.
    Record(&'static [(&'static str, Shape)]),
    /// A pointer to a structure, or a structure in another table.
    Other(&'static Shape),
}

/// A value that fits a [`Shape`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Not given, or `null`.
    #[default]
    Absent,
    /// A truth value, or a value of any type that is not kept.
    Given,
    Integer(i64),
    Text(String),
    List(Vec<Typed>),
    Map(BTreeMap<String, Typed>),
    /// The fields of a structure, by the names in its table.
    Record(BTreeMap<&'static str, Typed>),
}

/// The value of a missing field.
static ABSENT: Typed = Typed::Absent;

impl Typed {
    /// The field of this name.
    pub(crate) fn get(&self, name: &str) -> &Typed {
        match self {
            Typed::Record(fields) => fields.get(name).unwrap_or(&ABSENT),
            _ => &ABSENT,
        }
    }

    pub(crate) fn is_given(&self) -> bool {
        *self != Typed::Absent
    }

    /// The text; empty when absent.
    pub(crate) fn text(&self) -> &str {
        match self {
            Typed::Text(text) => text,
            _ => "",
        }
    }

    /// The number; 0 when absent.
    pub(crate) fn integer(&self) -> i64 {
        match self {
            Typed::Integer(number) => *number,
            _ => 0,
        }
    }

    /// The items; none when absent.
    pub(crate) fn items(&self) -> &[Typed] {
        match self {
            Typed::List(items) => items,
            _ => &[],
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&self) -> Vec<String> {
        let items = self.items().iter();
        items.map(|item| item.text().to_owned()).collect()
    }

    /// The texts of a map.
    pub(crate) fn text_map(&self) -> BTreeMap<String, String> {
        match self {
            Typed::Map(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.text().to_owned()))
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The value as JSON, its fields in the order of the table; `None` when absent. Truth values
    /// are not kept.
    pub(crate) fn to_json(&self, shape: &Shape) -> Option<Value> {
        match (self, shape) {
            (_, Shape::Other(shape)) => self.to_json(shape),
            (Typed::Integer(number), _) => Some(Value::from(*number)),
            (Typed::Text(text), _) => Some(Value::from(text.as_str())),
            (Typed::List(items), Shape::List(shape)) => {
                let items = items.iter().filter_map(|item| item.to_json(shape));
                Some(items.collect())
            }
            (Typed::Map(members), Shape::Map(shape)) => {
                let members = members.iter();
                let written =
                    members.filter_map(|(name, value)| Some((name.clone(), value.to_json(shape)?)));
                Some(Value::Object(written.collect()))
            }
            (Typed::Record(_), Shape::Record(fields)) => {
                let fields = fields.iter();
                let written = fields.filter_map(|(name, shape)| {
                    Some(((*name).to_owned(), self.get(name).to_json(shape)?))
                });
                Some(Value::Object(written.collect()))
            }
            _ => None,
        }
    }
}
