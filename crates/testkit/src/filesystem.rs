//! New filesystems, mounted from an image file and removed on drop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ran::run;

/// A kind of filesystem that tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilesystemKind {
    /// ext4, without reflinks.
    Ext4,
    /// ext4 with support for project quotas; mount it with `prjquota`.
    Ext4Quota,
    /// XFS, with reflinks; project quota when mounted with `prjquota`.
    Xfs,
    /// XFS without reflinks, as made by older versions.
    XfsNoReflink,
    /// btrfs, with reflinks and subvolumes.
    Btrfs,
    /// tmpfs, in memory.
    Tmpfs,
}

impl FilesystemKind {
    /// The name `mount -t` knows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Ext4Quota => "ext4",
            Self::Xfs | Self::XfsNoReflink => "xfs",
            Self::Btrfs => "btrfs",
            Self::Tmpfs => "tmpfs",
        }
    }

    /// The program that makes one; `None` for tmpfs.
    #[must_use]
    pub fn maker(self) -> Option<&'static str> {
        match self {
            Self::Ext4 | Self::Ext4Quota => Some("mkfs.ext4"),
            Self::Xfs | Self::XfsNoReflink => Some("mkfs.xfs"),
            Self::Btrfs => Some("mkfs.btrfs"),
            Self::Tmpfs => None,
        }
    }

    /// Makes a filesystem of this kind in a new sparse file of `size_mib` MiB, or more if the kind
    /// needs more.
    ///
    /// # Errors
    /// The error text of the program, or if the kind has none.
    pub fn make(self, image: &Path, size_mib: u64) -> Result<(), String> {
        let maker = self.maker().ok_or("tmpfs lies in no file")?;
        make_image(image, size_mib.max(self.least_mib()) << 20)?;
        let made = run(Command::new(maker).args(self.maker_options()).arg(image));
        made.into_result().map(drop)
    }

    /// The smallest size in MiB that the program accepts.
    fn least_mib(self) -> u64 {
        match self {
            Self::Xfs | Self::XfsNoReflink => 320,
            Self::Btrfs => 128,
            Self::Ext4 | Self::Ext4Quota => 8,
            Self::Tmpfs => 1,
        }
    }

    fn maker_options(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            Self::Ext4Quota => &[
                "-q",
                "-F",
                "-O",
                "quota,project",
                "-E",
                "quotatype=prjquota",
            ],
            Self::Xfs | Self::Btrfs => &["-q", "-f"],
            Self::XfsNoReflink => &["-q", "-f", "-m", "reflink=0"],
            Self::Tmpfs => &[],
        }
    }
}

/// A mounted filesystem, unmounted on drop together with its image.
#[derive(Debug)]
#[must_use = "the filesystem is unmounted when this is dropped"]
pub struct Filesystem {
    mount_point: PathBuf,
    // Kept for its Drop: it holds the image and the mount point.
    _place: tempfile::TempDir,
}

impl Filesystem {
    /// Makes and mounts a filesystem of `kind` with `size_mib` MiB (more if the kind needs more).
    ///
    /// # Errors
    /// The error text of the failed program.
    pub fn create(kind: FilesystemKind, size_mib: u64) -> Result<Self, String> {
        Self::create_with(kind, size_mib, "")
    }

    /// As [`create`](Self::create), with further mount options such as `"pquota"`.
    ///
    /// # Errors
    /// The error text of the failed program.
    pub fn create_with(kind: FilesystemKind, size_mib: u64, options: &str) -> Result<Self, String> {
        Self::create_in(scratch(), kind, size_mib, options)
    }

    /// As [`create`](Self::create), with the image in memory where the machine has `/dev/shm`:
    /// flushing it costs nothing.
    ///
    /// # Errors
    /// The error text of the failed program.
    pub fn create_in_memory(kind: FilesystemKind, size_mib: u64) -> Result<Self, String> {
        let place = tempfile::Builder::new()
            .prefix("layerhold-")
            .tempdir_in("/dev/shm");
        Self::create_in(place.unwrap_or_else(|_| scratch()), kind, size_mib, "")
    }

    fn create_in(
        place: tempfile::TempDir,
        kind: FilesystemKind,
        size_mib: u64,
        options: &str,
    ) -> Result<Self, String> {
        let size = size_mib.max(kind.least_mib()) << 20;
        let mount_point = place.path().join("mnt");
        std::fs::create_dir(&mount_point).map_err(|error| error.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", kind.name(), "-o"]);
        match kind.maker() {
            Some(_) => {
                let image = place.path().join("image");
                kind.make(&image, size_mib)?;
                mount.arg(join_options("loop", options)).arg(&image);
            }
            None => {
                let sized = format!("size={size}");
                mount
                    .arg(join_options(&sized, options))
                    .arg("layerhold-test");
            }
        }
        run(mount.arg(&mount_point)).into_result()?;
        // Private, so that mounts below it do not propagate to other namespaces and keep it busy.
        run(Command::new("mount")
            .arg("--make-private")
            .arg(&mount_point))
        .into_result()?;
        Ok(Self {
            mount_point,
            _place: place,
        })
    }

    /// The root directory of the filesystem.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Remounts it with other options, such as `"ro"` or `"rw"`.
    ///
    /// # Errors
    /// The error text of `mount`.
    pub fn remount(&self, options: &str) -> Result<(), String> {
        let options = join_options("remount", options);
        run(Command::new("mount")
            .args(["-o", &options])
            .arg(&self.mount_point))
        .into_result()
        .map(drop)
    }
}

impl Drop for Filesystem {
    fn drop(&mut self) {
        // Lazy, so that a file that a failed test left open does not keep the mount in the tree;
        // mounts below are unmounted too.
        let unmounted = run(Command::new("umount")
            .args(["--recursive", "--lazy"])
            .arg(&self.mount_point));
        if let Err(why) = unmounted.into_result() {
            eprintln!("could not unmount {}: {why}", self.mount_point.display());
        }
    }
}

/// A new temporary directory, removed when the handle is dropped.
///
/// It is created in `LAYERHOLD_TEST_DIR` if that is set and not empty, otherwise in the usual
/// temporary directory.
///
/// # Panics
/// If the directory cannot be created.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("layerhold-");
    let made = match std::env::var_os("LAYERHOLD_TEST_DIR").filter(|path| !path.is_empty()) {
        Some(base) => builder.tempdir_in(base),
        None => builder.tempdir(),
    };
    made.expect("the temporary directory is writable")
}

fn make_image(path: &Path, size: u64) -> Result<(), String> {
    // Sparse: only what the test writes takes space.
    File::create(path)
        .and_then(|file| file.set_len(size))
        .map_err(|error| error.to_string())
}

fn join_options(first: &str, more: &str) -> String {
    if more.is_empty() {
        first.to_owned()
    } else {
        format!("{first},{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::require_filesystem;

    fn is_mounted(path: &Path) -> bool {
        let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
        table
            .lines()
            .any(|line| line.split(' ').nth(1) == path.to_str())
    }

    fn comes_and_goes(kind: FilesystemKind) {
        let Some(filesystem) = require_filesystem(kind, 64) else {
            return;
        };
        let path = filesystem.path().to_owned();
        assert!(is_mounted(&path));
        std::fs::write(path.join("file"), b"content").unwrap();
        filesystem.remount("ro").unwrap();
        let refused = std::fs::write(path.join("file"), b"more").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        drop(filesystem);
        assert!(!is_mounted(&path));
        assert!(!path.exists());
    }

    #[test]
    fn root_ext4_comes_and_goes() {
        comes_and_goes(FilesystemKind::Ext4);
    }

    #[test]
    fn root_xfs_comes_and_goes() {
        comes_and_goes(FilesystemKind::Xfs);
    }

    #[test]
    fn root_xfs_has_reflinks_unless_told_otherwise() {
        for (kind, expected) in [
            (FilesystemKind::Xfs, true),
            (FilesystemKind::XfsNoReflink, false),
        ] {
            let Some(filesystem) = require_filesystem(kind, 320) else {
                return;
            };
            let path = |name: &str| filesystem.path().join(name);
            std::fs::write(path("one"), [1; 8192]).unwrap();
            let copied = run(Command::new("cp")
                .arg("--reflink=always")
                .arg(path("one"))
                .arg(path("two")));
            assert_eq!(copied.succeeded(), expected, "{copied:?}");
        }
    }

    #[test]
    fn root_btrfs_comes_and_goes() {
        comes_and_goes(FilesystemKind::Btrfs);
    }

    #[test]
    fn root_tmpfs_comes_and_goes() {
        comes_and_goes(FilesystemKind::Tmpfs);
    }
}
