use std::collections::BTreeMap;

use layerhold_idmap::IdMappings;
use layerhold_sys::Dir;
use layerhold_tar_format::TarTime;

use crate::overlay_form::OverlayForm;

/// What it takes to write overlayfs's whiteouts as those of archives.
#[derive(Clone, Debug)]
pub struct OverlayLayers {
    /// How deletions are noted in them.
    pub form: OverlayForm,
    /// The layers below, uppermost first. A directory is only told to be opaque
    /// if one of them has something of its name.
    pub lower: Vec<Dir>,
}

/// Which version of the Go library the headers are to be like.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum HeaderStyle {
    /// Permission bits only, and no names of users, which differ between
    /// machines: what the library writes today (Go: `pkg/archive/archive.go`,
    /// `nosysFileInfo`).
    #[default]
    Current,
    /// With the file type in the mode, and the names that users have on this
    /// machine: what it wrote up to version 1.43 at least, as in Debian 12.
    Legacy(OwnerNames),
}

/// The names of users and groups on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerNames {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl OwnerNames {
    /// Reads them from the texts of `/etc/passwd` and `/etc/group`; lines that
    /// make no sense are skipped, and the first of several names counts.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        Self {
            users: names(passwd),
            groups: names(group),
        }
    }

    pub(super) fn user(&self, uid: u32) -> &str {
        self.users.get(&uid).map_or("", String::as_str)
    }

    pub(super) fn group(&self, gid: u32) -> &str {
        self.groups.get(&gid).map_or("", String::as_str)
    }
}

/// Both files begin their lines with name, password and number.
fn names(text: &str) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split(':');
        if let (Some(name), Some(_), Some(id)) = (parts.next(), parts.next(), parts.next())
            && let Ok(id) = id.parse()
        {
            found.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    found
}

/// What becomes of an owner on disk that has no place in the mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnmappedOwners {
    /// Packing fails.
    #[default]
    Fail,
    /// It is 65534 in the archive, as the kernel shows it in the container.
    Overflow,
}

/// How to pack.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// Owners on disk become owners in a container by these mappings; empty
    /// ones leave them as they are.
    pub id_maps: IdMappings,
    /// What becomes of owners that have no place in them.
    pub unmapped: UnmappedOwners,
    /// With this, the tree is the upper directory of an overlay.
    pub overlay: Option<OverlayLayers>,
    /// Stands for every modification time, for archives that come out the same.
    pub timestamp: Option<TarTime>,
    /// What the headers look like.
    pub style: HeaderStyle,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_names_count() {
        let names = OwnerNames::parse("root:x:0:0::\nnonsense\ntoor:x:0:0\n", "wheel:x:0:\n");
        assert_eq!((names.user(0), names.group(0)), ("root", "wheel"));
        assert_eq!((names.user(1), names.group(1)), ("", ""));
    }
}
