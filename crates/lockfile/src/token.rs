//! The last-write token.

use std::fmt;
use std::path::PathBuf;

use layerhold_sys::PathError;

/// Length of the tokens written today. Very old releases of the Go library
/// wrote 64 hexadecimal characters, which is the same length.
pub(crate) const TOKEN_LENGTH: usize = 64;

/// Why a last-write token could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The lock file could not be read.
    #[error("cannot read the last-write token from lock file {}", path.display())]
    Read {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The lock file could not be written. Other processes may or may not see a change; at worst
    /// they reload needlessly.
    #[error("cannot write the last-write token to lock file {}", path.display())]
    Write {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not all bytes of the token were written, as on a full disk.
    #[error("cannot write more than {written} bytes of the last-write token to lock file {}", path.display())]
    Short {
        /// The lock file.
        path: PathBuf,
        /// How many bytes were written.
        written: usize,
    },
    /// The system gave no random bytes.
    #[error("cannot generate a last-write token for lock file {}", path.display())]
    Random {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: PathError,
    },
}

impl TokenError {
    /// Whether the disk is full (or a quota used up).
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::Write { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            Self::Short { .. } => true,
            _ => false,
        }
    }
}

/// What the lock file says about the last write to the protected data.
///
/// Opaque: equal tokens mean that no write was recorded in between, anything else means that the
/// data has to be read again. It is empty where no write was ever recorded, and where there is no
/// lock file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    bytes: [u8; TOKEN_LENGTH],
    length: u8,
}

impl Token {
    /// The token of a lock file in which no write was ever recorded.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            bytes: [0; TOKEN_LENGTH],
            length: 0,
        }
    }

    /// Whether no write was ever recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes as they are in the lock file, 64 at most.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// Takes the first bytes of a lock file for a token; bytes beyond the 64th are ignored.
    #[must_use]
    pub fn from_file(content: &[u8]) -> Self {
        let mut token = Self::empty();
        for (to, from) in token.bytes.iter_mut().zip(content) {
            *to = *from;
            token.length += 1;
        }
        token
    }

    /// Lays out a new token: the time and a counter to be unique within a
    /// process, the process and random bytes to be unique among them.
    /// Go: pkg/lockfile/lastwrite.go.
    pub(crate) fn compose(nanoseconds: u64, counter: u64, process: u32, random: &[u8; 44]) -> Self {
        let time = nanoseconds.to_le_bytes();
        let counter = counter.to_le_bytes();
        let process = process.to_le_bytes();
        let parts = time.iter().chain(&counter).chain(&process).chain(random);
        let mut token = Self::empty();
        for (to, from) in token.bytes.iter_mut().zip(parts) {
            *to = *from;
            token.length += 1;
        }
        token
    }
}

impl Default for Token {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout_is_time_counter_process_random_in_little_endian() {
        let token = Token::compose(0x0102_0304_0506_0708, 9, 0x0a0b_0c0d, &[0xee; 44]);
        let mut expected = vec![8, 7, 6, 5, 4, 3, 2, 1];
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0x0d, 0x0c, 0x0b, 0x0a]);
        expected.extend([0xee; 44]);
        assert_eq!(token.as_bytes(), expected);
        assert_eq!(token.as_bytes().len(), TOKEN_LENGTH);
    }

    #[test]
    fn an_empty_file_gives_the_empty_token() {
        assert_eq!(Token::from_file(b""), Token::empty());
        assert!(Token::empty().is_empty());
        assert!(!Token::from_file(&[0]).is_empty());
        assert_ne!(Token::from_file(&[0]), Token::from_file(&[0, 0]));
    }

    proptest! {
        #[test]
        fn the_first_64_bytes_are_kept_whatever_they_are(content: Vec<u8>) {
            let token = Token::from_file(&content);
            let kept = content.len().min(TOKEN_LENGTH);
            prop_assert_eq!(token.as_bytes(), &content[..kept]);
        }
    }
}
