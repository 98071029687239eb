//! A file that gets its name when it is complete.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::best_effort::best_effort;
use crate::files::publish::random_suffix;

/// How many links are followed from one to the next, as the kernel does.
const MAX_LINKS: usize = 40;

/// The permissions of a new file, before the umask.
const MODE: u32 = 0o644;

/// A file that a program writes for its user: it gets its name, or replaces an older file, when it
/// is [published](Self::publish). Until then, and if it is dropped before, the older file stays.
///
/// A symbolic link at that name stays, and its target is replaced. Pipes, terminals, devices, and
/// open files under `/proc` or `/dev/fd` are written in place. It is not buffered.
///
/// Errors do not name the path, which the caller knows.
///
/// ```
/// use std::io::Write;
///
/// use layerhold_sys::OutputFile;
///
/// # let scratch = tempfile::tempdir()?;
/// let path = scratch.path().join("archive.tar");
/// let mut file = OutputFile::create(&path)?;
/// file.write_all(b"contents")?;
/// assert!(!path.exists());
/// file.publish()?;
/// assert_eq!(std::fs::read(&path)?, b"contents");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the file gets its name when it is published"]
pub struct OutputFile {
    file: File,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Still under a temporary name, to be renamed.
    Temporary { name: PathBuf, path: PathBuf },
    /// Written in place, or published.
    InPlace,
}

impl OutputFile {
    /// Creates the file, under a temporary name beside its place.
    ///
    /// # Errors
    ///
    /// The directory is missing or cannot be written to, or the file that is written in place
    /// cannot be opened.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let place = followed(path)?;
        if is_written_in_place(path, &place) {
            let file = OpenOptions::new().write(true).truncate(true).open(path)?;
            let kind = Kind::InPlace;
            return Ok(Self { file, kind });
        }
        let suffix = random_suffix().map_err(io::Error::other)?;
        let name = place.with_file_name(format!(".layerhold-output-{suffix}"));
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&name)?;
        let path = place;
        let kind = Kind::Temporary { name, path };
        Ok(Self { file, kind })
    }

    /// Gives the file its name, after its contents are on the disk.
    ///
    /// # Errors
    ///
    /// The contents cannot be flushed, or something that is no file has the name. The temporary
    /// file is removed then.
    #[expect(
        clippy::disallowed_methods,
        reason = "the caller's path, beside which the temporary file is"
    )]
    pub fn publish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Kind::Temporary { name, path } = &self.kind {
            self.file.sync_data()?;
            std::fs::rename(name, path)?;
            self.kind = Kind::InPlace;
        }
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Kind::Temporary { name, .. } = &self.kind {
            best_effort(std::fs::remove_file(name));
        }
    }
}

/// The target of a path with symbolic links at its end resolved.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&place) else {
            return Ok(place);
        };
        place = match place.parent() {
            Some(parent) => parent.join(target),
            None => target,
        };
    }
    // For a loop of links the kernel returns the error.
    std::fs::metadata(path).map(|_| place)
}

/// Whether a file is written in place: pipes and devices, and open files that links in `/proc` lead
/// to. Such a file may be unlinked, and its readers have it open.
fn is_written_in_place(path: &Path, place: &Path) -> bool {
    let Ok(there) = std::fs::metadata(path) else {
        return false;
    };
    let is_same = |named: Metadata| (named.dev(), named.ino()) == (there.dev(), there.ino());
    !there.is_file() || is_open_file(path) || !std::fs::metadata(place).is_ok_and(is_same)
}

/// Whether a path leads through the open files of a process, as `/dev/fd/3` does.
fn is_open_file(path: &Path) -> bool {
    let in_proc = |path: &Path| {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        parent.is_some_and(|parent| parent.as_os_str().as_bytes().starts_with(b"/proc"))
    };
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        if in_proc(&place) {
            return true;
        }
        match (std::fs::read_link(&place), place.parent()) {
            (Ok(target), Some(parent)) => place = parent.join(target),
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_older_file_stays_until_the_new_one_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(dir.path()), ["out"]);
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.publish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn links_stay_and_devices_are_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        symlink("target", &link).unwrap();
        let mut file = OutputFile::create(&link).unwrap();
        file.write_all(b"x").unwrap();
        file.publish().unwrap();
        assert!(link.is_symlink() && !target.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "x");
        let mut file = OutputFile::create("/dev/null").unwrap();
        file.write_all(b"x").unwrap();
        file.publish().unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        assert!(OutputFile::create(dir.path().join("loop")).is_err());
    }

    #[test]
    fn what_cannot_be_created_or_replaced_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let error = OutputFile::create(dir.path().join("gone/out")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let path = dir.path().join("out");
        let file = OutputFile::create(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(file.publish().is_err());
        assert_eq!(names(dir.path()), ["out"]);
    }
}
