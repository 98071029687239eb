//! How overlay filesystems represent deletions in their directories.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;

use layerhold_sys::{Dir, FileType, PathError, Stat, xattr};

use crate::entry_path::os;
use crate::tree::sorted_entries;
use crate::whiteout::{Meaning, OPAQUE_NAME, WHITEOUT_PREFIX, meaning_of_name};

/// The namespace of overlayfs's own attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayNamespace {
    /// `trusted.overlay.`, for mounts by root.
    Trusted,
    /// `user.overlay.`, for mounts in a user namespace (`userxattr`).
    User,
}

impl OverlayNamespace {
    /// The attribute that marks a directory as opaque.
    #[must_use]
    pub fn opaque_attribute(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// Which overlay implementation wrote a directory. In both forms, a character device 0:0 deletes
/// the lower entry of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayForm {
    /// The kernel: attributes mark opaque directories and, since Linux 6.7, empty files as
    /// whiteouts.
    Kernel(OverlayNamespace),
    /// fuse-overlayfs: attributes of any namespace, files `.wh.x`, and `.wh..wh..opq` in opaque
    /// directories, as its privileges allow.
    Fuse,
}

impl From<OverlayNamespace> for OverlayForm {
    fn from(namespace: OverlayNamespace) -> Self {
        Self::Kernel(namespace)
    }
}

/// Prefix of fuse-overlayfs's own attributes.
pub(crate) const FUSE_PREFIX: &str = "user.fuseoverlayfs.";
const TRUSTED_PREFIX: &str = "trusted.overlay.";
pub(crate) const USER_PREFIX: &str = "user.overlay.";

/// A name that the directory of one layer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpperEntry {
    /// The name.
    pub name: OsString,
    /// What it is; `None` for a whiteout.
    pub stat: Option<Stat>,
}

/// A name in one layer's directory.
pub(crate) enum OverlayEntry {
    /// Not in this layer; lower ones decide.
    Nothing,
    /// Deleted.
    Whiteout,
    /// Present. A directory that `replaces` hides those below it.
    Present { stat: Stat, replaces: bool },
}

/// A name that a layer's directory mentions.
pub(crate) struct OverlayName {
    pub(crate) name: OsString,
    /// Only a file `.wh.x` mentions it.
    pub(crate) by_name: bool,
    /// It has a whiteout too, so it hides lower entries.
    pub(crate) replaces: bool,
}

impl OverlayForm {
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Kernel(OverlayNamespace::Trusted) => &[TRUSTED_PREFIX],
            Self::Kernel(OverlayNamespace::User) => &[USER_PREFIX],
            Self::Fuse => &[TRUSTED_PREFIX, USER_PREFIX, FUSE_PREFIX],
        }
    }

    /// Whether this overlay uses the attribute internally.
    pub(crate) fn owns(self, attribute: &[u8]) -> bool {
        let prefixes = self.prefixes().iter();
        prefixes
            .map(|p| p.as_bytes())
            .any(|p| attribute.starts_with(p))
    }

    /// Whether an attribute is the overlay's own one called `word`, such as `redirect`.
    pub(crate) fn is_word(self, attribute: &[u8], word: &str) -> bool {
        self.prefixes().iter().any(|prefix| {
            let rest = attribute.strip_prefix(prefix.as_bytes());
            rest == Some(word.as_bytes())
        })
    }

    /// Whether an open file or directory has the mark `opaque` or `whiteout`.
    pub(crate) fn marks(self, file: &impl AsFd, mark: &str) -> Result<bool, PathError> {
        for prefix in self.prefixes() {
            let value = xattr::get(file, format!("{prefix}{mark}"))?;
            if value.is_some_and(|value| mark != "opaque" || value == b"y") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn get(self, dir: &Dir, name: &OsStr, word: &str) -> Result<Option<Vec<u8>>, PathError> {
        for prefix in self.prefixes() {
            let value = xattr::get_at(dir, name, format!("{prefix}{word}"))?;
            if value.is_some() {
                return Ok(value);
            }
        }
        Ok(None)
    }

    /// Lists what the directory of one layer holds, sorted by name. Entries that vanish are left
    /// out.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn entries(self, dir: &Dir) -> Result<Vec<UpperEntry>, PathError> {
        let mut found = Vec::new();
        for OverlayName { name, .. } in self.names(dir)? {
            let stat = match self.lookup(dir, &name)? {
                OverlayEntry::Nothing => continue,
                OverlayEntry::Whiteout => None,
                OverlayEntry::Present { stat, .. } => Some(stat),
            };
            found.push(UpperEntry { name, stat });
        }
        Ok(found)
    }

    /// Whether an open directory of one layer is marked as hiding those below it. With
    /// fuse-overlayfs, files may say so too.
    ///
    /// # Errors
    /// If its attributes cannot be read.
    pub fn is_marked_opaque(self, dir: &Dir) -> Result<bool, PathError> {
        self.marks(dir, "opaque")
    }

    /// Whether an open directory of one layer continues lower ones of another name.
    ///
    /// # Errors
    /// If its attributes cannot be read.
    pub fn is_marked_redirected(self, dir: &Dir) -> Result<bool, PathError> {
        self.marks(dir, "redirect")
    }

    /// Whether the directory `name` hides the contents of lower ones.
    pub(crate) fn is_opaque(self, dir: &Dir, name: &OsStr) -> Result<bool, PathError> {
        if self.get(dir, name, "opaque")?.as_deref() == Some(b"y") {
            return Ok(true);
        }
        match self {
            Self::Kernel(_) => Ok(false),
            Self::Fuse => dir.open_dir(name)?.exists(OPAQUE_NAME),
        }
    }

    /// Whether the directory `name` continues lower ones of another name.
    pub(crate) fn is_redirected(self, dir: &Dir, name: &OsStr) -> Result<bool, PathError> {
        Ok(self.get(dir, name, "redirect")?.is_some())
    }

    /// Whether an entry, whose `stat` is current, is a whiteout.
    fn is_whiteout(self, dir: &Dir, name: &OsStr, stat: &Stat) -> Result<bool, PathError> {
        match stat.file_type() {
            FileType::CharDevice => Ok(stat.rdev == 0),
            FileType::File if stat.size == 0 => Ok(self.get(dir, name, "whiteout")?.is_some()),
            _ => Ok(false),
        }
    }

    /// Looks up one name in one layer's directory.
    pub(crate) fn lookup(self, dir: &Dir, name: &OsStr) -> Result<OverlayEntry, PathError> {
        let hides = match self {
            Self::Kernel(_) => false,
            Self::Fuse => dir.exists(whiteout_of(name))?,
        };
        match dir.stat(name)? {
            None if hides => Ok(OverlayEntry::Whiteout),
            None => Ok(OverlayEntry::Nothing),
            Some(stat) if self.is_whiteout(dir, name, &stat)? => Ok(OverlayEntry::Whiteout),
            Some(stat) => Ok(OverlayEntry::Present {
                stat,
                replaces: hides,
            }),
        }
    }

    /// All names that a layer's directory mentions, sorted. [`lookup`](Self::lookup) tells which of
    /// them are whiteouts.
    pub(crate) fn names(self, dir: &Dir) -> Result<Vec<OverlayName>, PathError> {
        let mut noted: Vec<OverlayName> = Vec::new();
        for entry in sorted_entries(dir)? {
            let meaning = match self {
                Self::Kernel(_) => Meaning::Ordinary,
                Self::Fuse => meaning_of_name(entry.name.as_encoded_bytes()),
            };
            let (name, by_name) = match meaning {
                Meaning::Ordinary => (entry.name, false),
                Meaning::Delete(hidden) if !is_reserved(hidden) => (os(hidden).into(), true),
                _ => continue,
            };
            noted.push(OverlayName {
                name,
                by_name,
                replaces: false,
            });
        }
        // An entry comes before a whiteout of its name.
        noted.sort_by(|a, b| (&a.name, a.by_name).cmp(&(&b.name, b.by_name)));
        noted.dedup_by(|later, kept| {
            let same = later.name == kept.name;
            kept.replaces |= same;
            same
        });
        Ok(noted)
    }
}

fn whiteout_of(name: &OsStr) -> OsString {
    let mut whiteout = OsString::from(WHITEOUT_PREFIX);
    whiteout.push(name);
    whiteout
}

/// `.wh..wh.x` is not a whiteout of `.wh.x`: such names are reserved.
fn is_reserved(hidden: &[u8]) -> bool {
    hidden.starts_with(WHITEOUT_PREFIX.as_bytes())
}
