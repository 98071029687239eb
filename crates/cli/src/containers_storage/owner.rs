//! `--chown`.

use std::num::ParseIntError;
use std::str::FromStr;

/// An owner by IDs, as a container sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A text that is not an owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad {which} {text:?}")]
pub(crate) struct OwnerError {
    which: &'static str,
    text: String,
    source: ParseIntError,
}

impl FromStr for Owner {
    type Err = OwnerError;

    /// Reads `UID:GID`, or one number for both.
    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number = |which, text: &str| {
            text.parse().map_err(|source| OwnerError {
                which,
                text: text.to_owned(),
                source,
            })
        };
        Ok(Owner {
            uid: number("UID", uid)?,
            gid: number("GID", gid)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_stands_for_both() {
        assert_eq!("7".parse(), Ok(Owner { uid: 7, gid: 7 }));
        assert_eq!("7:8".parse(), Ok(Owner { uid: 7, gid: 8 }));
        for bad in ["", "a", "1:", ":1", "1:2:3", "-1", "4294967296"] {
            assert!(bad.parse::<Owner>().is_err(), "{bad:?}");
        }
        let text = "x:1".parse::<Owner>().unwrap_err().to_string();
        assert_eq!(text, "bad UID \"x\"");
    }
}
