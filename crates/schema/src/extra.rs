//! Unknown fields of a record.

use std::fmt;

/// The text of one JSON value, kept as it was written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawJson(Box<str>);

impl RawJson {
    /// A text that the reader has checked.
    pub(crate) fn checked(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unknown fields of a record, in order.
///
/// They are written after the known ones. All Go versions drop unknown fields when they rewrite a
/// file. A future version may depend on fields that it wrote itself, so they must survive ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtraFields {
    fields: Vec<(String, RawJson)>,
}

impl ExtraFields {
    /// Returns the fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &RawJson)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawJson> {
        self.fields
            .iter()
            .find_map(|(own, value)| (own == name).then_some(value))
    }

    /// Tells whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a field or replaces its value.
    pub(crate) fn set(&mut self, name: String, value: RawJson) {
        match self.fields.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = value,
            None => self.fields.push((name, value)),
        }
    }
}
