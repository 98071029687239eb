use crate::directory::dir::{DIR_FLAGS, Dir};
use crate::error::{Context, Result};
use crate::files::publish::random_suffix;
use crate::trees::remove_tree::remove_tree;

/// Whether listing a directory of this filesystem gives the types of its entries.
///
/// overlayfs needs that; XFS made with `ftype=0` lacks it (Go: drivers/overlay/overlay.go,
/// pkg/fsutils). The test creates a file and a directory in a new directory `.d-type-…`, and
/// removes them again.
pub fn supports_d_type(dir: &Dir) -> Result<bool> {
    let name = format!(".d-type-{}", random_suffix()?);
    dir.create_dir(&name, 0o700)?;
    let answer = dir.open_dir(&name).and_then(|probe| probe_types(&probe));
    remove_tree(dir, &name)?;
    answer
}

fn probe_types(probe: &Dir) -> Result<bool> {
    drop(probe.create_file("file", 0o600)?);
    probe.create_dir("dir", 0o700)?;
    let read = || -> rustix::io::Result<bool> {
        let own = rustix::fs::openat(probe, c".", DIR_FLAGS, rustix::fs::Mode::empty())?;
        let mut told = 0;
        for entry in rustix::fs::Dir::new(own)? {
            let entry = entry?;
            let right = match entry.file_name().to_bytes() {
                b"file" => rustix::fs::FileType::RegularFile,
                b"dir" => rustix::fs::FileType::Directory,
                _ => continue,
            };
            told += i32::from(entry.file_type() == right);
        }
        Ok(told == 2)
    };
    read().context("read directory", || probe.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_filesystems_tell_types_and_the_probe_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient(scratch.path()).unwrap();
        assert!(supports_d_type(&dir).unwrap());
        assert_eq!(dir.entries().unwrap().count(), 0);
    }
}
