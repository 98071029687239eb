//! A table, whose keys are taken one by one until only unknown ones are left.

use toml::de::DeTable;

use crate::document::Document;
use crate::error::TomlError;
use crate::value::Value;

/// A table, and the keys that were not taken from it yet.
#[derive(Debug)]
pub struct Table<'d> {
    line: usize,
    left: Vec<Value<'d>>,
}

impl<'d> Table<'d> {
    pub(crate) fn new(
        document: &'d Document,
        name: String,
        line: usize,
        table: &'d DeTable<'d>,
    ) -> Self {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let values = entries.into_iter().map(|(key, value)| {
            let line = document.line(key.span().start);
            Value::new(document, &name, key.get_ref(), line, value.get_ref())
        });
        Table {
            line,
            left: values.collect(),
        }
    }

    /// The line of the table, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Takes the value of a key. As in Go's parser, a key in other letters is taken if there is no
    /// exact match.
    pub fn take(&mut self, key: &str) -> Option<Value<'d>> {
        let exact = self.left.iter().position(|value| value.name() == key);
        let similar = || {
            let mut values = self.left.iter();
            values.position(|value| value.name().eq_ignore_ascii_case(key))
        };
        Some(self.left.remove(exact.or_else(similar)?))
    }

    /// Takes a table.
    ///
    /// # Errors
    ///
    /// The value is none.
    pub fn table(&mut self, key: &str) -> Result<Option<Table<'d>>, TomlError> {
        self.take(key).map(|value| value.table()).transpose()
    }

    /// All that was not taken, in the order of the file.
    pub fn rest(self) -> impl Iterator<Item = Value<'d>> {
        self.left.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_key_comes_before_a_similar_one() {
        let document = Document::from_text("f", "KEY = 'a'\nkey = 'b'\nOther = 'c'\n");
        let parsed = document.parse().unwrap();
        let mut root = parsed.root();
        let mut text = |key| root.take(key).map(|value| value.text().unwrap());
        assert_eq!(text("key"), Some("b"));
        assert_eq!(text("other"), Some("c"));
        assert_eq!(text("key"), Some("a"));
        assert_eq!(text("key"), None);
    }

    #[test]
    fn the_rest_has_the_order_of_the_file() {
        let document = Document::from_text("f", "[t]\nz = 1\na = 2\n[t.b]\n");
        let parsed = document.parse().unwrap();
        let table = parsed.root().table("t").unwrap().unwrap();
        assert_eq!(table.line(), 1);
        let rest = table
            .rest()
            .map(|value| (value.key().to_owned(), value.line()));
        let wanted = [("t.z", 2), ("t.a", 3), ("t.b", 4)];
        let wanted = wanted.map(|(key, line)| (key.to_owned(), line));
        assert_eq!(rest.collect::<Vec<_>>(), wanted);
    }
}
