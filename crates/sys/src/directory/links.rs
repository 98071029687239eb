//! Links, nodes, renames and removals.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use crate::directory::dir::Dir;
use crate::directory::options::permission_bits;
use crate::error::{Context, PathError, Result};

/// The types of node that [`Dir::make_node`] creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeKind {
    /// A named pipe; the device number is ignored.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A socket that is not bound to a process; the device number is ignored.
    Socket,
}

/// What a rename does if the new name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenameHow {
    /// Replaces the entry, atomically.
    Replace,
    /// Fails with `AlreadyExists`.
    NoReplace,
    /// Swaps the two entries.
    Exchange,
}

impl Dir {
    /// Reads the target of a symbolic link.
    pub fn read_link(&self, name: impl AsRef<OsStr>) -> Result<PathBuf> {
        let name = name.as_ref();
        self.check("read link", name)?;
        rustix::fs::readlinkat(self, name, Vec::new())
            .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
            .context("read link", || self.join(name))
    }

    /// Creates a symbolic link; the target is stored as it is and not checked.
    pub fn symlink(&self, target: impl AsRef<OsStr>, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        self.check("create symbolic link", name)?;
        rustix::fs::symlinkat(target.as_ref(), self, name)
            .context("create symbolic link", || self.join(name))
    }

    /// Gives an entry a second name; a symbolic link is not followed.
    pub fn hard_link(
        &self,
        name: impl AsRef<OsStr>,
        new_dir: &Self,
        new_name: impl AsRef<OsStr>,
    ) -> Result<()> {
        let (name, new_name) = (name.as_ref(), new_name.as_ref());
        self.check("create hard link from", name)?;
        new_dir.check("create hard link", new_name)?;
        rustix::fs::linkat(self, name, new_dir, new_name, AtFlags::empty())
            .context("create hard link", || new_dir.join(new_name))
    }

    /// Creates a FIFO, device or socket; `mode` is subject to the umask.
    pub fn make_node(
        &self,
        name: impl AsRef<OsStr>,
        kind: NodeKind,
        mode: u32,
        device: u64,
    ) -> Result<()> {
        let name = name.as_ref();
        self.check("create node", name)?;
        let (file_type, device) = match kind {
            NodeKind::Fifo => (rustix::fs::FileType::Fifo, 0),
            NodeKind::CharDevice => (rustix::fs::FileType::CharacterDevice, device),
            NodeKind::BlockDevice => (rustix::fs::FileType::BlockDevice, device),
            NodeKind::Socket => (rustix::fs::FileType::Socket, 0),
        };
        rustix::fs::mknodat(self, name, file_type, permission_bits(mode), device)
            .context("create node", || self.join(name))
    }

    /// Moves an entry, possibly to another directory of the same filesystem.
    ///
    /// Without `renameat2`, [`RenameHow::NoReplace`] checks first and then renames, which is not
    /// atomic.
    pub fn rename(
        &self,
        name: impl AsRef<OsStr>,
        new_dir: &Self,
        new_name: impl AsRef<OsStr>,
        how: RenameHow,
    ) -> Result<()> {
        let (name, new_name) = (name.as_ref(), new_name.as_ref());
        self.check("rename", name)?;
        new_dir.check("rename to", new_name)?;
        let flags = match how {
            RenameHow::Replace => {
                return rustix::fs::renameat(self, name, new_dir, new_name)
                    .context("rename", || self.join(name));
            }
            RenameHow::NoReplace => RenameFlags::NOREPLACE,
            RenameHow::Exchange => RenameFlags::EXCHANGE,
        };
        match rustix::fs::renameat_with(self, name, new_dir, new_name, flags) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS) if how == RenameHow::NoReplace => {
                self.rename_after_looking(name, new_dir, new_name)
            }
            Err(Errno::EXIST) => Err(PathError::new(
                "rename to",
                new_dir.join(new_name),
                Errno::EXIST.into(),
            )),
            Err(error) => Err(PathError::new("rename", self.join(name), error.into())),
        }
    }

    fn rename_after_looking(&self, name: &OsStr, new_dir: &Self, new_name: &OsStr) -> Result<()> {
        if new_dir.exists(new_name)? {
            let path = new_dir.join(new_name);
            return Err(PathError::new("rename to", path, Errno::EXIST.into()));
        }
        rustix::fs::renameat(self, name, new_dir, new_name).context("rename", || self.join(name))
    }

    /// Removes an entry that is not a directory.
    pub fn remove_file(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        self.check("remove", name)?;
        rustix::fs::unlinkat(self, name, AtFlags::empty()).context("remove", || self.join(name))
    }

    /// Removes an empty directory.
    pub fn remove_empty_dir(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        self.check("remove directory", name)?;
        rustix::fs::unlinkat(self, name, AtFlags::REMOVEDIR)
            .context("remove directory", || self.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::stat::FileType;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        (scratch, dir)
    }

    #[test]
    fn renames_replace_refuse_or_exchange() {
        let (_scratch, dir) = scratch();
        let sub = dir.ensure_dir("sub", 0o700).unwrap();
        drop(dir.create_file("a", 0o600).unwrap());
        drop(sub.create_file("b", 0o640).unwrap());
        let error = dir
            .rename("a", &sub, "b", RenameHow::NoReplace)
            .unwrap_err();
        assert!(error.already_exists());
        assert_eq!(error.path(), sub.path().join("b"));
        assert!(
            dir.rename_after_looking(OsStr::new("a"), &sub, OsStr::new("b"))
                .is_err()
        );
        dir.rename("a", &sub, "b", RenameHow::Exchange).unwrap();
        assert_eq!(dir.stat("a").unwrap().unwrap().permissions(), 0o640);
        dir.rename("a", &sub, "b", RenameHow::Replace).unwrap();
        assert_eq!(sub.stat("b").unwrap().unwrap().permissions(), 0o640);
        dir.rename_after_looking(OsStr::new("sub"), &dir, OsStr::new("sub2"))
            .unwrap();
        dir.rename("sub2", &dir, "sub3", RenameHow::NoReplace)
            .unwrap();
        assert!(
            dir.rename("a", &dir, "x", RenameHow::Replace)
                .unwrap_err()
                .is_not_found()
        );
    }

    #[test]
    fn links_and_fifos_are_made_and_read() {
        let (_scratch, dir) = scratch();
        dir.symlink("/not/checked/..", "link").unwrap();
        assert_eq!(
            dir.read_link("link").unwrap(),
            PathBuf::from("/not/checked/..")
        );
        dir.hard_link("link", &dir, "other").unwrap();
        let stat = dir.stat("other").unwrap().unwrap();
        assert_eq!((stat.file_type(), stat.nlink), (FileType::Symlink, 2));
        dir.make_node("fifo", NodeKind::Fifo, 0o600, 7).unwrap();
        dir.make_node("socket", NodeKind::Socket, 0o600, 0).unwrap();
        assert_eq!(
            dir.stat("fifo").unwrap().unwrap().file_type(),
            FileType::Fifo
        );
        assert_eq!(
            dir.stat("socket").unwrap().unwrap().file_type(),
            FileType::Socket
        );
        dir.remove_file("fifo").unwrap();
        assert!(dir.remove_empty_dir("socket").is_err());
    }
}
