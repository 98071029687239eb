//! Fields that nobody here knows.

use std::fmt;

/// The text of one JSON value, kept as it was written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawJson(Box<str>);

impl RawJson {
    /// The reader has checked the text.
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

/// The fields of a record that this version does not know, in their order.
///
/// They are written again behind the known ones. Every Go version drops such fields when it
/// rewrites a file; a future one may depend on fields that it has written itself, so they must
/// survive us.
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

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a field, or replaces the value of one that is there.
    pub(crate) fn set(&mut self, name: String, value: RawJson) {
        match self.fields.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = value,
            None => self.fields.push((name, value)),
        }
    }
}
