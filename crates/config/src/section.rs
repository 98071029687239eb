//! A table of a file, whose keys are taken one by one until only unknown ones are left.

use toml::de::{DeTable, DeValue};

use crate::document::Document;
use crate::error::ConfigError;
use crate::list::{self, List};
use crate::warning::Warning;

/// A table, and the keys taken from it.
#[derive(Debug)]
pub(crate) struct Section<'d> {
    document: &'d Document,
    name: String,
    entries: Vec<Entry<'d>>,
}

#[derive(Debug)]
struct Entry<'d> {
    key: &'d str,
    offset: usize,
    value: &'d DeValue<'d>,
    is_taken: bool,
}

/// A value and its position.
#[derive(Debug)]
pub(crate) struct Value<'d> {
    pub(crate) document: &'d Document,
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: &'d DeValue<'d>,
}

impl<'d> Section<'d> {
    pub(crate) fn new(document: &'d Document, name: String, table: &'d DeTable<'d>) -> Self {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref(),
            offset: key.span().start,
            value: value.get_ref(),
            is_taken: false,
        });
        Section {
            document,
            name,
            entries: entries.collect(),
        }
    }

    /// Takes the value of a key. As in Go's parser, a key in another case is used if there is no
    /// exact match.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value<'d>> {
        let exact = self.entries.iter().position(|entry| entry.key == key);
        let similar = || {
            let mut entries = self.entries.iter();
            entries.position(|entry| !entry.is_taken && entry.key.eq_ignore_ascii_case(key))
        };
        let at = exact.or_else(similar)?;
        let entry = self.entries.get_mut(at)?;
        entry.is_taken = true;
        Some(Value {
            document: self.document,
            key: joined(&self.name, entry.key),
            line: self.document.line(entry.offset),
            value: entry.value,
        })
    }

    /// Takes a string, if present.
    pub(crate) fn text(&mut self, key: &str, target: &mut String) -> Result<(), ConfigError> {
        if let Some(value) = self.take(key) {
            *target = value.text()?.to_owned();
        }
        Ok(())
    }

    /// Takes a boolean, if present.
    pub(crate) fn boolean(&mut self, key: &str, target: &mut bool) -> Result<(), ConfigError> {
        if let Some(value) = self.take(key) {
            *target = value
                .value
                .as_bool()
                .ok_or_else(|| value.wrong("a boolean"))?;
        }
        Ok(())
    }

    /// Takes a number, if present.
    pub(crate) fn number(&mut self, key: &str, target: &mut u32) -> Result<(), ConfigError> {
        if let Some(value) = self.take(key) {
            *target = value.number()?;
        }
        Ok(())
    }

    /// Takes a list of strings, if present.
    pub(crate) fn list(&mut self, key: &str, target: &mut List) -> Result<(), ConfigError> {
        if let Some(value) = self.take(key) {
            list::read(&value, target)?;
        }
        Ok(())
    }

    /// Takes a table, if present.
    pub(crate) fn section(&mut self, key: &str) -> Result<Option<Section<'d>>, ConfigError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let table = value
            .value
            .as_table()
            .ok_or_else(|| value.wrong("a table"))?;
        Ok(Some(Section::new(self.document, value.key, table)))
    }

    /// Takes all remaining values, as strings.
    pub(crate) fn texts(self) -> Result<Vec<(String, String)>, ConfigError> {
        let mut texts = Vec::new();
        for entry in &self.entries {
            let value = Value {
                document: self.document,
                key: joined(&self.name, entry.key),
                line: self.document.line(entry.offset),
                value: entry.value,
            };
            texts.push((entry.key.to_owned(), value.text()?.to_owned()));
        }
        Ok(texts)
    }

    /// Warns about keys without effect.
    pub(crate) fn ignore(
        &mut self,
        keys: &[(&str, Option<&'static str>)],
        warnings: &mut Vec<Warning>,
    ) {
        for (key, instead) in keys {
            if let Some(value) = self.take(key) {
                warnings.push(Warning::NoEffect {
                    path: self.document.path().to_owned(),
                    line: value.line,
                    key: value.key,
                    instead: *instead,
                });
            }
        }
    }

    /// Warns about all remaining keys.
    pub(crate) fn finish(self, warnings: &mut Vec<Warning>) {
        let mut left: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| !entry.is_taken)
            .collect();
        left.sort_by_key(|entry| entry.offset);
        warnings.extend(left.into_iter().map(|entry| Warning::UnknownKey {
            path: self.document.path().to_owned(),
            line: self.document.line(entry.offset),
            key: joined(&self.name, entry.key),
        }));
    }
}

impl<'d> Value<'d> {
    pub(crate) fn text(&self) -> Result<&'d str, ConfigError> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    fn number(&self) -> Result<u32, ConfigError> {
        let digits = self
            .value
            .as_integer()
            .ok_or_else(|| self.wrong("an integer"))?;
        u32::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| ConfigError::Range {
            path: self.document.path().to_owned(),
            line: self.line,
            key: self.key.clone(),
        })
    }

    /// The error for a value of the wrong type.
    pub(crate) fn wrong(&self, expected: &'static str) -> ConfigError {
        self.wrong_part(expected, self.value)
    }

    /// The error for a part of this value with the wrong type.
    pub(crate) fn wrong_part(&self, expected: &'static str, part: &DeValue<'_>) -> ConfigError {
        ConfigError::Type {
            path: self.document.path().to_owned(),
            line: self.line,
            key: self.key.clone(),
            expected,
            found: described(part),
        }
    }
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn joined(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}
