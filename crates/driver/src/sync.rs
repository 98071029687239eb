//! The `sync` driver option.

use std::fmt;
use std::str::FromStr;

/// When a filesystem is flushed while a layer is made (Go: drivers/driver.go, `SyncMode`).
///
/// ```
/// use layerhold_driver::SyncMode;
///
/// assert_eq!(" FileSystem ".parse(), Ok(SyncMode::Filesystem));
/// assert_eq!("always".parse::<SyncMode>().map_err(|e| e.to_string()), Err("invalid sync mode: \"always\"".into()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncMode {
    /// Never.
    None,
    /// Once, before the layer counts as present.
    Filesystem,
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Filesystem => "filesystem",
        })
    }
}

impl FromStr for SyncMode {
    type Err = InvalidSyncMode;

    /// Parses `none`, `filesystem` or nothing, in any case and with blanks around.
    fn from_str(text: &str) -> Result<Self, InvalidSyncMode> {
        match text.trim().to_lowercase().as_str() {
            "" | "none" => Ok(Self::None),
            "filesystem" => Ok(Self::Filesystem),
            _ => Err(InvalidSyncMode {
                value: text.to_owned(),
            }),
        }
    }
}

/// An unknown sync mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid sync mode: {value:?}")]
pub struct InvalidSyncMode {
    /// The text.
    pub value: String,
}
