//! Parses one configuration file.

use std::path::{Path, PathBuf};

use crate::error::ConfigError;

/// The text of one configuration file.
#[derive(Clone, Debug)]
pub struct Document {
    path: PathBuf,
    pub(crate) text: String,
}

impl Document {
    /// Decodes the bytes of a file. The path is for messages.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Encoding`] if they are not UTF-8.
    pub fn new(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let path = path.into();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Document { path, text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = error.as_bytes().get(..valid).unwrap_or_default();
                Err(ConfigError::Encoding {
                    path,
                    line: lines(before),
                })
            }
        }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line of a byte, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        lines(bytes.get(..offset).unwrap_or(bytes))
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count() + 1
}
