//! The text of a file.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use crate::error::TomlError;
use crate::table::Table;

/// The text of a file, with its path for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    path: PathBuf,
    text: String,
    /// Where lines after the first one start, so that the line of a byte is found fast.
    starts: Vec<usize>,
}

/// A file without mistakes of syntax.
#[derive(Debug)]
pub struct Parsed<'d> {
    document: &'d Document,
    table: Spanned<DeTable<'d>>,
}

impl Document {
    /// Decodes the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`TomlError::Encoding`] if they are not UTF-8.
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, TomlError> {
        let path = path.into();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Document::from_text(path, text)),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = error.as_bytes().get(..valid).unwrap_or_default();
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                Err(TomlError::Encoding { path, line })
            }
        }
    }

    /// Takes a text.
    pub fn from_text(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = ends.map(|(at, _)| at + 1).collect();
        Document { path, text, starts }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Parses the text.
    ///
    /// # Errors
    ///
    /// [`TomlError::Syntax`] if it is not TOML.
    pub fn parse(&self) -> Result<Parsed<'_>, TomlError> {
        match DeTable::parse(&self.text) {
            Ok(table) => Ok(Parsed {
                document: self,
                table,
            }),
            Err(error) => Err(TomlError::Syntax {
                path: self.path.clone(),
                line: self.line(error.span().map_or(0, |span| span.start)),
                message: error.message().to_owned(),
            }),
        }
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) + 1
    }
}

impl Parsed<'_> {
    /// The table of the whole file.
    #[must_use]
    pub fn root(&self) -> Table<'_> {
        Table::new(self.document, String::new(), 1, self.table.get_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_line() {
        let error = Document::new("f", b"a = 1\n\xff".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "f:2: not UTF-8");
    }

    #[test]
    fn mistakes_of_syntax_are_told_with_their_line() {
        for (text, at) in [("a = b", 1), ("a = 1\na = 2", 2), ("\n[a\n", 2)] {
            let document = Document::from_text("f", text);
            let error = document.parse().unwrap_err();
            let is_it = matches!(error, TomlError::Syntax { line, .. } if line == at);
            assert!(is_it, "{text:?}: {error:?}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
}
