//! `applydiff-using-staging-dir`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use layerhold_testkit::{GoStore, Ran, TempDir, Tree, require_peer, require_root, run, scratch};
use serde_json::Value;

use crate::support::CONTAINERS_STORAGE;

/// A store with a configuration, and a directory to be taken in.
struct Place {
    dir: TempDir,
}

impl Place {
    /// `None` without root.
    fn new(driver: &str, options: &str) -> Option<Self> {
        require_root()?;
        let dir = scratch();
        let base = dir.path().display();
        let conf = format!(
            "[storage]\ndriver = '{driver}'\ngraphroot = '{base}/root'\nrunroot = '{base}/runroot'\n\
             [storage.options]\n{options}\n\
             [storage.options.pull_options]\nenable_partial_images = 'true'\n"
        );
        fs::write(dir.path().join("storage.conf"), conf).unwrap();
        let source = dir.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::create_dir(source.join("dir")).unwrap();
        fs::write(source.join("dir/file"), "x".repeat(100_000)).unwrap();
        fs::hard_link(source.join("dir/file"), source.join("linked")).unwrap();
        std::os::unix::fs::symlink("dir/file", source.join("link")).unwrap();
        Some(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(CONTAINERS_STORAGE);
        for name in ["STORAGE_DRIVER", "STORAGE_OPTS"] {
            command.env_remove(name);
        }
        command.env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"));
        command.current_dir(self.dir.path()).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    #[track_caller]
    fn text(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{words:?}");
        ran.text().trim().to_owned()
    }

    /// What a layer shows.
    fn shown(&self, layer: &str) -> Tree {
        let path = self.text(&["mount", layer]);
        let tree = comparable(Path::new(&path));
        self.text(&["unmount", layer]);
        tree
    }

    fn record(&self, layer: &str) -> Value {
        let records = fs::read(self.path("root/overlay-layers/layers.json")).unwrap();
        let records: Vec<Value> = serde_json::from_slice(&records).unwrap();
        let mut records = records.into_iter();
        records.find(|record| record["id"] == layer).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.run(&["shutdown", "-f"]));
    }
}

/// What a tar keeps. The root directory's attributes come from the layer below.
fn comparable(path: &Path) -> Tree {
    Tree::of(path)
        .retain(|path, _| !path.as_os_str().is_empty())
        .without_directory_times()
        .map(|_, node| node.mtime.1 = 0)
}

#[test]
fn root_a_directory_becomes_a_layer() {
    let Some(place) = Place::new("overlay", "") else {
        return;
    };
    place.text(&["create-layer", "-i", "base"]);
    place.text(&["create-layer", "-i", "mine", "-n", "name", "base"]);
    place.text(&["set-metadata", "-m", "meta", "mine"]);
    let source = comparable(&place.path("source"));
    // By name, with a path from the working directory; nothing is printed.
    let command = "applydiff-using-staging-dir";
    assert_eq!(place.text(&[command, "name", "source"]), "");
    place.shown("mine").assert_same(&source);
    // Again, and what is gone from the directory is gone.
    fs::remove_file(place.path("source/link")).unwrap();
    place.text(&[command, "mine", "source"]);
    place
        .shown("mine")
        .assert_same(&comparable(&place.path("source")));
    let left = fs::read_dir(place.path("root/overlay/staging")).unwrap();
    assert_eq!(left.count(), 0);

    // The record is that of the tar.
    let tar = place.path("diff.tar");
    place.text(&["diff", "-u", "-f", tar.to_str().unwrap(), "mine"]);
    let sum = run(Command::new("sha256sum").arg(&tar)).text();
    let sum = format!("sha256:{}", sum.split(' ').next().unwrap());
    let record = place.record("mine");
    assert_eq!(record["diff-digest"], sum.as_str());
    assert_eq!(record["diff-size"], fs::metadata(&tar).unwrap().len());
    assert_eq!(record["uidset"], serde_json::json!([0]));
    assert_eq!(record["metadata"], "meta");
    assert_eq!(record.get("toc-digest"), None);

    // A layer that is not there is made.
    place.text(&[command, "new", "source"]);
    place
        .shown("new")
        .assert_same(&comparable(&place.path("source")));
    assert_eq!(place.record("new")["diff-digest"], sum.as_str());

    let Some(()) = require_peer("containers-storage") else {
        return;
    };
    let go = GoStore::below(place.dir.path(), "overlay");
    let file = place.path("go.tar");
    go.run(["diff", "-u", "-f", file.to_str().unwrap(), "mine"])
        .assert_success();
    assert!(fs::read(&file).unwrap() == fs::read(&tar).unwrap());
    let path = go.run(["mount", "mine"]).text();
    comparable(Path::new(path.trim())).assert_same(&comparable(&place.path("source")));
    go.run(["unmount", "mine"]).assert_success();
}

#[test]
fn root_peer_a_directory_becomes_a_layer_with_a_mount_program() {
    let Some(()) = require_peer("fuse-overlayfs") else {
        return;
    };
    let program = "overlay.mount_program = '/usr/bin/fuse-overlayfs'";
    let Some(place) = Place::new("overlay", program) else {
        return;
    };
    place.text(&["create-layer", "-i", "mine"]);
    place.text(&["applydiff-using-staging-dir", "mine", "source"]);
    place
        .shown("mine")
        .assert_same(&comparable(&place.path("source")));
}

#[test]
fn root_owners_are_mapped_as_in_the_layer() {
    let Some(place) = Place::new("overlay", "") else {
        return;
    };
    // Without shifting, the owners on the disk are those outside.
    let unshifted = |words: &[&str]| {
        let mut command = place.command(words);
        command.env("_CONTAINERS_OVERLAY_DISABLE_IDMAP", "yes");
        run(&mut command).assert_success();
    };
    let maps = ["--uidmap", "0:1000:100", "--gidmap", "0:2000:100"];
    let create = ["create-layer", "-i", "mapped"];
    unshifted(&[&create[..], &maps[..]].concat());
    unshifted(&["applydiff-using-staging-dir", "mapped", "source"]);
    for (path, mode) in [("", 0o555), ("dir/file", 0o644)] {
        let path = place.path("root/overlay/mapped/diff").join(path);
        let facts = fs::symlink_metadata(path).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (1000, 2000));
        assert_eq!(facts.mode() & 0o7777, mode);
    }
    assert_eq!(place.record("mapped")["uidset"], serde_json::json!([0]));
}

#[test]
fn root_what_keeps_a_directory_from_becoming_a_layer() {
    let Some(place) = Place::new("overlay", "") else {
        return;
    };
    place.text(&["create-layer", "-i", "mine"]);
    place.text(&["applydiff-using-staging-dir", "mine", "source"]);
    let before = place.record("mine");
    let fails = |place: &Place, words: &[&str], message: &str| {
        let ran = place.run(words);
        let text = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.code, Some(1), "{words:?}");
        assert!(text.contains(message), "{words:?}: {text}");
    };
    let command = "applydiff-using-staging-dir";
    fails(
        &place,
        &[command, "mine", "nosuch"],
        "no such file or directory",
    );
    fails(
        &place,
        &[command, "mine", "storage.conf"],
        "not a directory",
    );
    fails(&place, &[command, "a/b", "source"], "");
    let path = place.text(&["mount", "mine"]);
    fails(&place, &[command, "mine", "source"], "is mounted");
    assert!(Path::new(&path).join("dir/file").exists());
    place.text(&["unmount", "mine"]);
    assert_eq!(place.record("mine"), before);
    let few = place.run(&[command, "mine"]);
    assert_eq!(few.code, Some(1));
    let usage = "applydiff-using-staging-dir: more arguments required.\n\
                 Usage: containers-storage applydiff-using-staging-dir layerNameOrID directory\n";
    assert!(few.stdout.starts_with(usage.as_bytes()), "{few:?}");

    // Flags in place of the configuration leave the option out.
    let (root, run_root) = (place.path("root"), place.path("runroot"));
    let (root, run_root) = (root.to_str().unwrap(), run_root.to_str().unwrap());
    let words = [
        "-g", root, "-R", run_root, "-s", "overlay", command, "mine", "source",
    ];
    fails(&place, &words, "partial images are disabled");
    let vfs = Place::new("vfs", "").unwrap();
    vfs.text(&["create-layer", "-i", "mine"]);
    let message = "graph driver vfs does not support partial pull";
    fails(&vfs, &[command, "mine", "source"], message);
}
