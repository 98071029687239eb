//! Removes access control lists that a new entry inherited from its directory.
//!
//! A directory may have a default list: a new entry gets it as its own list, and its mode from it
//! instead of from the umask.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::directory::dir::Dir;
use crate::error::{Context, Result, descriptor_path};
use crate::xattr;

/// The access list of a file or directory.
const ACCESS: &str = "system.posix_acl_access";
/// The default list of a directory, which new entries inherit.
const DEFAULT: &str = "system.posix_acl_default";

/// Whether an entry had an access control list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherited {
    /// It had one, and its mode may differ from the one asked for.
    Acl,
    /// It had none.
    Nothing,
}

/// Whether new entries of a directory inherit a list.
pub fn has_default_acl(dir: &Dir) -> Result<bool> {
    is_set(dir, DEFAULT)
}

/// Removes the lists of an open file or directory.
pub fn remove_acls(file: &impl AsFd) -> Result<Inherited> {
    let mut found = Inherited::Nothing;
    for name in [ACCESS, DEFAULT] {
        if is_set(file, name)? {
            xattr::remove(file, name)?;
            found = Inherited::Acl;
        }
    }
    Ok(found)
}

/// Removes the list of an entry that must not be opened, such as a device. Not for directories.
pub fn remove_acl_at(dir: &Dir, entry: impl AsRef<OsStr>) -> Result<Inherited> {
    let entry = entry.as_ref();
    match xattr::get_at(dir, entry, ACCESS)? {
        Some(_) => xattr::remove_at(dir, entry, ACCESS).map(|_| Inherited::Acl),
        None => Ok(Inherited::Nothing),
    }
}

impl Dir {
    /// Creates a directory without access control lists and with exactly this mode, whatever its
    /// parent passes on. Its own entries inherit nothing.
    pub fn create_plain_dir(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        let name = name.as_ref();
        self.create_dir(name, mode)?;
        let made = self.open_dir(name)?;
        if remove_acls(&made)? == Inherited::Acl {
            made.set_own_mode(mode)?;
        }
        Ok(made)
    }

    /// Opens a directory; creates it as [`create_plain_dir`](Self::create_plain_dir) does if it
    /// does not exist.
    pub fn ensure_plain_dir(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        let name = name.as_ref();
        match self.open_dir(name) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        match self.create_plain_dir(name, mode) {
            Err(error) if error.already_exists() => self.open_dir(name),
            other => other,
        }
    }
}

/// Removing a list does not tell whether there was one.
fn is_set(file: &impl AsFd, name: &str) -> Result<bool> {
    match rustix::fs::fgetxattr(file, name, &mut [0u8; 0][..]) {
        Ok(_) | Err(Errno::RANGE) => Ok(true),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error).context("get attribute of", || descriptor_path(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenOptions;

    /// A default list (linux/posix_acl_xattr.h): version 2; owner `r-x`, user 1234 `rwx`, group and
    /// mask `rwx`, others nothing.
    fn list() -> Vec<u8> {
        let none = u32::MAX;
        let mut value = 2u32.to_le_bytes().to_vec();
        for (tag, bits, id) in [
            (1u16, 5u16, none),
            (2, 7, 1234),
            (4, 7, none),
            (0x10, 7, none),
            (0x20, 0, none),
        ] {
            value.extend(tag.to_le_bytes());
            value.extend(bits.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    }

    #[test]
    fn nothing_is_inherited() {
        let place = tempfile::tempdir().unwrap();
        let above = Dir::open_ambient(place.path()).unwrap();
        assert!(!has_default_acl(&above).unwrap());
        match xattr::set(&above, DEFAULT, &list()) {
            Err(error) if error.is_unsupported() => return,
            other => other.unwrap(),
        }
        assert!(has_default_acl(&above).unwrap());
        let plain = above.ensure_plain_dir("plain", 0o750).unwrap();
        assert_eq!(plain.stat_self().unwrap().permissions(), 0o750);
        assert!(xattr::list(&plain).unwrap().is_empty());
        assert_eq!(remove_acls(&plain).unwrap(), Inherited::Nothing);
        drop(above.ensure_plain_dir("plain", 0o700).unwrap());
        assert_eq!(plain.stat_self().unwrap().permissions(), 0o750);

        let options = OpenOptions::write().create(crate::Create::New).mode(0o666);
        let file = above.open_with("f", options).unwrap();
        assert_eq!(remove_acls(&file).unwrap(), Inherited::Acl);
        assert_eq!(remove_acls(&file).unwrap(), Inherited::Nothing);
        drop(above.open_with("g", options).unwrap());
        assert_eq!(remove_acl_at(&above, "g").unwrap(), Inherited::Acl);
        assert_eq!(remove_acl_at(&above, "g").unwrap(), Inherited::Nothing);
    }
}
