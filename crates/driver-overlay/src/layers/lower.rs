//! The file `lower`: the short names of all parents of a layer.

use layerhold_sys::{Dir, Durability, PathError, publish};

use super::link::LinkName;
use crate::disk::{EMPTY, FILE_MODE, LINKS, LOWER, PRIVATE_MODE};

/// 500 short names take 15 thousand bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// What the `lower` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LowerList {
    /// There is none, as is right for a layer without parents.
    Base,
    /// The parents, nearest first.
    Links(Vec<LinkName>),
    /// It is lost or unreadable.
    Damaged,
}

impl LowerList {
    /// Reads the file in the directory of a layer.
    pub(crate) fn read(dir: &Dir) -> Result<Self, PathError> {
        match dir.read_file(LOWER, LONGEST_FILE)? {
            Some(text) => Ok(parse_lower(&text).map_or(Self::Damaged, Self::Links)),
            // Every layer without parents has this directory, and no other layer does.
            None if dir.exists(EMPTY)? => Ok(Self::Base),
            None => Ok(Self::Damaged),
        }
    }

    /// Whether it lists exactly these parents.
    pub(super) fn is(&self, parents: &[LinkName]) -> bool {
        match self {
            Self::Base => parents.is_empty(),
            Self::Links(links) => links == parents,
            Self::Damaged => false,
        }
    }
}

/// Writes the file, or for a layer without parents makes the directory that takes its place.
pub(crate) fn write_lower(
    dir: &Dir,
    lower: &[LinkName],
    durability: Durability,
) -> Result<(), PathError> {
    if lower.is_empty() {
        drop(dir.ensure_dir(EMPTY, PRIVATE_MODE)?);
        return match dir.remove_file(LOWER) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        };
    }
    let text = lower_text(lower);
    publish(dir, LOWER, FILE_MODE, &[text.as_bytes()], durability)
}

fn lower_text(lower: &[LinkName]) -> String {
    let entries: Vec<_> = lower.iter().map(|link| format!("{LINKS}/{link}")).collect();
    entries.join(":")
}

/// Reads the content; `None` when it is damaged. A layer without parents has no file, so an empty
/// one is damaged.
fn parse_lower(text: &[u8]) -> Option<Vec<LinkName>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == b':')
        .map(|entry| LinkName::parse(entry.strip_prefix(b"l/")?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_power_cut_leaves_is_no_list() {
        for text in [&b""[..], b"\n", b"\0\0\0", b"../x", b"A B", b"\xff"] {
            assert_eq!(parse_lower(text), None, "{text:?}");
        }
    }

    #[test]
    fn lower_files_are_read_as_they_are_written() {
        let names = ["AAA", "BBB"].map(|name| LinkName::parse(name.as_bytes()).unwrap());
        assert_eq!(lower_text(&names), "l/AAA:l/BBB");
        assert_eq!(parse_lower(b"l/AAA:l/BBB"), Some(names.to_vec()));
        for text in [
            &b"l/AAA:"[..],
            b":l/AAA",
            b"l/AAA:BBB",
            b"l/AAA::l/BBB",
            b"l/",
        ] {
            assert_eq!(parse_lower(text), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            if let Some(lower) = parse_lower(&bytes) {
                let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                proptest::prop_assert_eq!(lower_text(&lower).into_bytes(), text);
            }
        }
    }
}
