//! Checks what a test needs from the machine, and reports a skip if it is missing.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::filesystem::{Filesystem, FilesystemKind};
use crate::namespace::UserNamespace;

/// A kernel feature that some tests need and that cannot be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// The overlay filesystem.
    Overlay,
    /// FUSE, for `fuse-overlayfs`.
    Fuse,
    /// User namespaces that an ordinary user may create.
    UserNamespaces,
    /// Loop devices, for mounted filesystem images.
    LoopDevices,
    /// The mounts of all namespaces, which a container does not see.
    AllMounts,
}

impl Feature {
    fn is_present(self) -> bool {
        match self {
            Self::Overlay => kernel_knows("overlay"),
            Self::Fuse => Path::new("/dev/fuse").exists(),
            Self::UserNamespaces => succeeds(Command::new("unshare").args(["--user", "true"])),
            Self::LoopDevices => Path::new("/dev/loop-control").exists(),
            Self::AllMounts => sees_all_processes() && !keeps_mount_namespaces(),
        }
    }
}

/// Asks for root. `None` means skip (already reported).
#[must_use]
pub fn require_root() -> Option<()> {
    if effective_uid() == 0 {
        return Some(());
    }
    skip("needs root", SkipReason::SetUp)
}

/// Asks for a program on the `PATH`, such as `containers-storage`. `None` means skip (already
/// reported).
#[must_use]
pub fn require_peer(program: &str) -> Option<()> {
    if is_on_path(program) {
        return Some(());
    }
    skip(&format!("needs the program {program}"), SkipReason::SetUp)
}

/// Asks for what a [`Registry`](crate::registry::Registry) needs: `docker-registry`, and `openssl` for
/// its certificates. `None` means skip (already reported).
#[must_use]
pub fn require_docker_registry() -> Option<()> {
    ["docker-registry", "openssl", "setpriv"]
        .into_iter()
        .try_for_each(require_peer)
}

/// Asks for a new filesystem of `kind`, `size_mib` large, mounted in a private place.
///
/// `None` means skip (already reported). Needs root.
#[must_use]
pub fn require_filesystem(kind: FilesystemKind, size_mib: u64) -> Option<Filesystem> {
    require_root()?;
    if let Some(program) = kind.maker() {
        require_peer(program)?;
        require_feature(Feature::LoopDevices)?;
    }
    match Filesystem::create(kind, size_mib) {
        Ok(filesystem) => Some(filesystem),
        Err(_) if !kernel_knows(kind.name()) => skip(
            &format!("the kernel has no {}", kind.name()),
            SkipReason::Kernel,
        ),
        Err(why) => skip(
            &format!("no {} filesystem: {why}", kind.name()),
            SkipReason::SetUp,
        ),
    }
}

/// Asks for a user namespace with many IDs, in which a child can be root. Needs root.
///
/// `None` means skip (already reported).
#[must_use]
pub fn require_user_namespace() -> Option<UserNamespace> {
    require_root()?;
    for program in ["unshare", "nsenter"] {
        require_peer(program)?;
    }
    require_feature(Feature::UserNamespaces)?;
    match UserNamespace::create() {
        Ok(namespace) => Some(namespace),
        Err(why) => skip(&format!("no user namespace: {why}"), SkipReason::SetUp),
    }
}

/// Asks for a kernel feature. `None` means skip (already reported), even in CI.
#[must_use]
pub fn require_feature(feature: Feature) -> Option<()> {
    if feature.is_present() {
        return Some(());
    }
    skip(
        &format!("the kernel has no {feature:?}"),
        SkipReason::Kernel,
    )
}

/// What a skipped test lacks, which decides whether CI accepts the skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// A program or a privilege that can be provided.
    SetUp,
    /// A feature of the running kernel.
    Kernel,
}

/// Reports a skip of the running test, or fails it when CI could have provided what is missing.
///
/// Always returns `None`, so that a `require_…` function can end with it.
///
/// # Panics
/// With `CI=true` in the environment and [`SkipReason::SetUp`].
#[must_use]
pub fn skip<T>(why: &str, reason: SkipReason) -> Option<T> {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test");
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        !in_ci || reason == SkipReason::Kernel,
        "{name} would be skipped, which CI does not accept: {why}"
    );
    // Writes past the test harness, which hides `eprintln` output of passing tests.
    layerhold_sys::best_effort(writeln!(std::io::stderr(), "SKIP {name}: {why}"));
    None
}

fn effective_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    // The owner of a process's proc directory is its effective user; std has no geteuid.
    std::fs::metadata("/proc/self").map_or(u32::MAX, |stat| stat.uid())
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .any(|directory| directory.join(program).is_file())
}

fn sees_all_processes() -> bool {
    // The number of the initial PID namespace.
    let first = Path::new("pid:[4026531836]");
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|name| name == first)
}

/// Whether mount namespaces are mounted somewhere, as snapd does: they exist without processes
/// then.
fn keeps_mount_namespaces() -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.contains(" mnt:[")
}

fn kernel_knows(filesystem: &str) -> bool {
    // A module that is built but not loaded appears in the list once it is loaded.
    succeeds(Command::new("modprobe").arg(filesystem));
    std::fs::read_to_string("/proc/filesystems")
        .unwrap_or_default()
        .lines()
        .any(|line| line.split_whitespace().last() == Some(filesystem))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_reported_as_missing() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("layerhold-no-such-program"));
    }

    #[test]
    fn the_kernel_always_has_tmpfs() {
        assert!(kernel_knows("tmpfs"));
        assert!(!kernel_knows("layerholdfs"));
    }

    #[test]
    fn effective_uid_agrees_with_id() {
        let told = Command::new("id").arg("-u").output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        assert_eq!(effective_uid().to_string(), told.trim());
    }
}
