//! The flags of a record.

use std::collections::BTreeMap;

use crate::Value;

/// Arbitrary values by name; written only if there are any.
///
/// ```
/// use layerhold_schema::Flags;
///
/// let mut flags = Flags::default();
/// flags.set("incomplete", true);
/// flags.set("MountOpts", vec!["ro"]);
/// assert!(flags.is_true("incomplete") && !flags.is_true("MountOpts"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags(pub BTreeMap<String, Value>);

impl Flags {
    /// Returns a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Sets a value and returns the former one.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(name.into(), value.into())
    }

    /// Removes a value and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Tells whether a value is `true`; other types count as not.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// Returns a string; empty if the value is missing or has another type.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the strings of a list; items of other types are skipped.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let items = self.get(name).and_then(Value::as_array).unwrap_or_default();
        items.iter().filter_map(Value::as_str)
    }

    /// Tells whether there are no flags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Flags {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        Self(
            values
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
