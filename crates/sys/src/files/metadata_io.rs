use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{Cursor, Read};

use crate::directory::dir::Dir;
use crate::error::Result;
use crate::files::publish::{Durability, Staged};

/// The operations on record files, as a seam for tests.
///
/// [`HostIo`] is the real implementation. A test wraps it, counts the calls and fails one of them,
/// to see what a crash at that point leaves behind.
pub trait MetadataIo: Debug + Send + Sync {
    /// Reads a whole file; `None` if it does not exist, an error if it is longer than `limit`
    /// bytes.
    fn read(&self, dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Vec<u8>>>;

    /// Opens a file for reading it piece by piece; `None` if it does not exist, an error if it is
    /// longer than `limit` bytes. By default, it is [read](Self::read) as a whole.
    fn open(&self, dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Box<dyn Read>>> {
        let content = self.read(dir, name, limit)?;
        Ok(content.map(|content| Box::new(Cursor::new(content)) as Box<dyn Read>))
    }

    /// Writes a temporary file that will become `name`.
    fn stage(&self, dir: &Dir, name: &OsStr, mode: u32, chunks: &[&[u8]]) -> Result<Staged>;

    /// Makes the content of a staged file durable.
    fn sync(&self, staged: &Staged) -> Result<()>;

    /// Renames a staged file to its name.
    fn publish(&self, staged: Staged) -> Result<()>;

    /// Removes a file; returns whether it existed.
    fn remove(&self, dir: &Dir, name: &OsStr) -> Result<bool>;

    /// Makes created, replaced and removed names of a directory durable.
    fn sync_dir(&self, dir: &Dir) -> Result<()>;

    /// Replaces a file by the operations above, in the order of [`publish`](crate::publish()).
    fn replace(
        &self,
        dir: &Dir,
        name: &OsStr,
        mode: u32,
        chunks: &[&[u8]],
        durability: Durability,
    ) -> Result<()> {
        let staged = self.stage(dir, name, mode, chunks)?;
        if durability == Durability::Durable {
            self.sync(&staged)?;
        }
        self.publish(staged)?;
        match durability {
            Durability::Durable => self.sync_dir(dir),
            Durability::Volatile => Ok(()),
        }
    }
}

/// [`MetadataIo`] on the real filesystem.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostIo;

impl MetadataIo for HostIo {
    fn read(&self, dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Vec<u8>>> {
        dir.read_file(name, limit)
    }

    fn open(&self, dir: &Dir, name: &OsStr, limit: u64) -> Result<Option<Box<dyn Read>>> {
        let file = dir.open_to_read(name, limit)?;
        Ok(file.map(|file| Box::new(file) as Box<dyn Read>))
    }

    fn stage(&self, dir: &Dir, name: &OsStr, mode: u32, chunks: &[&[u8]]) -> Result<Staged> {
        Staged::create(dir, name, mode, chunks)
    }

    fn sync(&self, staged: &Staged) -> Result<()> {
        staged.sync()
    }

    fn publish(&self, staged: Staged) -> Result<()> {
        staged.publish()
    }

    fn remove(&self, dir: &Dir, name: &OsStr) -> Result<bool> {
        match dir.remove_file(name) {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_dir(&self, dir: &Dir) -> Result<()> {
        dir.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_keeps_files() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let io: &dyn MetadataIo = &HostIo;
        let name = OsStr::new("f");
        assert_eq!(io.read(&dir, name, 9).unwrap(), None);
        assert!(io.open(&dir, name, 9).unwrap().is_none());
        io.replace(&dir, name, 0o600, &[b"one"], Durability::Durable)
            .unwrap();
        io.replace(&dir, name, 0o600, &[b"two"], Durability::Volatile)
            .unwrap();
        assert_eq!(io.read(&dir, name, 3).unwrap().unwrap(), b"two");
        let error = io.read(&dir, name, 2).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
        let mut content = String::new();
        let mut file = io.open(&dir, name, 3).unwrap().unwrap();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "two");
        let error = io.open(&dir, name, 2).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
        assert!(io.remove(&dir, name).unwrap());
        assert!(!io.remove(&dir, name).unwrap());
    }
}
