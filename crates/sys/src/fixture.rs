//! What unit tests need of the machine. The testkit depends on this crate, so a package of this
//! crate has no testkit: only the tests in `tests/` use it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints why the test cannot run.
pub(crate) fn skip(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test");
    // Writes past the test harness, which hides `eprintln` output of passing tests.
    crate::best_effort(writeln!(std::io::stderr(), "SKIP {name}: {why}"));
}

/// Whether the process is root. If it is not, the test is skipped, or fails with `CI=true`.
pub(crate) fn is_root() -> bool {
    let root = crate::effective_user() == 0;
    if !root {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "a test that needs root would be skipped in CI");
        skip("needs root");
    }
    root
}

/// A mounted XFS with project quotas.
#[derive(Debug)]
pub(crate) struct QuotaFilesystem {
    mount_point: PathBuf,
    _place: tempfile::TempDir,
}

impl QuotaFilesystem {
    /// Makes and mounts it. `None` if the kernel cannot mount it, or the program is missing.
    pub(crate) fn create() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let (image, mount_point) = (place.path().join("image"), place.path().join("mnt"));
        std::fs::create_dir(&mount_point).unwrap();
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(320 << 20).unwrap();
        let made = succeeds(Command::new("mkfs.xfs").args(["-q", "-f"]).arg(&image));
        let options = ["-t", "xfs", "-o", "loop,prjquota"];
        let mut mount = Command::new("mount");
        mount.args(options).arg(&image).arg(&mount_point);
        (made && succeeds(&mut mount)).then(|| Self {
            mount_point,
            _place: place,
        })
    }

    /// The root directory of the filesystem.
    pub(crate) fn path(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for QuotaFilesystem {
    fn drop(&mut self) {
        let unmounted = succeeds(Command::new("umount").arg(&self.mount_point));
        assert!(unmounted, "cannot unmount {}", self.mount_point.display());
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
