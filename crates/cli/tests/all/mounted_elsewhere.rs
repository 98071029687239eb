//! A container that the Go tool has mounted, and our programs in another mount namespace.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use layerhold_testkit::{
    Feature, GoStore, TempDir, require_feature, require_peer, require_root, run, scratch,
};

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD};

/// A mount namespace that a process keeps.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(holder.stdout.take().unwrap());
        assert!(told.read_line(&mut line).unwrap() > 0);
        Self(holder)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.0.id()));
        command.args(["--mount", "--", program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A store whose mounts go with it.
struct Store {
    _dir: TempDir,
    go: GoStore,
}

impl Drop for Store {
    fn drop(&mut self) {
        let ours = self.go.clone().with_program(Path::new(CONTAINERS_STORAGE));
        drop(ours.run(["shutdown", "-f"]));
    }
}

#[test]
fn root_peer_a_container_in_use_elsewhere_is_left_alone() {
    let required = || {
        require_root()?;
        require_peer("containers-storage")?;
        require_peer("nsenter")?;
        require_feature(Feature::Overlay)
    };
    let Some(()) = required() else { return };
    let dir = scratch();
    let go = GoStore::below(dir.path(), "overlay");
    let store = Store { _dir: dir, go };
    let go = &store.go;
    let layer = go.id(["create-layer"]);
    go.run(["create-image", "-n", "image", &layer])
        .assert_success();
    go.run(["create-container", "-n", "box", "image"])
        .assert_success();

    let other = Namespace::new();
    let path = go.run(["mount", "box"]).text();
    let kept = Path::new(path.trim_end()).join("kept");
    std::fs::write(&kept, "").unwrap();
    let roots = |command: &mut Command, names: [&str; 2]| {
        command.arg(names[0]).arg(go.root());
        command.arg(names[1]).arg(go.runroot());
    };
    let containers_storage = |words: &[&str]| {
        let mut command = other.command(CONTAINERS_STORAGE);
        roots(&mut command, ["-g", "-R"]);
        run(command.args(["-s", "overlay"]).args(words)).text()
    };
    let layerhold = |words: &[&str]| {
        let mut command = other.command(LAYERHOLD);
        roots(&mut command, ["--root", "--runroot"]);
        run(command.args(["--driver", "overlay"]).args(words))
    };
    let counts = || {
        let counts = go.runroot().join("overlay-layers/mountpoints.json");
        let counts = std::fs::read_to_string(counts).unwrap();
        counts.rsplit_once(r#""count":"#).unwrap().1.to_owned()
    };

    layerhold(&["check"]).assert_success();
    layerhold(&["repair"]).assert_success();
    assert_eq!(counts(), "1}]");
    let ran = layerhold(&["rm", "box"]);
    assert_eq!(ran.code, Some(1));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("it is mounted"), "{told}");
    containers_storage(&["mount", "box"]);
    assert_eq!(counts(), "2}]");
    assert_eq!(containers_storage(&["unmount", "box"]), "");
    assert_eq!(counts(), "1}]");
    assert!(kept.exists());
    assert_eq!(
        go.run(["unmount", "box"]).text(),
        "box mountpoint unmounted\n"
    );
    assert!(!kept.exists());
}
