//! Runs the installed tools that share the format: `containers-storage`, podman, buildah, skopeo.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ran::{Ran, run, run_with_input};

/// Graph root, run root and driver, which every peer gets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StorePaths {
    root: PathBuf,
    runroot: PathBuf,
    driver: String,
}

impl StorePaths {
    fn below(base: &Path, driver: &str) -> Self {
        Self {
            root: base.join("root"),
            runroot: base.join("runroot"),
            driver: driver.to_owned(),
        }
    }
}

/// A program with the options that name a store.
#[derive(Debug, Clone)]
pub struct Tool {
    program: PathBuf,
    place: StorePaths,
    options: Vec<OsString>,
}

impl Tool {
    fn new(program: &str, place: StorePaths, options: fn(&StorePaths) -> Vec<OsString>) -> Self {
        let options = options(&place);
        Self {
            program: program.into(),
            place,
            options,
        }
    }

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

    /// The command with the options that name the store, for callers that add more.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.options);
        quiet_environment(&mut command);
        command
    }

    /// Runs the tool with `args` after the options that name the store.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        run(self.command().args(args))
    }

    /// Like `run`, with `input` as standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Ran {
        run_with_input(self.command().args(args), input)
    }
}

/// Defines a peer by its options.
macro_rules! peer {
    ($(#[$doc:meta])* $name:ident, $program:literal, $options:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Tool);

        impl $name {
            /// A store at `base/root` and `base/runroot`.
            #[must_use]
            pub fn below(base: &Path, driver: &str) -> Self {
                Self(Tool::new($program, StorePaths::below(base, driver), $options))
            }

            /// A peer for the store of `go`.
            #[must_use]
            pub fn beside(go: &GoStore) -> Self {
                Self(Tool::new($program, go.place.clone(), $options))
            }
        }

        impl Deref for $name {
            type Target = Tool;

            fn deref(&self) -> &Tool {
                &self.0
            }
        }
    };
}

peer!(
    /// A store seen through Go's own command line, `containers-storage` (or any binary that takes
    /// the same arguments).
    GoStore,
    "containers-storage",
    |place| options(place, ["-g", "-R", "-s"])
);

peer!(
    /// podman on a store; needs no network, events or cgroups.
    Podman,
    "podman",
    |place| {
        let mut options = options(place, ["--root", "--runroot", "--storage-driver"]);
        let quiet = ["--events-backend", "none", "--cgroup-manager", "cgroupfs"];
        options.extend(quiet.map(Into::into));
        options
    }
);

peer!(
    /// buildah on a store.
    Buildah,
    "buildah",
    |place| options(place, ["--root", "--runroot", "--storage-driver"])
);

peer!(
    /// skopeo, which names stores inside image references (see [`reference`](Self::reference)). Its
    /// policy accepts everything, because these tests are not about signatures.
    Skopeo,
    "skopeo",
    |_| vec!["--insecure-policy".into()]
);

/// The options for graph root, run root and driver.
fn options(place: &StorePaths, names: [&str; 3]) -> Vec<OsString> {
    let values = [
        place.root.as_os_str(),
        place.runroot.as_os_str(),
        place.driver.as_ref(),
    ];
    let pairs = names.into_iter().zip(values);
    pairs
        .flat_map(|(name, value)| [name.into(), value.to_owned()])
        .collect()
}

impl GoStore {
    /// A store with the given roots.
    #[must_use]
    pub fn new(root: &Path, runroot: &Path, driver: &str) -> Self {
        let place = StorePaths {
            root: root.into(),
            runroot: runroot.into(),
            driver: driver.into(),
        };
        let mut store = Self::below(root, driver);
        store.0.options = options(&place, ["-g", "-R", "-s"]);
        store.0.place = place;
        store
    }

    /// The same store through another binary with the same command line, such as our drop-in.
    #[must_use]
    pub fn with_program(mut self, program: &Path) -> Self {
        self.0.program = program.into();
        self
    }

    /// Runs a command that prints an ID first, such as `create-layer`, and returns it.
    ///
    /// # Panics
    /// If the tool fails or prints nothing.
    #[must_use]
    #[track_caller]
    pub fn id<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        let first = ran.lines().into_iter().next();
        first.unwrap_or_else(|| panic!("no output: {}", ran.command))
    }
}

impl Skopeo {
    /// The reference of an image in the store, as `containers-storage:[vfs@root+runroot]name`.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        let StorePaths {
            root,
            runroot,
            driver,
        } = &self.0.place;
        format!(
            "containers-storage:[{driver}@{}+{}]{name}",
            root.display(),
            runroot.display()
        )
    }
}

/// Hides the settings of the machine and of the user from the peers.
fn quiet_environment(command: &mut Command) {
    // The roots and the driver are on the command line, so the machine's storage.conf is not read.
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
    fn each_tool_is_told_of_its_store() {
        let go =
            GoStore::new(Path::new("/g"), Path::new("/r"), "vfs").with_program(Path::new("/x"));
        let shown = |tool: &Tool| format!("{:?}", tool.command());
        assert!(shown(&go).ends_with(r#""/x" "-g" "/g" "-R" "/r" "-s" "vfs""#));
        let buildah = Buildah::beside(&go);
        let expected = r#""--root" "/g" "--runroot" "/r" "--storage-driver" "vfs""#;
        assert!(shown(&buildah).ends_with(expected));
        assert!(shown(&Podman::beside(&go)).contains(expected));
        let image = Skopeo::beside(&go).reference("a:b");
        assert_eq!(image, "containers-storage:[vfs@/g+/r]a:b");
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
