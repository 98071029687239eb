//! A disk that can be copied at an instant.
//!
//! The filesystem under test lies in an image file, which lies on a btrfs of its own and is mounted
//! by a loop device. A cut is a reflink of that file. btrfs takes the file's lock for all of it, as
//! it does for each write, and writes out what it has in memory of it before: so the copy holds
//! exactly the writes that the filesystem under test had been told are done, and none after. What
//! that filesystem still had in memory alone is lost, as in a power cut.
//!
//! What it is not: a disk that loses or reorders what it took without being flushed. Filesystems
//! guard against such disks by themselves, when they are asked to make something durable; whether
//! we ask is what is tested here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use layerhold_sys::best_effort;
use layerhold_testkit::{
    Feature, Filesystem, FilesystemKind, Ran, require_feature, require_peer, require_root, run,
};

/// Size of the filesystem under test.
const SIZE_MIB: u64 = 384;
/// Size of what it lies on, with its copies.
const LOWER_MIB: u64 = 8192;
/// How often a filesystem is asked to go whose last user may not be gone yet.
const TRIES: u32 = 50;

/// The disk, and where it is mounted while it is.
pub(super) struct Disk {
    kind: FilesystemKind,
    lower: Filesystem,
    mount_point: PathBuf,
    is_mounted: bool,
}

/// A copy of the disk as it was at an instant.
pub(super) struct Copy {
    image: PathBuf,
}

impl Disk {
    /// Makes one with an empty filesystem; `None` means: skip (already reported).
    pub(super) fn require(kind: FilesystemKind) -> Option<Self> {
        require_root()?;
        require_feature(Feature::LoopDevices)?;
        for program in ["mkfs.btrfs", "btrfs"].into_iter().chain(kind.maker()) {
            require_peer(program)?;
        }
        let lower = Filesystem::create_in_memory(FilesystemKind::Btrfs, LOWER_MIB).unwrap();
        let mount_point = lower.path().join("mnt");
        fs::create_dir(&mount_point).unwrap();
        let disk = Disk {
            kind,
            lower,
            mount_point,
            is_mounted: false,
        };
        kind.make(&disk.image(), SIZE_MIB).unwrap();
        Some(disk)
    }

    /// A directory for what survives the cut.
    pub(super) fn kept(&self, name: &str) -> PathBuf {
        let path = self.lower.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The root of the filesystem under test.
    pub(super) fn path(&self) -> &Path {
        &self.mount_point
    }

    fn image(&self) -> PathBuf {
        self.lower.path().join("image")
    }

    pub(super) fn mount(&mut self) {
        self.mount_image(&self.image()).assert_success();
    }

    /// Mounts a copy instead; the text is that of the kernel's refusal.
    pub(super) fn mount_copy(&mut self, copy: &Copy) -> Result<(), String> {
        self.mount_image(&copy.image).into_result().map(drop)
    }

    fn mount_image(&mut self, image: &Path) -> Ran {
        if self.kind == FilesystemKind::Btrfs {
            // An older copy of a filesystem that was seen before is refused otherwise.
            run(Command::new("btrfs").args(["device", "scan", "--forget"])).assert_success();
        }
        let mut mount = Command::new("mount");
        let options = match self.kind {
            // A namespace of another process may keep the last copy mounted for a moment more.
            FilesystemKind::Xfs => "loop,nouuid",
            _ => "loop",
        };
        mount.args(["-t", self.kind.name(), "-o", options]);
        let ran = run(mount.arg(image).arg(&self.mount_point));
        if ran.succeeded() {
            self.is_mounted = true;
            let private = ["--make-private"];
            run(Command::new("mount").args(private).arg(&self.mount_point)).assert_success();
        }
        ran
    }

    pub(super) fn unmount(&mut self) {
        let mut umount = Command::new("umount");
        umount.arg("--recursive").arg(&self.mount_point);
        for _ in 0..TRIES {
            if run(&mut umount).succeeded() {
                self.is_mounted = false;
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        run(&mut umount).assert_success();
    }

    /// Copies the disk as it is at this instant.
    pub(super) fn cut(&self, name: &str) -> Copy {
        let image = self.lower.path().join(name);
        let mut copy = Command::new("cp");
        copy.arg("--reflink=always").arg(self.image()).arg(&image);
        run(&mut copy).assert_success();
        Copy { image }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            let mut umount = Command::new("umount");
            umount.args(["--recursive", "--lazy"]);
            drop(run(umount.arg(&self.mount_point)));
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        best_effort(fs::remove_file(&self.image));
    }
}
