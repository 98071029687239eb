//! Programs, stores and fixtures.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use layerhold_sys::best_effort;
use layerhold_testkit::{GoStore, Ran, TarBuilder, TempDir, run, scratch};
use serde_json::Value;

pub(crate) const CONTAINERS_STORAGE: &str = env!("CARGO_BIN_EXE_containers-storage");
pub(crate) const LAYERHOLD: &str = env!("CARGO_BIN_EXE_layerhold");

/// A tar with a few files.
pub(crate) fn base_tar() -> Vec<u8> {
    TarBuilder::new()
        .file("a", 0o644, "hello")
        .dir("dir", 0o755)
        .file("dir/b", 0o640, "x".repeat(5000))
        .symlink("link", "dir/b")
        .finish()
}

/// A tar that removes one of them and adds another.
pub(crate) fn upper_tar() -> Vec<u8> {
    TarBuilder::new()
        .file("c", 0o755, "world")
        .file(".wh.a", 0o644, "")
        .finish()
}

/// A store for the command line of layerhold.
pub(crate) struct Place {
    dir: TempDir,
    driver: &'static str,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with_driver("vfs")
    }

    pub(crate) fn with_driver(driver: &'static str) -> Self {
        let place = Place {
            dir: scratch(),
            driver,
        };
        fs::create_dir(place.path("root")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `layerhold` on the store.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(LAYERHOLD);
        command.arg("--root").arg(self.path("root"));
        command.arg("--runroot").arg(self.path("runroot"));
        command.args(["--driver", self.driver, "--sync", "none"]);
        command.env("TMPDIR", self.dir.path());
        command.current_dir(self.dir.path());
        for name in ["STORAGE_DRIVER", "STORAGE_OPTS", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        run(self.command().args(args))
    }

    /// Runs a command that succeeds, and returns what it prints.
    #[track_caller]
    pub(crate) fn text<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{}", ran.command);
        ran.text()
    }

    /// The result of a command in JSON.
    #[track_caller]
    pub(crate) fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        let ran = run(self.command().args(["--format", "json"]).args(args));
        serde_json::from_str(&ran.text()).unwrap()
    }

    /// Runs a command of `layerhold` at a terminal of its own. What the shell commands `input`
    /// print is typed there. The words have no quotes.
    pub(crate) fn at_a_terminal(&self, words: &str, input: &str) -> Ran {
        let command = self.command();
        let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        let line = format!("{LAYERHOLD} {} {words}", args.join(" "));
        run(at_a_terminal(&line, input).current_dir(self.path("")))
    }

    /// Imports a layer with the other command line, which has a command for that.
    pub(crate) fn containers_storage<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Ran {
        let mut command = Command::new(CONTAINERS_STORAGE);
        command.arg("-g").arg(self.path("root"));
        command.arg("-R").arg(self.path("runroot"));
        command.args(["-s", self.driver]);
        run(command.args(args))
    }

    /// The store as the Go tools are told of it.
    pub(crate) fn go(&self) -> GoStore {
        GoStore::new(&self.path("root"), &self.path("runroot"), self.driver)
    }

    /// A docker archive with one image of two layers.
    pub(crate) fn archive(&self, tags: &[&str]) -> PathBuf {
        self.archive_with(tags, &serde_json::json!({}))
    }

    /// The same with more fields in the configuration of the image.
    pub(crate) fn archive_with(&self, tags: &[&str], more: &Value) -> PathBuf {
        let layers = [base_tar(), upper_tar()];
        let digests: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let mut config = serde_json::json!({
            "created": "2024-01-02T03:04:05Z",
            "architecture": "amd64",
            "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let manifest = serde_json::json!([
            { "Config": "c.json", "RepoTags": tags, "Layers": ["1.tar", "2.tar"] }
        ]);
        let [base, upper] = layers;
        let archive = TarBuilder::new()
            .file("1.tar", 0o644, base)
            .file("2.tar", 0o644, upper)
            .file("c.json", 0o644, config.to_string())
            .file("manifest.json", 0o644, manifest.to_string())
            .finish();
        let path = self.path("archive.tar");
        fs::write(&path, archive).unwrap();
        path
    }
}

impl Drop for Place {
    /// The driver's home is a mount of its own while a store of overlay is in use.
    fn drop(&mut self) {
        if self.driver == "overlay" {
            drop(self.containers_storage(["shutdown", "-f"]));
            let home = self.path("root/overlay");
            best_effort(Command::new("umount").args(["-q", "-l"]).arg(home).output());
        }
    }
}

/// A program with arguments at a terminal of its own, to be run in a directory, where the file
/// `screen` gets what is on the terminal. What the shell commands `input` print is typed there. The
/// line has no quotes.
pub(crate) fn at_a_terminal(line: &str, input: &str) -> Command {
    // `script` runs the line in the shell of the user. A shell that stays in between gets the keys
    // of the terminal too: it ends by Ctrl-C before the program does.
    let script = format!("({input}) | script -qefc 'exec {line}' screen");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("SHELL", "/bin/sh");
    shell
}

/// The SHA-256 digest of some bytes, by `sha256sum`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let place = scratch();
    let path = place.path().join("file");
    fs::write(&path, bytes).unwrap();
    let sum = run(Command::new("sha256sum").arg(&path)).text();
    format!("sha256:{}", sum.split(' ').next().unwrap())
}
