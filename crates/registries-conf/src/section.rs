//! A table of a file, whose keys are taken one by one until only unknown ones are left.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::error::{Problem, RegistriesError};
use crate::warning::Warning;

/// The text of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'d> {
    pub(crate) path: &'d Path,
    pub(crate) text: &'d str,
}

impl Document<'_> {
    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        lines(bytes.get(..offset).unwrap_or(bytes))
    }

    pub(crate) fn syntax(&self, error: &toml::de::Error) -> RegistriesError {
        RegistriesError::Syntax {
            path: self.path.to_owned(),
            line: self.line(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        }
    }

    pub(crate) fn invalid(&self, line: usize, problem: Problem) -> RegistriesError {
        RegistriesError::Invalid {
            path: self.path.to_owned(),
            line,
            problem,
        }
    }
}

/// The line after some bytes, counted from 1.
pub(crate) fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// A table, and the keys taken from it.
#[derive(Debug)]
pub(crate) struct Section<'d> {
    document: Document<'d>,
    name: String,
    pub(crate) line: usize,
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
    document: Document<'d>,
    key: String,
    pub(crate) line: usize,
    value: &'d DeValue<'d>,
}

impl<'d> Section<'d> {
    pub(crate) fn new(
        document: Document<'d>,
        name: String,
        line: usize,
        table: &'d DeTable<'d>,
    ) -> Self {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref(),
            offset: key.span().start,
            value: value.get_ref(),
            is_taken: false,
        });
        Section {
            document,
            name,
            line,
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

    /// Takes a string; without one, an empty one.
    pub(crate) fn text(&mut self, key: &str) -> Result<&'d str, RegistriesError> {
        self.take(key).map_or(Ok(""), |value| value.text())
    }

    /// Takes a boolean; without one, `false`.
    pub(crate) fn boolean(&mut self, key: &str) -> Result<bool, RegistriesError> {
        self.take(key).map_or(Ok(false), |value| {
            let boolean = value.value.as_bool();
            boolean.ok_or_else(|| value.wrong("a boolean", value.value))
        })
    }

    /// Takes a list of strings, with its line.
    pub(crate) fn list(
        &mut self,
        key: &str,
    ) -> Result<Option<(usize, Vec<String>)>, RegistriesError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let items = value.items("a list of strings")?.iter();
        let texts = items.map(|item| {
            let text = item.get_ref().as_str().map(str::to_owned);
            text.ok_or_else(|| value.wrong("a list of strings", item.get_ref()))
        });
        Ok(Some((value.line, texts.collect::<Result<_, _>>()?)))
    }

    /// Takes a table.
    pub(crate) fn section(&mut self, key: &str) -> Result<Option<Section<'d>>, RegistriesError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let table = value.value.as_table();
        let table = table.ok_or_else(|| value.wrong("a table", value.value))?;
        Ok(Some(Section::new(
            self.document,
            value.key,
            value.line,
            table,
        )))
    }

    /// Takes a table. As in Go's parser of maps, a value of another type has no effect.
    pub(crate) fn map(&mut self, key: &str, warnings: &mut Vec<Warning>) -> Option<Section<'d>> {
        let value = self.take(key)?;
        match value.value.as_table() {
            Some(table) => Some(Section::new(self.document, value.key, value.line, table)),
            None => {
                warnings.push(Warning::NotATable {
                    path: self.document.path.to_owned(),
                    line: value.line,
                    key: value.key,
                });
                None
            }
        }
    }

    /// Takes a list of tables, such as `[[registry]]`; `None` without one.
    pub(crate) fn sections(
        &mut self,
        key: &str,
    ) -> Result<Option<Vec<Section<'d>>>, RegistriesError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let items = value.items("a list of tables")?.iter();
        let tables = items.map(|item| {
            let table = item.get_ref().as_table();
            let table = table.ok_or_else(|| value.wrong("a list of tables", item.get_ref()))?;
            let line = self.document.line(item.span().start);
            Ok(Section::new(self.document, value.key.clone(), line, table))
        });
        tables.collect::<Result<_, _>>().map(Some)
    }

    /// Takes all remaining values, as strings with their lines, in the order of the file.
    pub(crate) fn texts(self) -> Result<Vec<(usize, &'d str, &'d str)>, RegistriesError> {
        let mut entries = self.entries;
        entries.sort_by_key(|entry| entry.offset);
        let texts = entries.into_iter().map(|entry| {
            let value = Value {
                document: self.document,
                key: joined(&self.name, entry.key),
                line: self.document.line(entry.offset),
                value: entry.value,
            };
            Ok((value.line, entry.key, value.text()?))
        });
        texts.collect()
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
            path: self.document.path.to_owned(),
            line: self.document.line(entry.offset),
            key: joined(&self.name, entry.key),
        }));
    }
}

impl<'d> Value<'d> {
    pub(crate) fn text(&self) -> Result<&'d str, RegistriesError> {
        let text = self.value.as_str();
        text.ok_or_else(|| self.wrong("a string", self.value))
    }

    fn items(&self, expected: &'static str) -> Result<&'d toml::de::DeArray<'d>, RegistriesError> {
        let items = self.value.as_array();
        items.ok_or_else(|| self.wrong(expected, self.value))
    }

    /// The error for a part of this value with the wrong type.
    fn wrong(&self, expected: &'static str, part: &DeValue<'_>) -> RegistriesError {
        RegistriesError::Type {
            path: self.document.path.to_owned(),
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
