//! `export`: the whole tree of a container.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

use layerhold_testkit::{Podman, TarBuilder, require_peer, require_root, run};

use crate::support::Place;

/// Each entry of a tar: type, mode, owner, link and content.
fn entries(tar: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let path = entry.path().unwrap().display().to_string();
            let link = entry
                .link_name()
                .unwrap()
                .map(|link| link.display().to_string());
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            let shown = format!(
                "{:?} {:o} {}:{} {link:?} {}",
                header.entry_type(),
                header.mode().unwrap() & 0o7777,
                header.uid().unwrap(),
                header.gid().unwrap(),
                String::from_utf8_lossy(&content)
            );
            (path.trim_end_matches('/').to_owned(), shown)
        })
        .collect()
}

/// A container in which files were added, changed and deleted.
fn changed(driver: &'static str) -> Place {
    let place = Place::with_driver(driver);
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    place.text(["create", "app:1", "--name", "box"]);
    let path = place.text(["mount", "box"]);
    let tree = Path::new(path.trim_end());
    fs::write(tree.join("dir/new"), "new").unwrap();
    chown(tree.join("dir/new"), Some(1000), Some(2000)).unwrap();
    fs::hard_link(tree.join("dir/new"), tree.join("same")).unwrap();
    fs::remove_file(tree.join("c")).unwrap();
    symlink("/etc/passwd", tree.join("out")).unwrap();
    place.text(["unmount", "box"]);
    place
}

#[test]
fn root_the_tree_of_a_container_is_one_tar() {
    let Some(()) = require_root() else { return };
    for driver in ["vfs", "overlay"] {
        let place = changed(driver);
        let tar = place.run(["export", "box"]).stdout;
        let found = entries(&tar);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["dir", "dir/b", "dir/new", "link", "out", "same"],
            "{driver}"
        );
        assert_eq!(found["dir/new"], "Regular 644 1000:2000 None new");
        assert_eq!(found["same"], "Link 644 1000:2000 Some(\"dir/new\") ");
        assert_eq!(found["out"], "Symlink 777 0:0 Some(\"/etc/passwd\") ");
        assert_eq!(place.text(["export", "-o", "out.tar", "box"]), "");
        assert!(fs::read(place.path("out.tar")).unwrap() == tar, "{driver}");
        // An image, and each of its layers with all below it.
        let image = entries(&place.run(["export", "app:1"]).stdout);
        let names: Vec<&str> = image.keys().map(String::as_str).collect();
        assert_eq!(names, ["c", "dir", "dir/b", "link"], "{driver}");
        let layers = place.json(["layers"]);
        let base = layers[0]["id"].as_str().unwrap();
        let names: Vec<String> = entries(&place.run(["export", base]).stdout)
            .into_keys()
            .collect();
        assert_eq!(names, ["a", "dir", "dir/b", "link"], "{driver}");
    }
}

#[test]
fn root_an_export_that_fails_leaves_an_older_file() {
    let Some(()) = require_root() else { return };
    let place = changed("vfs");
    fs::write(place.path("out.tar"), "older").unwrap();
    for words in [
        &["export", "box"][..],
        &["diff", "--tar", "box"],
        &["save", "app:1"],
    ] {
        let mut program = place.command();
        program.args(words).args(["-o", "out.tar"]);
        let mut shell = Command::new("bash");
        // In blocks of 1024 bytes; a tar has ten at least.
        shell.args(["-c", "ulimit -f 1 && exec \"$@\"", "bash"]);
        shell.arg(program.get_program()).args(program.get_args());
        shell.current_dir(place.path(""));
        let ran = run(&mut shell);
        assert_eq!(ran.code, Some(1), "{words:?}: {ran:?}");
        let kept = fs::read_to_string(place.path("out.tar")).unwrap();
        assert_eq!(kept, "older", "{words:?}");
    }
    let names = fs::read_dir(place.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn root_what_cannot_be_exported_is_named() {
    let place = Place::new();
    fs::write(place.path("x.tar"), TarBuilder::new().finish()).unwrap();
    place
        .containers_storage(["create-image", "--name", "empty", ""])
        .assert_success();
    for (words, said) in [
        (&["export", "nosuch"][..], "layerhold: nosuch: "),
        (&["export", "empty"], "layers"),
    ] {
        let ran = place.run(words);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(
            (ran.code, &ran.stdout[..]),
            (Some(1), &b""[..]),
            "{words:?}"
        );
        assert!(err.contains(said) && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn root_peer_podman_exports_the_same_and_imports_it() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = Place::with_driver("overlay");
    let podman = Podman::beside(&place.go());
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    podman
        .run(["create", "--name", "theirs", "app:1", "/x"])
        .assert_success();
    let script = "cd {}; echo new > dir/new; chown 1000:2000 dir/new; ln dir/new same; rm c; mkfifo pipe; ln -s /etc out";
    place.text(["mount", "theirs", "--", "sh", "-ec", script]);
    let ours = place.run(["export", "theirs"]).stdout;
    let theirs = podman.run(["export", "theirs"]).stdout;
    assert_eq!(entries(&ours), entries(&theirs));
    fs::write(place.path("ours.tar"), &ours).unwrap();
    let import = ["import", place.path("ours.tar").to_str().unwrap(), "back:1"].map(str::to_owned);
    podman.run(import).assert_success();
    assert_eq!(
        entries(&place.run(["export", "back:1"]).stdout),
        entries(&ours)
    );
}
