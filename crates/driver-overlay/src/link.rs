//! Short names of layers, and the file that lists those below a layer.

use std::fmt;
use std::path::Path;

use layerhold_ids::LayerId;
use layerhold_sys::{PathError, random_bytes};

use crate::names::{DIFF, LINKS};

/// Letters of a generated name.
const LENGTH: usize = 26;
/// Bytes that give [`LENGTH`] letters of five bits.
const RANDOM_BYTES: usize = (LENGTH * 5).div_ceil(8);
/// The letters of base32 (RFC 4648).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The short name of a layer, under which [`LINKS`] has a symbolic link to its contents.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkName(String);

impl LinkName {
    /// Makes a new one (Go: drivers/overlay/randomid.go).
    pub(crate) fn generate() -> Result<Self, PathError> {
        let mut bits = 0_u32;
        let mut held = 0;
        let mut name = String::with_capacity(LENGTH);
        let mut random = [0; RANDOM_BYTES];
        random_bytes(&mut random)?;
        for byte in random {
            bits = (bits << 8) | u32::from(byte);
            held += 8;
            while held >= 5 && name.len() < LENGTH {
                held -= 5;
                let index = (bits >> held) & 31;
                name.extend(
                    ALPHABET
                        .get(index as usize)
                        .map(|letter| char::from(*letter)),
                );
            }
        }
        Ok(Self(name))
    }

    /// Reads the content of a `link` file, or the name of a symbolic link; `None` for what no
    /// library writes, such as the empty or zeroed file that a power cut leaves.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim_end_matches('\n');
        let is_one = (1..=255).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_one.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the symbolic link of a layer points.
pub(crate) fn link_target(id: &LayerId) -> String {
    format!("../{id}/{DIFF}")
}

/// The layer that a symbolic link with this target belongs to.
pub(crate) fn layer_of_target(target: &Path) -> Option<LayerId> {
    let rest = target.to_str()?.strip_prefix("../")?;
    rest.strip_suffix(DIFF)?.strip_suffix('/')?.parse().ok()
}

/// The content of a `lower` file.
pub(crate) fn lower_text(lower: &[LinkName]) -> String {
    let entries: Vec<_> = lower.iter().map(|link| format!("{LINKS}/{link}")).collect();
    entries.join(":")
}

/// Reads a `lower` file; `None` when it is damaged. There is no file for a layer without parents,
/// so an empty one is.
pub(crate) fn parse_lower(text: &[u8]) -> Option<Vec<LinkName>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == b':')
        .map(|entry| LinkName::parse(entry.strip_prefix(b"l/")?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_26_letters_of_base32() {
        let names: Vec<_> = (0..50).map(|_| LinkName::generate().unwrap()).collect();
        for name in &names {
            assert_eq!(name.as_str().len(), 26);
            assert!(name.as_str().bytes().all(|byte| ALPHABET.contains(&byte)));
            assert_eq!(
                LinkName::parse(name.as_str().as_bytes()).as_ref(),
                Some(name)
            );
        }
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), 50);
    }

    #[test]
    fn what_a_power_cut_leaves_is_no_name() {
        for text in [
            &b""[..],
            b"\n",
            b"\0\0\0",
            b"../x",
            b"l/ABC",
            b"A B",
            b"\xff",
        ] {
            assert_eq!(LinkName::parse(text), None, "{text:?}");
            assert_eq!(
                parse_lower(text).filter(|_| text != b"l/ABC"),
                None,
                "{text:?}"
            );
        }
        assert_eq!(LinkName::parse(b"ABC\n").unwrap().as_str(), "ABC");
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

    #[test]
    fn targets_name_their_layer() {
        let id: LayerId = "abc".parse().unwrap();
        assert_eq!(link_target(&id), "../abc/diff");
        assert_eq!(layer_of_target(Path::new("../abc/diff")), Some(id));
        for other in [
            "../abc",
            "/abc/diff",
            "../a/b/diff",
            "abc/diff",
            "../abc/diff1",
            "..//diff",
        ] {
            assert_eq!(layer_of_target(Path::new(other)), None, "{other}");
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
