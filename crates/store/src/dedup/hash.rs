//! What makes two files worth comparing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::str::FromStr;

use layerhold_sys::Cancel;
use layerhold_tar_split::Crc64;
use sha2::{Digest, Sha256};

use crate::records::error_kind::error_kind;

/// What makes two files of one length worth comparing. It decides how much is read, but never what
/// is shared: the kernel always compares all bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HashMethod {
    /// An equal CRC-64.
    #[default]
    Crc64,
    /// The length alone.
    Size,
    /// An equal SHA-256.
    Sha256,
}

/// A text that does not name a method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid hash method: {text}")]
pub struct UnknownHashMethod {
    /// The text.
    pub text: String,
}

error_kind!(UnknownHashMethod, |_error| None);

impl FromStr for HashMethod {
    type Err = UnknownHashMethod;

    /// Parses `crc`, `size` or `sha256`, the names of the Go tool (Go:
    /// cmd/containers-storage/dedup.go).
    fn from_str(text: &str) -> Result<Self, UnknownHashMethod> {
        match text {
            "crc" => Ok(Self::Crc64),
            "size" => Ok(Self::Size),
            "sha256" => Ok(Self::Sha256),
            _ => Err(UnknownHashMethod {
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for HashMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crc64 => "crc",
            Self::Size => "size",
            Self::Sha256 => "sha256",
        })
    }
}

/// A checksum by which files are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FileHash {
    None,
    Crc64([u8; 8]),
    Sha256([u8; 32]),
}

impl HashMethod {
    /// Computes the checksum of a file from its beginning, unless `cancel` asks it to stop.
    pub(super) fn hash(self, file: &File, cancel: &Cancel) -> io::Result<FileHash> {
        match self {
            Self::Size => Ok(FileHash::None),
            Self::Crc64 => {
                let mut crc = Crc64::new();
                each_piece(file, cancel, |piece| crc.update(piece))?;
                Ok(FileHash::Crc64(crc.checksum().0))
            }
            Self::Sha256 => {
                let mut hash = Sha256::new();
                each_piece(file, cancel, |piece| hash.update(piece))?;
                Ok(FileHash::Sha256(hash.finalize().into()))
            }
        }
    }
}

const PIECE: usize = 128 * 1024;

fn each_piece(mut file: &File, cancel: &Cancel, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        cancel.check()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_cancelled_checksum_ends() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        let cancel = Cancel::new();
        assert!(HashMethod::Crc64.hash(&file, &cancel).is_ok());
        cancel.cancel();
        for method in [HashMethod::Crc64, HashMethod::Sha256] {
            let error = method.hash(&file, &cancel).unwrap_err();
            assert!(layerhold_sys::is_cancelled(&error), "{error:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_go_tool() {
        for (text, method) in [
            ("crc", HashMethod::Crc64),
            ("size", HashMethod::Size),
            ("sha256", HashMethod::Sha256),
        ] {
            assert_eq!(text.parse(), Ok(method));
            assert_eq!(method.to_string(), text);
        }
        let error = "md5".parse::<HashMethod>().unwrap_err();
        assert_eq!(error.to_string(), "invalid hash method: md5");
    }
}
