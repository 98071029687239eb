//! A new filesystem for one timed run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::shell::{capture, find, program};

const IMAGE_GIB: u64 = 8;
const INODES: &str = "400000";

/// An empty ext4 in an image file, mounted; removed on drop.
#[derive(Debug)]
pub(super) struct Scratch {
    image: PathBuf,
    mount_point: PathBuf,
}

impl Scratch {
    pub(super) fn fresh(work: &Path) -> Result<Self> {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("scratch-{}-{number}", std::process::id());
        let scratch = Self {
            image: work.join(format!("{name}.img")),
            mount_point: work.join(name),
        };
        let failed = |error: std::io::Error| format!("{}: {error}", scratch.image.display());
        fs::create_dir_all(&scratch.mount_point).map_err(failed)?;
        File::create(&scratch.image)
            .and_then(|image| image.set_len(IMAGE_GIB << 30))
            .map_err(failed)?;
        let mut mkfs = program("mkfs.ext4");
        mkfs.args([
            "-q",
            "-F",
            "-E",
            "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
            "-N",
            INODES,
        ]);
        capture(mkfs.arg(&scratch.image))?;
        capture(
            program("mount")
                .args(["-o", "loop"])
                .arg(&scratch.image)
                .arg(&scratch.mount_point),
        )?;
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing in it needs to be written back: shutting the filesystem down saves the disk
        // hundreds of megabytes, which would otherwise be written while the next contestant is
        // timed.
        if find("xfs_io").is_some() {
            drop(capture(
                program("xfs_io")
                    .args(["-x", "-c", "shutdown"])
                    .arg(&self.mount_point),
            ));
        }
        if let Err(why) = capture(
            program("umount")
                .args(["--recursive"])
                .arg(&self.mount_point),
        ) {
            eprintln!("{why}");
        }
        drop(fs::remove_file(&self.image));
        drop(fs::remove_dir(&self.mount_point));
    }
}
