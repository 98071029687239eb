//! A user namespace for child processes, like that of a rootless container.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A user namespace with many IDs, and a mount namespace. Mounts in it end with it.
///
/// ```no_run
/// use layerhold_testkit::{ChildSpec, require_user_namespace, scratch};
///
/// let Some(namespace) = require_user_namespace() else { return };
/// let place = scratch();
/// namespace.give(place.path());
/// let mut child = ChildSpec::new("child_entry", "mount")
///     .through(namespace.wrapper())
///     .argument(place.path().display())
///     .spawn();
/// assert!(child.wait().success());
/// ```
#[derive(Debug)]
#[must_use = "the namespace ends when this is dropped"]
pub struct UserNamespace {
    /// A process that waits in the namespaces and keeps them alive.
    holder: Child,
}

/// The program that the holder runs once both namespaces are ready.
const WAITING: &str = "cat";

impl UserNamespace {
    /// The user and group outside that are root inside.
    pub const ROOT: u32 = 1_000_000;
    /// Number of users and of groups inside.
    pub const COUNT: u32 = 65_536;

    /// Creates one. Needs root.
    ///
    /// # Errors
    /// The refused step.
    pub fn create() -> Result<Self, String> {
        let holder = Command::new("unshare")
            .args(["--user", "--mount", WAITING])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let namespace = Self { holder };
        namespace.wait_until_it_is(|proc| {
            // A new namespace has an empty map, ours does not.
            std::fs::read_to_string(proc.join("uid_map")).is_ok_and(|map| map.is_empty())
        })?;
        let map = format!("0 {} {}\n", Self::ROOT, Self::COUNT);
        for file in ["uid_map", "gid_map"] {
            std::fs::write(namespace.proc().join(file), &map).map_err(|error| error.to_string())?;
        }
        namespace.wait_until_it_is(|proc| {
            let name = std::fs::read_to_string(proc.join("comm"));
            name.is_ok_and(|name| name.trim_end() == WAITING)
        })?;
        Ok(namespace)
    }

    fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.holder.id()))
    }

    fn wait_until_it_is(&self, ready: impl Fn(&Path) -> bool) -> Result<(), String> {
        let late = Instant::now() + Duration::from_secs(20);
        while !ready(&self.proc()) {
            if Instant::now() > late {
                return Err("the process that holds it is not ready".to_owned());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Words to put before a command so that it runs as root of the namespace, in the current
    /// directory; for [`ChildSpec::through`](crate::ChildSpec::through).
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        let target = format!("--target={}", self.holder.id());
        let words = ["nsenter", &target, "--user", "--mount", "--wd", "--"];
        words.map(str::to_owned).to_vec()
    }

    /// A command that runs as root of the namespace.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let words = self.wrapper();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    }

    /// Gives a directory and everything below it to root of the namespace.
    ///
    /// # Panics
    /// When an owner cannot be changed.
    pub fn give(&self, path: &Path) {
        let owner = format!("{0}:{0}", Self::ROOT);
        let mut command = Command::new("chown");
        crate::run(
            command
                .args(["--recursive", "--no-dereference", &owner])
                .arg(path),
        )
        .assert_success();
    }
}

impl Drop for UserNamespace {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        layerhold_sys::best_effort(self.holder.kill());
        layerhold_sys::best_effort(self.holder.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChildSpec, child_role, require_user_namespace, run, scratch};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn child_entry() {
        let Some(role) = child_role() else { return };
        assert_eq!(role.name(), "look");
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
        role.say(&map.split_whitespace().collect::<Vec<_>>().join(" "));
        let file = Path::new(role.argument(0)).join("made");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::chown(&file, Some(5), Some(6)).unwrap();
        role.say("made");
    }

    #[test]
    fn root_a_child_is_root_inside_and_somebody_outside() {
        let Some(namespace) = require_user_namespace() else {
            return;
        };
        let place = scratch();
        namespace.give(place.path());
        let mut child = ChildSpec::new("namespace::tests::child_entry", "look")
            .through(namespace.wrapper())
            .argument(place.path().display())
            .spawn();
        child.expect("0 1000000 65536");
        child.expect("made");
        assert!(child.wait().success());
        let made = std::fs::metadata(place.path().join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (1_000_005, 1_000_006));
    }

    #[test]
    fn root_mounts_inside_are_not_seen_outside_and_shared_between_commands() {
        let Some(namespace) = require_user_namespace() else {
            return;
        };
        let place = scratch();
        namespace.give(place.path());
        let inside = |script: &str| {
            let mut command = namespace.command("sh");
            run(command.args(["-ec", script, "sh"]).arg(place.path())).text()
        };
        inside("mount -t tmpfs none \"$1\"; echo x >\"$1/file\"");
        assert_eq!(inside("cat \"$1/file\""), "x\n");
        assert!(!place.path().join("file").exists());
        let current = std::env::current_dir().unwrap();
        assert_eq!(inside("pwd").trim_end(), current.to_str().unwrap());
    }
}
