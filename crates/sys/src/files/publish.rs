//! Replaces a file atomically: a reader sees the old or the new content.
//!
//! The steps, and what a crash after each leaves: (1) create a temporary file `.tmp-NAMEdigits` in
//! the same directory and write it: the old file and a stray temporary; (2) sync its content: the
//! same; (3) rename it over the name: the old or the new file, after a power cut either; (4) sync
//! the directory: the new file. The name and steps 1 to 3 are those of the Go library (Go:
//! pkg/ioutils/fswriters.go), which has no step 4.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IoSlice, Write};

use rustix::fs::AtFlags;

use crate::directory::attributes::set_file_mode;
use crate::directory::dir::Dir;
use crate::directory::links::RenameHow;
use crate::error::{Context, Result};
use crate::random::random_bytes;

/// Whether a published file survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Content and name are on the disk when publishing returns.
    Durable,
    /// Only the replacement is atomic; after a power cut the content is undefined.
    Volatile,
}

/// Creates or replaces the file `name` with the concatenation of `chunks`.
///
/// The file gets exactly the permissions `mode`, whatever the umask. On failure the old file is
/// unchanged and the temporary is removed.
pub fn publish(
    dir: &Dir,
    name: impl AsRef<OsStr>,
    mode: u32,
    chunks: &[&[u8]],
    durability: Durability,
) -> Result<()> {
    let staged = Staged::create(dir, name.as_ref(), mode, chunks)?;
    if durability == Durability::Durable {
        staged.sync()?;
    }
    staged.publish()?;
    match durability {
        Durability::Durable => dir.sync(),
        Durability::Volatile => Ok(()),
    }
}

/// A complete temporary file, not yet visible under its final name.
///
/// Dropping it removes the temporary.
#[derive(Debug)]
#[must_use = "dropping a staged file removes it"]
pub struct Staged {
    dir: Dir,
    name: OsString,
    temporary: OsString,
    file: File,
    published: bool,
}

impl Staged {
    /// Creates and writes the temporary file.
    pub fn create(dir: &Dir, name: &OsStr, mode: u32, chunks: &[&[u8]]) -> Result<Self> {
        dir.check("publish", name)?;
        let (temporary, file) = create_temporary(dir, name)?;
        let mut staged = Self {
            dir: dir.clone(),
            name: name.to_owned(),
            temporary,
            file,
            published: false,
        };
        write_chunks(&mut staged.file, chunks).context("write", || dir.join(&staged.temporary))?;
        set_file_mode(&staged.file, mode)?;
        Ok(staged)
    }

    /// Makes the content durable.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fdatasync(&self.file).context("sync", || self.dir.join(&self.temporary))
    }

    /// Makes the file visible under its final name.
    pub fn publish(mut self) -> Result<()> {
        self.dir
            .rename(&self.temporary, &self.dir, &self.name, RenameHow::Replace)?;
        self.published = true;
        Ok(())
    }

    /// Its final name.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The open temporary file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // A failure here cannot be handled; the name marks the file as a leftover.
            let _ = rustix::fs::unlinkat(&self.dir, &self.temporary, AtFlags::empty());
        }
    }
}

/// A name is taken only if two random numbers are equal; this bounds the loop.
const ATTEMPTS: u32 = 100;

fn create_temporary(dir: &Dir, name: &OsStr) -> Result<(OsString, File)> {
    let mut attempt = 0;
    loop {
        let mut temporary = OsString::from(".tmp-");
        temporary.push(name);
        temporary.push(random_suffix()?);
        match dir.create_file(&temporary, 0o600) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.already_exists() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A random decimal number, in the form of Go's `os.CreateTemp`.
pub fn random_suffix() -> Result<String> {
    let mut bytes = [0; 4];
    random_bytes(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes).to_string())
}

fn write_chunks(file: &mut File, chunks: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut left = slices.as_mut_slice();
    // Skips leading empty slices: writing one returns 0, which looks like a failure.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(dir: &Dir) -> Vec<OsString> {
        let mut names: Vec<_> = dir.entries().unwrap().map(|e| e.unwrap().name).collect();
        names.sort();
        names
    }

    #[test]
    fn publishes_all_chunks_with_exact_mode() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        for durability in [Durability::Durable, Durability::Volatile] {
            let chunks: [&[u8]; 4] = [b"", b"ab", b"", b"c"];
            publish(&dir, "f", 0o646, &chunks, durability).unwrap();
            assert_eq!(dir.read_file("f", 10).unwrap().unwrap(), b"abc");
            let mode = dir
                .open_file("f")
                .unwrap()
                .metadata()
                .unwrap()
                .permissions();
            assert_eq!(mode.mode() & 0o7777, 0o646);
            assert_eq!(names(&dir), ["f"]);
        }
        publish(&dir, "f", 0o600, &[], Durability::Volatile).unwrap();
        assert_eq!(dir.read_file("f", 10).unwrap().unwrap(), b"");
    }

    #[test]
    fn more_chunks_than_one_call_takes() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let chunks = vec![&b"xy"[..]; 5000];
        publish(&dir, "f", 0o600, &chunks, Durability::Volatile).unwrap();
        assert_eq!(
            dir.read_file("f", 20_000).unwrap().unwrap(),
            b"xy".repeat(5000)
        );
    }

    #[test]
    fn dropping_a_staged_file_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        let staged = Staged::create(&dir, OsStr::new("f"), 0o600, &[b"x"]).unwrap();
        let temporary = names(&dir);
        assert_eq!(temporary.len(), 1);
        let digits = temporary[0]
            .to_str()
            .unwrap()
            .strip_prefix(".tmp-f")
            .unwrap();
        assert!(digits.parse::<u32>().is_ok());
        drop(staged);
        assert!(names(&dir).is_empty());
    }

    #[test]
    fn a_failed_rename_keeps_the_old_entry_and_removes_the_temporary() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        dir.create_dir("f", 0o700).unwrap();
        let error = publish(&dir, "f", 0o600, &[b"x"], Durability::Volatile).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(names(&dir), ["f"]);
    }
}
