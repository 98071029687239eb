//! The attribute with the owner and mode of a file on a filesystem that cannot store them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::ContainerOwner;

/// The name of the extended attribute (Go: pkg/idtools/idtools.go, `ContainersOverrideXattr`).
pub const OVERRIDE_STAT_XATTR: &str = "user.containers.override_stat";

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OverrideKind {
    /// A regular file, or an unspecified type.
    #[default]
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A block device.
    Block {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A character device.
    Char {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
}

/// The owner, mode and type that a file would have if the filesystem could store them. As text:
/// `uid:gid:mode:type`, with the mode in octal and `-major-minor` after the type of a device.
///
/// ```
/// use layerhold_idmap::{ContainerOwner, OverrideKind, OverrideStat};
///
/// let stat: OverrideStat = "0:5:0666:char-1-3".parse()?;
/// assert_eq!(stat.owner, ContainerOwner::new(0, 5));
/// assert_eq!(stat.kind, OverrideKind::Char { major: 1, minor: 3 });
/// assert_eq!(stat.to_string(), "0:5:0666:char-1-3");
/// # Ok::<(), layerhold_idmap::OverrideStatError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OverrideStat {
    /// The owner.
    pub owner: ContainerOwner,
    /// Permission, setuid, setgid and sticky bits.
    pub mode: u16,
    /// The type of file.
    pub kind: OverrideKind,
}

/// The text of the attribute is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OverrideStatError {
    /// There are fewer than three parts.
    #[error("the number of parts in {OVERRIDE_STAT_XATTR} is less than 3: {text:?}")]
    Parts {
        /// The whole text.
        text: String,
    },
    /// The owner, mode or device number is not a number.
    #[error("no valid number in {OVERRIDE_STAT_XATTR}: {text:?}")]
    Number {
        /// The malformed part.
        text: String,
    },
    /// The type of file is unknown.
    #[error("invalid file type {text:?} in {OVERRIDE_STAT_XATTR}")]
    Kind {
        /// The type.
        text: String,
    },
}

/// Permission, setuid, setgid and sticky bits; Go drops all others.
const MODE_MASK: u32 = 0o7777;

impl FromStr for OverrideStat {
    type Err = OverrideStatError;

    /// Parses the attribute. As in Go, parts after the type, and text after a known type, are
    /// ignored.
    fn from_str(text: &str) -> Result<Self, OverrideStatError> {
        let mut parts = text.split(':');
        let (Some(uid), Some(gid), Some(mode)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(OverrideStatError::Parts {
                text: text.to_owned(),
            });
        };
        let owner = ContainerOwner::new(number(uid, 10)?, number(gid, 10)?);
        let mode = u16::try_from(number(mode, 8)? & MODE_MASK).unwrap_or_default();
        let kind = parts.next().map_or(Ok(OverrideKind::File), parse_kind)?;
        Ok(Self { owner, mode, kind })
    }
}

/// Parses digits only: the standard library would also accept a sign.
fn number(text: &str, radix: u32) -> Result<u32, OverrideStatError> {
    let signed = text.starts_with('+');
    u32::from_str_radix(text, radix)
        .ok()
        .filter(|_| !signed)
        .ok_or_else(|| OverrideStatError::Number {
            text: text.to_owned(),
        })
}

fn parse_kind(text: &str) -> Result<OverrideKind, OverrideStatError> {
    let plain = [
        ("file", OverrideKind::File),
        ("dir", OverrideKind::Dir),
        ("symlink", OverrideKind::Symlink),
        ("pipe", OverrideKind::Pipe),
        ("socket", OverrideKind::Socket),
    ];
    if let Some((_, kind)) = plain.into_iter().find(|(name, _)| text.starts_with(name)) {
        return Ok(kind);
    }
    let unknown = || OverrideStatError::Kind {
        text: text.to_owned(),
    };
    let mut parts = text.split('-');
    let (Some(name), Some(major), Some(minor)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(unknown());
    };
    match name {
        "block" => Ok(OverrideKind::Block {
            major: number(major, 10)?,
            minor: number(minor, 10)?,
        }),
        "char" => Ok(OverrideKind::Char {
            major: number(major, 10)?,
            minor: number(minor, 10)?,
        }),
        _ => Err(unknown()),
    }
}

impl fmt::Display for OverrideStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{:04o}:",
            self.owner.uid, self.owner.gid, self.mode
        )?;
        match self.kind {
            OverrideKind::File => f.write_str("file"),
            OverrideKind::Dir => f.write_str("dir"),
            OverrideKind::Symlink => f.write_str("symlink"),
            OverrideKind::Pipe => f.write_str("pipe"),
            OverrideKind::Socket => f.write_str("socket"),
            OverrideKind::Block { major, minor } => write!(f, "block-{major}-{minor}"),
            OverrideKind::Char { major, minor } => write!(f, "char-{major}-{minor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tolerated_texts() {
        let cases = [
            ("1:2:644", "1:2:0644:file"),
            ("1:2:0104755:file", "1:2:4755:file"),
            ("1:2:755:directory", "1:2:0755:dir"),
            ("1:2:755:dir:more", "1:2:0755:dir"),
            ("1:2:600:block-8-1-future", "1:2:0600:block-8-1"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                text.parse().map(|stat: OverrideStat| stat.to_string()),
                Ok(expected.to_owned())
            );
        }
    }

    #[test]
    fn refused_texts() {
        let number = |text: &str| OverrideStatError::Number {
            text: text.to_owned(),
        };
        let kind = |text: &str| OverrideStatError::Kind {
            text: text.to_owned(),
        };
        let cases = [
            (
                "1:2",
                OverrideStatError::Parts {
                    text: "1:2".to_owned(),
                },
            ),
            ("-1:2:644", number("-1")),
            ("+1:2:644", number("+1")),
            ("1:4294967296:644", number("4294967296")),
            ("1:2:8", number("8")),
            ("1:2:644:", kind("")),
            ("1:2:644:block", kind("block")),
            ("1:2:644:blocks-1-2", kind("blocks-1-2")),
            ("1:2:644:char-a-2", number("a")),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<OverrideStat>(), Err(expected), "{text:?}");
        }
    }

    fn any_kind() -> impl Strategy<Value = OverrideKind> {
        prop_oneof![
            Just(OverrideKind::File),
            Just(OverrideKind::Dir),
            Just(OverrideKind::Symlink),
            Just(OverrideKind::Pipe),
            Just(OverrideKind::Socket),
            any::<(u32, u32)>().prop_map(|(major, minor)| OverrideKind::Block { major, minor }),
            any::<(u32, u32)>().prop_map(|(major, minor)| OverrideKind::Char { major, minor }),
        ]
    }

    proptest! {
        #[test]
        fn there_and_back(uid: u32, gid: u32, mode in 0..=0o7777u16, kind in any_kind()) {
            let stat = OverrideStat { owner: ContainerOwner::new(uid, gid), mode, kind };
            prop_assert_eq!(stat.to_string().parse(), Ok(stat));
        }

        #[test]
        fn no_text_panics(text in "[0-9:a-z+-]{0,30}") {
            let _result = text.parse::<OverrideStat>();
        }
    }
}
