//! What cannot be read is not removed: few open files, and system calls that fail.

use std::fs;
use std::path::Path;
use std::process::Command;

use layerhold_testkit::{Ran, TarBuilder, require_peer, require_root, run};

use crate::check::furnished;
use crate::support::{CONTAINERS_STORAGE, LAYERHOLD, Place};

/// A docker archive whose image has this many layers.
fn deep_archive(place: &Place, layers: usize) -> String {
    let layer = |n: usize| {
        let mut tar = TarBuilder::new().dir("d", 0o755);
        tar = tar.file(format!("d/{n}"), 0o644, n.to_string());
        tar.finish()
    };
    let tars: Vec<Vec<u8>> = (0..layers).map(layer).collect();
    let all = digests(place, &tars);
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": all },
    });
    let names: Vec<String> = (0..layers).map(|n| format!("{n}.tar")).collect();
    let manifest = serde_json::json!([
        { "Config": "c.json", "RepoTags": ["deep:1"], "Layers": names }
    ]);
    let mut archive = TarBuilder::new();
    for (name, tar) in names.iter().zip(tars) {
        archive = archive.file(name, 0o644, tar);
    }
    let archive = archive.file("c.json", 0o644, config.to_string()).file(
        "manifest.json",
        0o644,
        manifest.to_string(),
    );
    let path = place.path("deep.tar");
    fs::write(&path, archive.finish()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The digests of many tars, by one program.
fn digests(place: &Place, tars: &[Vec<u8>]) -> Vec<String> {
    let mut command = Command::new("sha256sum");
    for (n, tar) in tars.iter().enumerate() {
        let path = place.path(&format!("{n}.tar"));
        fs::write(&path, tar).unwrap();
        command.arg(path);
    }
    let text = run(&mut command).text();
    let sums = text.lines().filter_map(|line| line.split(' ').next());
    sums.map(|sum| format!("sha256:{sum}")).collect()
}

/// `layerhold` on an overlay store, with as many open files as are given.
fn overlay(place: &Place, open_files: usize, words: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n $0; exec \"$@\""]);
    command.arg(open_files.to_string()).arg(LAYERHOLD);
    command.arg("--root").arg(place.path("root"));
    command.arg("--runroot").arg(place.path("runroot"));
    command.args(["--driver", "overlay", "--sync", "none"]);
    run(command.args(words))
}

/// Takes the mount away that the driver's home is.
fn shut_down(place: &Place) {
    let mut command = Command::new(CONTAINERS_STORAGE);
    command.arg("-g").arg(place.path("root"));
    command.arg("-R").arg(place.path("runroot"));
    drop(run(command.args(["-s", "overlay", "shutdown", "-f"])));
}

#[test]
fn root_overlay_a_deep_image_needs_few_open_files() {
    let Some(()) = require_root() else { return };
    let place = Place::new();
    let archive = deep_archive(&place, 60);
    overlay(&place, 1024, &["load", &archive]).assert_success();
    overlay(&place, 1024, &["create", "--name", "box", "deep:1"]).assert_success();
    let saved = place.path("saved.tar");
    let saved = saved.to_str().unwrap();
    for words in [
        &["repair"][..],
        &["save", "--output", saved, "deep:1"],
        &["mount", "box"],
        &["diff", "box"],
        &["unmount", "box"],
        &["check"],
    ] {
        overlay(&place, 32, words).assert_success();
    }
    let images = overlay(&place, 1024, &["images"]).text();
    assert!(images.contains("deep"), "{images}");
    shut_down(&place);
}

#[test]
fn root_overlay_an_image_that_is_too_deep_to_mount_is_no_damage() {
    let Some(()) = require_root() else { return };
    let place = Place::new();
    let archive = deep_archive(&place, 501);
    let loaded = overlay(&place, 8192, &["load", &archive]);
    let told = String::from_utf8_lossy(&loaded.stderr);
    let warning = "it has 501 layers, and the limit of the driver is 500";
    assert!(told.contains(warning), "{told}");
    loaded.assert_success();
    let repaired = overlay(&place, 8192, &["repair", "--depth", "records"]);
    let text = repaired.text();
    assert!(text.contains("it has 501 layers"), "{text}");
    assert!(
        text.contains("[no damage]") && !text.contains("remov"),
        "{text}"
    );
    repaired.assert_success();
    let created = overlay(&place, 8192, &["create", "--name", "box", "deep:1"]);
    assert!(String::from_utf8_lossy(&created.stderr).contains(warning));
    let mounted = overlay(&place, 8192, &["mount", "box"]).failure();
    let told = "max depth exceeded: 501 layers are below layer ";
    assert!(mounted.contains(told), "{mounted}");
    shut_down(&place);
}

/// How often a program makes a system call.
fn count(place: &Place, call: &str) -> usize {
    let trace = place.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq", "-o"]).arg(&trace);
    command.arg("-e").arg(format!("trace={call}"));
    run(command.arg(LAYERHOLD).args(words(place))).assert_success();
    fs::read_to_string(&trace).unwrap().lines().count()
}

fn words(place: &Place) -> Vec<String> {
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    let mut words = vec!["--root".to_owned(), path("root")];
    words.extend(["--runroot".to_owned(), path("runroot")]);
    words.extend(["--driver", "vfs", "repair", "--containers"].map(str::to_owned));
    words
}

fn records(place: &Place) -> Vec<Vec<u8>> {
    let files = ["layers", "images", "containers"];
    let path = |kind: &str| place.path(&format!("root/vfs-{kind}/{kind}.json"));
    files.map(|kind| fs::read(path(kind)).unwrap()).into()
}

fn is_whole(root: &Path) -> bool {
    ["vfs/dir/a/dir/b", "vfs-layers/a.tar-split.gz"]
        .iter()
        .all(|file| root.join(file).exists())
}

#[test]
fn root_peer_strace_nothing_is_removed_because_a_call_fails() {
    let (Some(()), Some(())) = (require_root(), require_peer("strace")) else {
        return;
    };
    let place = furnished();
    let before = records(&place);
    let errors = ["EMFILE", "ENFILE", "ENOMEM", "EIO", "EACCES", "ELOOP"];
    let calls = ["openat", "openat2", "read", "statx", "getdents64"];
    for (n, call) in calls.iter().enumerate() {
        let calls = count(&place, call);
        // From a call in the second half of the work on, each fails.
        for (m, error) in errors.iter().enumerate().skip(n % 2).step_by(2) {
            let from = calls / 2 + calls * m / 16;
            let mut command = Command::new("strace");
            command.args(["-f", "-qqq", "-o", "/dev/null", "-e"]);
            command.arg(format!("inject={call}:error={error}:when={from}+"));
            let ran = run(command.arg(LAYERHOLD).args(words(&place)));
            let told = format!("{call} {error} {from}: {ran:?}");
            assert_eq!(records(&place), before, "{told}");
            assert!(is_whole(&place.path("root")), "{told}");
        }
    }
}
