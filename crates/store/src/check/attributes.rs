//! Compares extended attributes, as far as images have them.
//!
//! File capabilities and `user` attributes are compared. Labels belong to the host, `trusted`
//! attributes to the mounting process, and those of overlay and fuse-overlayfs to these drivers. An
//! attribute that the filesystem or a user namespace did not allow is not damage, and neither is
//! one that was set beside those of the image, unless it is a capability.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use layerhold_sys::{Dir, PathError, xattr};
use layerhold_tar_format::Header;

use super::damage::{Attribute, AttributeChange};

/// File capabilities: they give a program rights when it is started.
const CAPABILITY: &[u8] = b"security.capability";
const USER: &[u8] = b"user.";
/// What overlay and fuse-overlayfs keep in the `user` namespace.
const OF_DRIVERS: [&[u8]; 3] = [
    b"user.overlay.",
    b"user.fuseoverlayfs.",
    b"user.containers.",
];
/// An attribute that no file has, to probe whether files could have one.
const PROBE: &str = "user.layerhold.probe";

/// Names and values of attributes, sorted by name.
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns the attributes of a header that are compared.
pub(super) fn stated(header: &Header) -> Attributes {
    let compared = header.xattrs().filter(|(name, _)| {
        let is_users =
            name.starts_with(USER) && !OF_DRIVERS.iter().any(|own| name.starts_with(own));
        *name == CAPABILITY || is_users
    });
    compared
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// Adds attributes, replacing those with the same names.
pub(super) fn add(attributes: &mut Attributes, more: &Attributes) {
    attributes.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    attributes.extend(more.iter().cloned());
    attributes.sort();
}

/// The attributes that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) users: bool,
    pub(super) capabilities: bool,
}

impl Compared {
    /// Finds out which attributes the filesystem of a tree keeps.
    pub(super) fn of(root: &Dir) -> Result<Self, PathError> {
        Ok(Self {
            users: xattr::is_kept(root, PROBE)?,
            capabilities: xattr::is_kept(root, OsStr::from_bytes(CAPABILITY))?,
        })
    }

    /// Leaves out `user` attributes: older versions of the Go library did not copy them from the
    /// parent.
    pub(super) const fn of_copy(self) -> Self {
        Self {
            users: false,
            ..self
        }
    }

    /// Compares the attributes of a file or directory with what they should be.
    pub(super) fn changes(
        self,
        dir: &Dir,
        name: &OsStr,
        expected: &Attributes,
    ) -> Result<Vec<AttributeChange>, PathError> {
        let mut changes = Vec::new();
        for (key, expected) in expected {
            let is_capability = key == CAPABILITY;
            let is_compared = if is_capability {
                self.capabilities
            } else {
                self.users
            };
            if !is_compared {
                continue;
            }
            let actual = xattr::get_at(dir, name, OsStr::from_bytes(key))?;
            if actual.as_deref().map(|value| rights(is_capability, value))
                != Some(rights(is_capability, expected))
            {
                changes.push(change(key, Some(expected), actual.as_deref()));
            }
        }
        let is_stated = expected.iter().any(|(key, _)| key == CAPABILITY);
        if self.capabilities
            && !is_stated
            && let Some(actual) = xattr::get_at(dir, name, OsStr::from_bytes(CAPABILITY))?
        {
            changes.push(change(CAPABILITY, None, Some(&actual)));
        }
        Ok(changes)
    }
}

/// Returns the part of a value that is compared. Capabilities can have a form for user namespaces,
/// with the ID of the root user at the end (`linux/capability.h`); the kernel converts between the
/// forms as needed.
fn rights(is_capability: bool, value: &[u8]) -> (u8, &[u8]) {
    const EFFECTIVE: u8 = 1;
    match (is_capability, value.first(), value.get(4..20)) {
        (true, Some(first), Some(sets)) => (first & EFFECTIVE, sets),
        _ => (0, value),
    }
}

fn change(key: &[u8], expected: Option<&[u8]>, actual: Option<&[u8]>) -> AttributeChange {
    let key = String::from_utf8_lossy(key);
    let shown = |value: Option<&[u8]>| match value {
        Some(value) => {
            let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{key}=0x{digits}")
        }
        None => format!("no {key}"),
    };
    AttributeChange {
        what: Attribute::Extended,
        expected: shown(expected),
        actual: shown(actual),
    }
}

#[cfg(test)]
mod tests {
    use layerhold_tar_format::EntryKind;

    use super::*;

    #[test]
    fn only_those_of_images_are_compared() {
        let mut header = Header::new(EntryKind::Regular, "f");
        for name in [
            "user.a",
            "user.containers.override_stat",
            "user.overlay.opaque",
            "security.selinux",
            "security.capability",
            "trusted.overlay.opaque",
            "system.posix_acl_access",
        ] {
            header.set_xattr(name.as_bytes(), b"1");
        }
        let stated = stated(&header);
        let names = stated
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        assert_eq!(names.collect::<Vec<_>>(), ["security.capability", "user.a"]);
    }

    #[test]
    fn the_form_of_capabilities_does_not_count() {
        let mut second = vec![1, 0, 0, 2];
        second.extend([7; 16]);
        let mut third = vec![1, 0, 0, 3];
        third.extend([7; 16]);
        third.extend([0, 0, 1, 0]);
        assert_eq!(rights(true, &second), rights(true, &third));
        second[0] = 0;
        assert_ne!(rights(true, &second), rights(true, &third));
        assert_ne!(rights(false, b"1"), rights(false, b"2"));
    }
}
