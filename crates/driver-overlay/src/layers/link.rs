//! The short name of a layer: the file `link` in its directory, and the symbolic link of that name
//! in `l`, which leads to the contents of the layer.

use std::fmt;
use std::path::Path;

use layerhold_ids::LayerId;
use layerhold_sys::{
    Dir, Durability, PathError, RenameHow, best_effort, publish, random_bytes, random_suffix,
};

use crate::disk::{DIFF, FILE_MODE, LINK, LINKS, SHARED_MODE, optional};

/// Letters of a generated name.
const LENGTH: usize = 26;
/// Bytes that give [`LENGTH`] letters of five bits.
const RANDOM_BYTES: usize = (LENGTH * 5).div_ceil(8);
/// The letters of base32 (RFC 4648).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// No name is longer.
const LONGEST_NAME: usize = 255;
/// A longer `link` file is an error of its own.
const LONGEST_FILE: u64 = 1 << 20;

/// The short name of a layer.
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
        let is_one = (1..=LONGEST_NAME).contains(&text.len())
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

// ---- the file `link` ----

/// Reads the short name of a layer; `None` when it is lost.
pub(crate) fn read_link_file(dir: &Dir) -> Result<Option<LinkName>, PathError> {
    let text = dir.read_file(LINK, LONGEST_FILE)?;
    Ok(text.and_then(|text| LinkName::parse(&text)))
}

/// Writes the short name of a layer.
pub(crate) fn write_link(
    dir: &Dir,
    link: &LinkName,
    durability: Durability,
) -> Result<(), PathError> {
    let text = link.as_str().as_bytes();
    publish(dir, LINK, FILE_MODE, &[text], durability)
}

// ---- the symbolic link ----

fn link_target(id: &LayerId) -> String {
    format!("../{id}/{DIFF}")
}

/// The layer that a symbolic link with this target leads to.
pub(crate) fn layer_of_target(target: &Path) -> Option<LayerId> {
    let rest = target.to_str()?.strip_prefix("../")?;
    rest.strip_suffix(DIFF)?.strip_suffix('/')?.parse().ok()
}

/// Reads the symbolic link of a short name; `None` when there is none, or when it leads to no
/// layer.
pub(crate) fn read_symlink(links: &Dir, link: &LinkName) -> Result<Option<LayerId>, PathError> {
    match links.read_link(link.as_str()) {
        Ok(target) => Ok(layer_of_target(&target)),
        Err(error) if is_no_link(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether reading a symbolic link failed because there is none of the name.
pub(crate) fn is_no_link(error: &PathError) -> bool {
    error.is_not_found() || error.kind() == std::io::ErrorKind::InvalidInput
}

/// Makes the symbolic link of a layer in a home. It replaces anything else of its name.
pub(crate) fn put_symlink(home: &Dir, link: &LinkName, id: &LayerId) -> Result<(), PathError> {
    let links = home.ensure_dir(LINKS, SHARED_MODE)?;
    let target = link_target(id);
    match links.symlink(&target, link.as_str()) {
        Err(error) if error.already_exists() => {}
        other => return other,
    }
    if optional(links.read_link(link.as_str()))
        .is_ok_and(|known| known.is_some_and(|known| known.as_os_str() == target.as_str()))
    {
        return Ok(());
    }
    let temporary = format!(".tmp-{link}{}", random_suffix()?);
    links.symlink(&target, &temporary)?;
    let moved = links.rename(&temporary, &links, link.as_str(), RenameHow::Replace);
    if moved.is_err() {
        // The first failure is the one to report.
        best_effort(links.remove_file(&temporary));
    }
    moved
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
        }
        assert_eq!(LinkName::parse(b"ABC\n").unwrap().as_str(), "ABC");
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
}
