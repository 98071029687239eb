//! The tools that share the format, run as they are installed: `containers-storage`, podman, buildah, skopeo.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a finished program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Ran {
    /// The command line, for messages.
    pub command: String,
    /// Exit code, or none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Ran {
    /// Whether the exit code was 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text, when the program succeeded.
    ///
    /// # Panics
    /// With the command and its standard error, when it failed.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> String {
        self.assert_success();
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as lines of text, when the program succeeded.
    ///
    /// # Panics
    /// With the command and its standard error, when it failed.
    #[must_use]
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Standard error as text, when the program failed.
    ///
    /// # Panics
    /// When it succeeded.
    #[must_use]
    #[track_caller]
    pub fn failure(&self) -> String {
        assert!(!self.succeeded(), "should have failed: {}", self.command);
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Checks that the program succeeded.
    ///
    /// # Panics
    /// With the command and its standard error, when it failed.
    #[track_caller]
    pub fn assert_success(&self) {
        let why = String::from_utf8_lossy(&self.stderr);
        assert!(
            self.succeeded(),
            "{} (exit {:?}): {why}",
            self.command,
            self.code
        );
    }

    /// Standard output, or the failure as text.
    ///
    /// # Errors
    /// The command and what it wrote to standard error.
    pub fn into_result(self) -> Result<Vec<u8>, String> {
        if self.succeeded() {
            return Ok(self.stdout);
        }
        Err(format!(
            "{}: {}",
            self.command,
            String::from_utf8_lossy(&self.stderr).trim()
        ))
    }
}

/// Runs a program to its end with empty input.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command) -> Ran {
    run_with_input(command, &[])
}

/// Runs a program to its end, feeding it `input`.
fn run_with_input(command: &mut Command, input: &[u8]) -> Ran {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A program that stops reading early closes the pipe; its exit code tells whether that was right.
        scope.spawn(move || drop(stdin.write_all(input)));
        child
            .wait_with_output()
            .expect("the child can be waited for")
    });
    Ran {
        command: shown,
        code: output.status.code(),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

/// Graph root, run root and driver: what every peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    root: PathBuf,
    runroot: PathBuf,
    driver: String,
}

impl Place {
    fn below(base: &Path, driver: &str) -> Self {
        Self {
            root: base.join("root"),
            runroot: base.join("runroot"),
            driver: driver.to_owned(),
        }
    }
}

macro_rules! place_accessors {
    () => {
        /// The graph root.
        #[must_use]
        pub fn root(&self) -> &Path {
            &self.place.root
        }

        /// The run root.
        #[must_use]
        pub fn runroot(&self) -> &Path {
            &self.place.runroot
        }

        /// The graph driver's name.
        #[must_use]
        pub fn driver(&self) -> &str {
            &self.place.driver
        }

        /// Runs the tool with `args` after the options that name the store.
        pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
            run(self.command().args(args))
        }

        /// As `run`, feeding `input` to the tool.
        pub fn run_with_input<S: AsRef<OsStr>>(
            &self,
            args: impl IntoIterator<Item = S>,
            input: &[u8],
        ) -> Ran {
            run_with_input(self.command().args(args), input)
        }
    };
}

/// A store seen through Go's own command line, `containers-storage` (or any binary that takes the same arguments).
#[derive(Debug, Clone)]
pub struct GoStore {
    program: PathBuf,
    place: Place,
}

impl GoStore {
    /// A store at `base/root` and `base/runroot`.
    #[must_use]
    pub fn below(base: &Path, driver: &str) -> Self {
        Self {
            program: "containers-storage".into(),
            place: Place::below(base, driver),
        }
    }

    /// A store with the roots given.
    #[must_use]
    pub fn new(root: &Path, runroot: &Path, driver: &str) -> Self {
        let place = Place {
            root: root.into(),
            runroot: runroot.into(),
            driver: driver.into(),
        };
        Self {
            program: "containers-storage".into(),
            place,
        }
    }

    /// The same store through another binary with the same command line, such as our drop-in.
    #[must_use]
    pub fn with_program(mut self, program: &Path) -> Self {
        self.program = program.into();
        self
    }

    place_accessors!();

    /// The command with the options that name the store, for callers that set up more themselves.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("-g")
            .arg(&self.place.root)
            .arg("-R")
            .arg(&self.place.runroot);
        command.args(["-s", &self.place.driver]);
        quiet_environment(&mut command);
        command
    }

    /// Runs a command that prints one identifier first, such as `create-layer`, and returns it.
    ///
    /// # Panics
    /// When the tool fails or prints nothing.
    #[must_use]
    #[track_caller]
    pub fn id<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        let first = ran.lines().into_iter().next();
        first.unwrap_or_else(|| panic!("no output: {}", ran.command))
    }
}

/// podman on a store of its own; no network, no events, no cgroups needed.
#[derive(Debug, Clone)]
pub struct Podman {
    place: Place,
}

impl Podman {
    /// A store at `base/root` and `base/runroot`.
    #[must_use]
    pub fn below(base: &Path, driver: &str) -> Self {
        Self {
            place: Place::below(base, driver),
        }
    }

    /// On the store that `go` names.
    #[must_use]
    pub fn beside(go: &GoStore) -> Self {
        Self {
            place: go.place.clone(),
        }
    }

    place_accessors!();

    /// The command with the options that name the store.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(&self.place.root)
            .arg("--runroot")
            .arg(&self.place.runroot);
        command.args(["--storage-driver", &self.place.driver]);
        command.args(["--events-backend", "none", "--cgroup-manager", "cgroupfs"]);
        quiet_environment(&mut command);
        command
    }
}

/// buildah on a store of its own.
#[derive(Debug, Clone)]
pub struct Buildah {
    place: Place,
}

impl Buildah {
    /// A store at `base/root` and `base/runroot`.
    #[must_use]
    pub fn below(base: &Path, driver: &str) -> Self {
        Self {
            place: Place::below(base, driver),
        }
    }

    /// On the store that `go` names.
    #[must_use]
    pub fn beside(go: &GoStore) -> Self {
        Self {
            place: go.place.clone(),
        }
    }

    place_accessors!();

    /// The command with the options that name the store.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("buildah");
        command
            .arg("--root")
            .arg(&self.place.root)
            .arg("--runroot")
            .arg(&self.place.runroot);
        command.args(["--storage-driver", &self.place.driver]);
        quiet_environment(&mut command);
        command
    }
}

/// skopeo; it names stores inside image references, see [`reference`](Self::reference).
#[derive(Debug, Clone)]
pub struct Skopeo {
    place: Place,
}

impl Skopeo {
    /// A store at `base/root` and `base/runroot`.
    #[must_use]
    pub fn below(base: &Path, driver: &str) -> Self {
        Self {
            place: Place::below(base, driver),
        }
    }

    /// On the store that `go` names.
    #[must_use]
    pub fn beside(go: &GoStore) -> Self {
        Self {
            place: go.place.clone(),
        }
    }

    place_accessors!();

    /// The reference of an image in the store, as `containers-storage:[vfs@root+runroot]name`.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        let Place {
            root,
            runroot,
            driver,
        } = &self.place;
        format!(
            "containers-storage:[{driver}@{}+{}]{name}",
            root.display(),
            runroot.display()
        )
    }

    /// The command; the policy that accepts everything is set, since signatures are not what tests here are about.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("skopeo");
        command.arg("--insecure-policy");
        quiet_environment(&mut command);
        command
    }
}

/// Keeps settings of the machine and of the person running the tests away from the peers.
fn quiet_environment(command: &mut Command) {
    // The roots and the driver are on the command line, and with them the machine's own storage.conf is not asked.
    for name in [
        "STORAGE_DRIVER",
        "STORAGE_OPTS",
        "CONTAINERS_STORAGE_CONF",
        "CONTAINER_HOST",
        "NOTIFY_SOCKET",
    ] {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{require_peer, require_root, scratch};

    #[test]
    fn failure_carries_the_text_of_the_program() {
        let ran = run(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]));
        assert_eq!((ran.code, ran.failure().as_str()), (Some(3), "why\n"));
        assert!(ran.into_result().unwrap_err().ends_with(": why"));
    }

    #[test]
    fn input_larger_than_a_pipe_goes_through() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(
            run_with_input(&mut Command::new("cat"), &input).stdout,
            input
        );
    }

    #[test]
    fn a_program_that_reads_nothing_is_no_error() {
        assert!(run_with_input(&mut Command::new("true"), &[0; 1 << 20]).succeeded());
    }

    #[test]
    fn root_peer_go_store_makes_a_layer() {
        let Some(()) = require_root() else { return };
        let Some(()) = require_peer("containers-storage") else {
            return;
        };
        let place = scratch();
        let go = GoStore::below(place.path(), "vfs");
        let layer = go.id(["create-layer"]);
        assert_eq!(layer.len(), 64);
        assert!(go.run(["layers"]).text().contains(&layer));
        assert!(go.root().join("vfs/dir").join(&layer).is_dir());
        assert!(!go.run(["exists", "nosuch"]).succeeded());
    }

    #[test]
    fn root_peer_podman_sees_an_empty_store() {
        let Some(()) = require_root() else { return };
        let Some(()) = require_peer("podman") else {
            return;
        };
        let place = scratch();
        let podman = Podman::below(place.path(), "vfs");
        assert_eq!(podman.run(["images", "-q"]).text(), "");
    }
}
