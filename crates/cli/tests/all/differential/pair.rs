//! Two stores that go through the same commands.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use layerhold_sys::best_effort;
use layerhold_testkit::{TempDir, scratch};

use super::command::Command;
use super::members;
use super::observe::State;
use super::plain_text::Plain;
use crate::support::CONTAINERS_STORAGE;

/// Seconds after which a command counts as stuck.
const PATIENCE: &str = "60";

/// Which stores there are, and who works on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Go's tool on one store, ours on the other.
    Twin,
    /// Either tool on one store, ours on the other.
    Shared,
}

/// What a command did to its store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    /// A hash of an archive that was written, decompressed.
    pub(crate) archive: u64,
    pub(crate) state: State,
}

/// The two stores.
pub(crate) struct Pair {
    dir: TempDir,
    pub(crate) driver: String,
    /// The store of Go's tool, or the shared one.
    left: Side,
    /// The store that only our tool works on.
    right: Side,
    mode: Mode,
}

struct Side {
    dir: PathBuf,
    plain: Plain,
}

impl Pair {
    pub(crate) fn new(mode: Mode, driver: &str) -> Self {
        let dir = scratch();
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap();
        // The name that a program is called by is in what it prints.
        fs::create_dir(dir.path().join("bin")).unwrap();
        symlink(
            CONTAINERS_STORAGE,
            dir.path().join("bin/containers-storage"),
        )
        .unwrap();
        let side = |name: &str| {
            let dir = dir.path().join(name);
            fs::create_dir(&dir).unwrap();
            let places = vec![
                (format!("{}/", dir.display()), "%/"),
                (format!("{}/", files.display()), "@/"),
            ];
            let plain = Plain::new(places);
            Side { dir, plain }
        };
        let (left, right) = (side("one"), side("two"));
        Pair {
            dir,
            driver: driver.to_owned(),
            left,
            right,
            mode,
        }
    }

    /// Runs a command on both stores.
    pub(crate) fn run(&mut self, command: &Command) -> (Seen, Seen) {
        for (name, content) in &command.files {
            fs::write(self.dir.path().join("files").join(name), content).unwrap();
        }
        let by_go = self.mode == Mode::Twin || command.by_go;
        let ours = self.dir.path().join("bin");
        let left = self
            .left
            .run((!by_go).then_some(&ours), &self.driver, command);
        let right = self.right.run(Some(&ours), &self.driver, command);
        (left, right)
    }

    /// Makes the left store a copy of the right one. False when it cannot be: something is mounted.
    pub(crate) fn copy_to_the_left(&mut self) -> bool {
        if !mounts_below(&self.right.dir.join("root")).is_empty() {
            return false;
        }
        unmount_below(&self.left.dir);
        for top in ["root", "runroot"] {
            let (from, to) = (self.right.dir.join(top), self.left.dir.join(top));
            best_effort(fs::remove_dir_all(&to));
            let copied = Process::new("cp").arg("-a").arg(&from).arg(&to).status();
            assert!(copied.is_ok_and(|status| status.success()) || !from.exists());
        }
        let mounts = format!("runroot/{}-layers/mountpoints.json", self.driver);
        if let Ok(text) = fs::read_to_string(self.left.dir.join(&mounts)) {
            let (from, to) = (
                self.right.dir.to_str().unwrap(),
                self.left.dir.to_str().unwrap(),
            );
            fs::write(self.left.dir.join(&mounts), text.replace(from, to)).unwrap();
        }
        self.left.plain.take_ids_of(&self.right.plain);
        true
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        unmount_below(self.dir.path());
    }
}

impl Side {
    /// Runs the tool that is found on the `PATH`, with `first` in front.
    fn run(&mut self, first: Option<&PathBuf>, driver: &str, command: &Command) -> Seen {
        let mut process = Process::new("timeout");
        process.args([PATIENCE, "containers-storage"]);
        if let Some(first) = first {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all = [first.clone()]
                .into_iter()
                .chain(std::env::split_paths(&path));
            process.env("PATH", std::env::join_paths(all).unwrap());
        }
        process.arg("-g").arg(self.dir.join("root"));
        process.arg("-R").arg(self.dir.join("runroot"));
        process.args(["-s", driver]);
        process.args(command.words().iter().map(|word| self.plain.real(word)));
        for name in ["STORAGE_DRIVER", "STORAGE_OPTS", "CONTAINERS_STORAGE_CONF"] {
            process.env_remove(name);
        }
        let (code, out, err) = finish(process, &command.input);
        assert_ne!(code, Some(124), "stuck: {command}");
        let state = State::of(&self.dir, driver, &mut self.plain, command.serial);
        let written = self.dir.join("out");
        let out = if written.exists() {
            fs::read(&written).unwrap()
        } else {
            out
        };
        best_effort(fs::remove_file(written));
        let mut seen = Seen {
            code,
            err: self.plain.text(&text(&err)),
            state,
            ..Seen::default()
        };
        let plain = members::plain(&out);
        let empty = || plain.is_empty().then(String::new);
        let list = members::list(&out).or_else(empty);
        match list.filter(|_| command.name == "diff") {
            Some(list) => {
                seen.archive = members::hash(&plain);
                seen.out = list;
            }
            None => seen.out = self.plain.text(&text(&out)),
        }
        seen
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn finish(mut process: Process, input: &[u8]) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that does not read it closes the pipe, which is not a failure.
    let writer = std::thread::spawn(move || best_effort(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.status.code(), output.stdout, output.stderr)
}

/// Mountpoints below a directory, the deepest first.
fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|path| path.starts_with(dir))
        .collect();
    found.sort();
    found.reverse();
    found
}

fn unmount_below(dir: &Path) {
    for path in mounts_below(dir) {
        best_effort(Process::new("umount").arg("-l").arg(path).status());
    }
}
