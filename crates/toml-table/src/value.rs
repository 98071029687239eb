//! A value, and where it stands.

use std::path::Path;

use toml::de::DeValue;

use crate::document::Document;
use crate::error::TomlError;
use crate::table::Table;

/// A value with its key and line.
#[derive(Clone, Debug)]
pub struct Value<'d> {
    document: &'d Document,
    name: &'d str,
    key: String,
    line: usize,
    value: &'d DeValue<'d>,
}

impl<'d> Value<'d> {
    pub(crate) fn new(
        document: &'d Document,
        table: &str,
        name: &'d str,
        line: usize,
        value: &'d DeValue<'d>,
    ) -> Self {
        Value {
            document,
            name,
            key: joined(table, name),
            line,
            value,
        }
    }

    /// The key in its table.
    #[must_use]
    pub fn name(&self) -> &'d str {
        self.name
    }

    /// The key with its tables, such as `storage.driver`. An element of a list has that of the
    /// list.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line of the key, or of the element of a list, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &'d Path {
        self.document.path()
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether it is a table.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// The string.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn text(&self) -> Result<&'d str, TomlError> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// The boolean.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn boolean(&self) -> Result<bool, TomlError> {
        self.value.as_bool().ok_or_else(|| self.wrong("a boolean"))
    }

    /// The integer.
    ///
    /// # Errors
    ///
    /// It is none, or negative, or larger than 2³²−1.
    pub fn number(&self) -> Result<u32, TomlError> {
        let digits = self.value.as_integer();
        let digits = digits.ok_or_else(|| self.wrong("an integer"))?;
        u32::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| TomlError::Range {
            path: self.path().to_owned(),
            line: self.line,
            key: self.key.clone(),
        })
    }

    /// The table.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn table(self) -> Result<Table<'d>, TomlError> {
        let Some(table) = self.value.as_table() else {
            return Err(self.wrong("a table"));
        };
        Ok(Table::new(self.document, self.key, self.line, table))
    }

    /// The elements of the list. The message of an error says `expected`, such as "a list of
    /// tables".
    ///
    /// # Errors
    ///
    /// It is no list.
    pub fn elements(&self, expected: &'static str) -> Result<Vec<Value<'d>>, TomlError> {
        let list = self.value.as_array().ok_or_else(|| self.wrong(expected))?;
        let elements = list.iter().map(|element| Value {
            line: self.document.line(element.span().start),
            value: element.get_ref(),
            ..self.clone()
        });
        Ok(elements.collect())
    }

    /// The strings of the list.
    ///
    /// # Errors
    ///
    /// It is no list, or an element is no string.
    pub fn texts(&self) -> Result<Vec<&'d str>, TomlError> {
        let expected = "a list of strings";
        let elements = self.elements(expected)?.into_iter();
        let texts = elements.map(|element| {
            let text = element.value.as_str();
            text.ok_or_else(|| element.wrong(expected))
        });
        texts.collect()
    }

    /// The error for a value of the wrong type.
    #[must_use]
    pub fn wrong(&self, expected: &'static str) -> TomlError {
        TomlError::Type {
            path: self.path().to_owned(),
            line: self.line,
            key: self.key.clone(),
            expected,
            found: described(self.value),
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
    match table {
        "" => key.to_owned(),
        table => format!("{table}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, read: fn(Value<'_>) -> Result<T, TomlError>) -> Result<T, String> {
        let document = Document::from_text("f", text);
        let parsed = document.parse().unwrap();
        let mut values = parsed.root().rest();
        read(values.next().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_of_the_right_type_are_read() {
        assert_eq!(
            read("a = 'b'", |value| value.text().map(str::to_owned)).unwrap(),
            "b"
        );
        assert_eq!(read("a = true", |value| value.boolean()), Ok(true));
        assert_eq!(read("a = 0x10", |value| value.number()), Ok(16));
        assert_eq!(
            read("[a]", |value| value.table().map(|table| table.line())),
            Ok(1)
        );
        let texts = read("a = ['b',\n'c']", |value| {
            value.texts().map(|texts| texts.concat())
        });
        assert_eq!(texts.unwrap(), "bc");
    }

    #[test]
    fn values_of_other_types_are_told_with_key_and_line() {
        let error = read("\na = 1", |value| value.text().map(drop));
        assert_eq!(
            error.unwrap_err(),
            "f:2: a is an integer, which should be a string"
        );
        let error = read("a = true", |value| value.text().map(drop));
        let wanted = "f:1: a is a boolean, which should be a string: put it in quotes";
        assert_eq!(error.unwrap_err(), wanted);
        let error = read("a = 4294967296", |value| value.number());
        assert_eq!(error.unwrap_err(), "f:1: a is not between 0 and 4294967295");
        let error = read("a = ['',\n1.5]", |value| value.texts().map(drop));
        let wanted = "f:2: a is a floating-point number, which should be a list of strings";
        assert_eq!(error.unwrap_err(), wanted);
        let error = read("a = [{b = 1}]", |value| {
            let mut elements = value.elements("a list of tables")?;
            let mut table = elements.remove(0).table()?;
            table.take("b").map(|value| value.boolean()).transpose()
        });
        let wanted = "f:1: a.b is an integer, which should be a boolean";
        assert_eq!(error.unwrap_err(), wanted);
    }
}
