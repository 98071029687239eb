//! `cp` between this machine and containers.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use layerhold_testkit::{Podman, Ran, TarBuilder, TarEntry, Tree, require_peer, require_root, run};
use serde_json::json;

use crate::support::Place;

/// A store with a container `box`, and files to copy.
fn filled(driver: &'static str) -> Place {
    let place = Place::with_driver(driver);
    lay_out(&place.path("h"));
    let tar = TarBuilder::new()
        .dir("etc", 0o755)
        .file("etc/hostname", 0o644, "box\n")
        .dir("d", 0o755)
        .file("d/f", 0o600, "f")
        .symlink("to-d", "d")
        .symlink("to-etc", "/etc")
        .symlink("to-f", "d/f")
        .symlink("out", "../../../../../../../../../../tmp")
        .symlink("dangling", "/d/new")
        .finish();
    fs::write(place.path("base.tar"), tar).unwrap();
    place.text(["import", "base.tar", "app:1", "--cmd", "/x"]);
    place.text(["create", "app:1", "--name", "box"]);
    place
}

/// Files on this machine.
fn lay_out(h: &Path) {
    fs::create_dir_all(h.join("dir/sub")).unwrap();
    fs::write(h.join("dir/a"), "A").unwrap();
    fs::write(h.join("dir/sub/b"), "B").unwrap();
    symlink("/etc/passwd", h.join("dir/link")).unwrap();
    fs::hard_link(h.join("dir/a"), h.join("dir/same")).unwrap();
    fs::write(h.join("dir/.wh.a"), "not a whiteout").unwrap();
    fs::write(h.join("file"), "F").unwrap();
    fs::set_permissions(h.join("file"), fs::Permissions::from_mode(0o4751)).unwrap();
    chown(h.join("file"), Some(77), Some(88)).unwrap();
    fs::set_permissions(h.join("file"), fs::Permissions::from_mode(0o4751)).unwrap();
    symlink("file", h.join("to-file")).unwrap();
    symlink("dir", h.join("to-dir")).unwrap();
    fs::create_dir(h.join("existing")).unwrap();
    fs::create_dir(h.join("onto")).unwrap();
    fs::write(h.join("onto/d"), "").unwrap();
}

fn stderr(ran: &Ran) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

/// The tree of the container.
fn tree(place: &Place, container: &str) -> Tree {
    let copy = place.path("copy");
    drop(fs::remove_dir_all(&copy));
    let script = "cp -a \"$1\" \"$2\"";
    let copy = copy.to_str().unwrap();
    place.text([
        "mount", container, "--", "sh", "-c", script, "sh", "{}", copy,
    ]);
    Tree::of(Path::new(copy))
}

/// Copies that work as podman's do, in both directions. `C` is the container.
const LIKE_PODMAN: [[&str; 2]; 24] = [
    ["h/file", "C:/"],
    ["h/file", "C:new"],
    ["h/file", "C:/d/"],
    ["h/file", "C:/d/f"],
    ["h/file", "C:/to-d"],
    ["h/file", "C:/to-etc/"],
    ["h/to-file", "C:/linked"],
    ["h/dir", "C:/d"],
    ["h/dir", "C:/fresh"],
    ["h/dir", "C:/to-etc"],
    ["h/dir/.", "C:/d"],
    ["h/dir/.", "C:/fresh2"],
    ["h/to-dir", "C:/via-link"],
    ["./h/dir/", "C:/etc"],
    ["C:/etc", "h/got"],
    ["C:/etc", "h/existing"],
    ["C:/d/.", "h/existing"],
    ["C:/etc/hostname", "h/"],
    ["C:/etc/hostname", "h/file"],
    ["C:to-etc/hostname", "h/existing/renamed"],
    ["C:/to-etc", "h/linked-dir"],
    ["C:/d/f", "h/existing/"],
    ["C:/../../etc", "h/dotted"],
    ["C:/d", "h/existing/d2"],
];

#[test]
fn root_peer_podman_copies_the_same() {
    let (Some(()), Some(())) = (require_root(), require_peer("podman")) else {
        return;
    };
    let place = filled("overlay");
    let podman = Podman::beside(&place.go());
    for archive in [true, false] {
        for name in ["ours", "theirs"] {
            place.text(["create", "app:1", "--name", &format!("{name}-{archive}")]);
        }
        let theirs_name = format!("theirs{archive}");
        podman
            .run(["create", "--name", &theirs_name, "app:1"])
            .assert_success();
        let flag = format!("--archive={archive}");
        // On this machine, podman's copies belong to the user in any case.
        let keeps_owners = ["C:/", "C:/fresh", "C:/d"];
        let copies = LIKE_PODMAN.into_iter();
        for [from, to] in copies.filter(|[_, to]| archive || keeps_owners.contains(to)) {
            let copied = |name: &str, h: &str| {
                let operand = |text: &str| {
                    let text = text.replace("C:", &format!("{name}:"));
                    text.replacen("h/", &format!("{h}/"), 1)
                };
                (operand(from), operand(to))
            };
            for h in ["h-ours", "h-theirs"] {
                drop(fs::remove_dir_all(place.path(h)));
                lay_out(&place.path(h));
                // podman cannot rename a tree with hard links, and lets a program of any owner
                // become one that runs as this user.
                fs::remove_file(place.path(h).join("dir/same")).unwrap();
                let mode = fs::Permissions::from_mode(0o751);
                fs::set_permissions(place.path(h).join("file"), mode).unwrap();
            }
            let ours_name = format!("ours-{archive}");
            let (source, target) = copied(&ours_name, "h-ours");
            place.run(["cp", &flag, &source, &target]).assert_success();
            let (source, target) = copied(&theirs_name, "h-theirs");
            let mut command = podman.command();
            command
                .args(["cp", &flag, &source, &target])
                .current_dir(place.path(""));
            run(&mut command).assert_success();
            let same = |left: &Tree, right: &Tree| {
                let found = left.differences(right);
                // Directories get new times when something is put into them.
                let real: Vec<_> = found.into_iter().filter(|it| !only_times(it)).collect();
                assert_eq!(real, [""; 0], "{from} {to} archive={archive}");
            };
            same(
                &Tree::of(&place.path("h-ours")),
                &Tree::of(&place.path("h-theirs")),
            );
            same(&tree(&place, &ours_name), &tree(&place, &theirs_name));
        }
    }
}

/// Whether a difference is one of times alone: without them, both sides are the same text.
fn only_times(difference: &str) -> bool {
    let mut sides = difference.lines().skip(1).map(|line| {
        let line = line
            .trim()
            .trim_start_matches("left ")
            .trim_start_matches("right ");
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find("mtime: (") {
            text.push_str(&rest[..at]);
            rest = rest[at..].split_once(')').map_or("", |(_, rest)| rest);
        }
        text + rest
    });
    matches!((sides.next(), sides.next()), (Some(left), Some(right)) if left == right)
}

#[test]
fn root_streams_are_tars() {
    let Some(()) = require_root() else { return };
    for driver in ["vfs", "overlay"] {
        let place = filled(driver);
        let names = |from: &str| {
            let tar = place.run(["cp", from, "-"]).stdout;
            let mut archive = tar::Archive::new(&tar[..]);
            let entries = archive.entries().unwrap();
            let names = entries.map(|entry| entry.unwrap().path().unwrap().display().to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("box:/etc"), ["etc/", "etc/hostname"]);
        assert_eq!(names("box:/etc/."), ["hostname"]);
        assert_eq!(names("box:d/f"), ["f"]);
        assert_eq!(names("app:1:/etc/hostname"), ["hostname"]);
        let tar = TarBuilder::new()
            .entry(TarEntry::file("../../up", "up").owner(5, 6))
            .file("to-f", 0o644, "replaced")
            .finish();
        let gzip = {
            let path = place.path("x.tar");
            fs::write(&path, &tar).unwrap();
            run(Command::new("gzip").arg("-c").arg(&path)).stdout
        };
        for (input, flag, owner) in [(&tar, "--archive", (0, 0)), (&gzip, "-a=false", (5, 6))] {
            let mut command = place.command();
            let mut child = command
                .args(["--format", "json", "cp", flag, "-", "box:/"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input).unwrap();
            let output = child.wait_with_output().unwrap();
            let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(told, json!({ "entries": 2, "bytes": 10 }));
            let tree = place.text(["mount", "box"]);
            let tree = Path::new(tree.trim_end());
            let up = fs::metadata(tree.join("up")).unwrap();
            assert_eq!((up.uid(), up.gid()), owner, "{driver}");
            assert_eq!(fs::read_to_string(tree.join("to-f")).unwrap(), "replaced");
            assert_eq!(fs::read_to_string(tree.join("d/f")).unwrap(), "f");
            place.text(["unmount", "box"]);
        }
        assert_eq!(place.json(["mount"]), json!([]), "{driver}");
    }
}

#[test]
fn root_a_tree_is_copied_with_all_that_is_in_it() {
    let Some(()) = require_root() else { return };
    for driver in ["vfs", "overlay"] {
        let place = filled(driver);
        let attribute = ["-n", "user.x", "-v", "y", "h/dir/sub"];
        let sets = run(Command::new("setfattr")
            .args(attribute)
            .current_dir(place.path("")));
        let made = "mkfifo h/dir/pipe; mknod h/dir/null c 1 3; ln h/dir/null h/dir/null2; touch -d @1700000000 h/dir/sub/b h/dir/sub h/dir";
        run(Command::new("sh")
            .args(["-c", made])
            .current_dir(place.path("")))
        .assert_success();
        place.text(["cp", "h/dir", "box:/renamed"]);
        // Devices of a container do not become those of this machine.
        let ran = place.run(["cp", "box:/renamed", "h/back"]);
        let note = "layerhold: left out 2 devices, which copies on this machine do not become\n";
        assert_eq!((ran.code, stderr(&ran)), (Some(0), note.to_owned()));
        for name in ["null", "null2"] {
            assert!(!place.path("h/back").join(name).exists());
            let kind = [
                "mount",
                "box",
                "--",
                "stat",
                "-c",
                "%F",
                &format!("{{}}/renamed/{name}"),
            ];
            assert_eq!(place.text(kind), "character special file\n", "{driver}");
            fs::remove_file(place.path("h/dir").join(name)).unwrap();
        }
        let back = Tree::of(&place.path("h/back"));
        let differences = Tree::of(&place.path("h/dir")).differences(&back);
        let real: Vec<_> = differences
            .into_iter()
            .filter(|it| !only_times(it))
            .collect();
        assert_eq!(real, [""; 0], "{driver}, attributes: {}", sets.succeeded());
        let time = |name: &str| fs::metadata(place.path(name)).unwrap().mtime();
        for name in ["h/back", "h/back/sub", "h/back/sub/b"] {
            assert_eq!(time(name), 1_700_000_000, "{name}");
        }
        assert_eq!(place.text(["diff", "box"]).matches("/.wh.a").count(), 1);
    }
}

#[test]
fn root_links_of_a_container_do_not_lead_out() {
    let Some(()) = require_root() else { return };
    let place = filled("overlay");
    let secret = place.path("secret");
    fs::write(&secret, "secret").unwrap();
    let secret = secret.canonicalize().unwrap();
    let plant = format!(
        "ln -s {} {{}}/leak; ln -s {} {{}}/dir-leak; ln -s /nosuch/x {{}}/nowhere",
        secret.display(),
        secret.parent().unwrap().display()
    );
    place.text(["mount", "box", "--", "sh", "-c", &plant]);
    for from in ["box:/leak", "box:/dir-leak/secret", "box:/out/../secret"] {
        let ran = place.run(["cp", from, "h/got"]);
        assert_eq!(ran.code, Some(1), "{from}");
        assert!(
            stderr(&ran).contains("it does not exist"),
            "{}",
            stderr(&ran)
        );
        assert!(!place.path("h/got").exists());
    }
    for to in ["box:/dir-leak/planted", "box:/leak", "box:/nowhere"] {
        let ran = place.run(["cp", "h/file", to]);
        assert_eq!(ran.code, Some(1), "{to}: {}", stderr(&ran));
        assert!(
            stderr(&ran).contains("there is no such directory"),
            "{}",
            stderr(&ran)
        );
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(!place.path("planted").exists());
    // A link whose target is inside is followed, also to a file that is new.
    place.text(["cp", "h/file", "box:/dangling"]);
    assert_eq!(place.text(["mount", "box", "--", "cat", "{}/d/new"]), "F");
}

#[test]
fn root_what_cannot_be_copied_is_said_in_one_line() {
    let Some(()) = require_root() else { return };
    let place = filled("overlay");
    let before = tree(&place, "box");
    for (from, to, said) in [
        (
            "h/nosuch",
            "box:/",
            "cannot copy h/nosuch: it does not exist",
        ),
        (
            "h/file",
            "box:/nosuch/x",
            "cannot copy to /nosuch: there is no such directory",
        ),
        (
            "h/file",
            "box:/new/",
            "cannot copy to /new/: there is no such directory",
        ),
        ("h/file/", "box:/", "cannot use h/file/ as a directory"),
        (
            "h/dir",
            "box:/d/f",
            "cannot copy the directory h/dir to /d/f: that is no directory",
        ),
        ("h/onto/.", "box:/", "--overwrite lets"),
        ("box:/nosuch", "h", "cannot copy /nosuch: it does not exist"),
        ("box:/d", "h/file", "that is no directory"),
        ("box:/d/f", "h/file/x", "not a directory"),
        ("h/file", "h/other", "put NAME: before"),
        ("-", "-", "cannot copy between standard input"),
        ("-", "box:/d/f", "cannot unpack standard input to /d/f"),
        (
            "-",
            "box:/nosuch/x",
            "cannot unpack standard input to /nosuch/x",
        ),
        ("h/file", "app:1:/", "only containers can be changed"),
        ("h/file", "nosuch:/", "nosuch: "),
        ("h/file", "no\u{1b}such:/\n", "no\\x1bsuch"),
        ("box:/d", "box:/etc", "within one container"),
        ("/dev/null", "box:/", "neither a file nor a directory"),
    ] {
        let ran = place.run(["cp", from, to]);
        assert_eq!(
            (ran.code, &ran.stdout[..]),
            (Some(1), &b""[..]),
            "{from} {to}"
        );
        let err = stderr(&ran);
        assert!(
            err.contains(said) && err.lines().count() == 1,
            "{from} {to}: {err}"
        );
    }
    assert_eq!(tree(&place, "box").differences(&before), [""; 0]);
    assert_eq!(place.json(["mount"]), json!([]));
    place.text(["cp", "--overwrite", "h/onto/.", "box:/"]);
}

#[test]
fn root_copies_belong_to_the_user_of_the_image() {
    let Some(()) = require_root() else { return };
    let place = filled("vfs");
    let passwd = TarBuilder::new()
        .file("etc/passwd", 0o644, "web:x:33:44::/:/bin/sh\n")
        .finish();
    fs::write(place.path("passwd.tar"), passwd).unwrap();
    place.text([
        "build",
        "--base",
        "app:1",
        "--layer",
        "passwd.tar",
        "--user",
        "web",
        "--name",
        "web",
    ]);
    place.text(["create", "web", "--name", "web"]);
    place.text(["cp", "h/dir", "web:/srv"]);
    place.text(["cp", "--archive=false", "h/file", "web:/kept"]);
    let shown = place.text([
        "mount",
        "web",
        "--",
        "stat",
        "-c",
        "%u:%g %a",
        "{}/srv/sub/b",
        "{}/srv",
        "{}/kept",
    ]);
    assert_eq!(shown, "33:44 644\n33:44 755\n77:88 4751\n");
    place.text([
        "build", "--base", "app:1", "--user", "nosuch", "--name", "bad",
    ]);
    place.text(["create", "bad", "--name", "bad"]);
    let ran = place.run(["cp", "h/file", "bad:/"]);
    assert!(
        stderr(&ran).contains("names user \"nosuch\""),
        "{}",
        stderr(&ran)
    );
    place.text(["cp", "-a=false", "h/file", "bad:/"]);
    // A program of another owner does not become one that runs as this user.
    for (flag, mode, owner) in [("--archive", 0o751, 0), ("-a=false", 0o4751, 77)] {
        place.text(["cp", flag, "--overwrite", "bad:/file", "h/got"]);
        let got = fs::metadata(place.path("h/got")).unwrap();
        assert_eq!((got.mode() & 0o7777, got.uid()), (mode, owner), "{flag}");
    }
    // From one container to another.
    place.text(["cp", "web:/srv", "bad:/srv", "-a=false"]);
    assert_eq!(
        place.text(["mount", "bad", "--", "cat", "{}/srv/sub/b"]),
        "B"
    );
}

#[test]
fn root_owners_are_those_that_a_mapped_container_sees() {
    let Some(()) = require_root() else { return };
    for driver in ["vfs", "overlay"] {
        let place = filled(driver);
        let maps = ["--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"];
        let create = [
            &["create-container"][..],
            &maps,
            &["-n", "mapped", "localhost/app:1"],
        ];
        place.containers_storage(create.concat()).assert_success();
        place.text(["cp", "h/file", "mapped:/own"]);
        place.text(["cp", "--archive=false", "h/file", "mapped:/kept"]);
        let shown = [
            "mount", "mapped", "--", "stat", "-c", "%u:%g", "{}/own", "{}/kept",
        ];
        let text = place.text(shown);
        assert_eq!(text, "100000:200000\n100077:200088\n", "{driver}");
        for from in [&["export", "mapped"][..], &["cp", "mapped:/.", "-"]] {
            let tar = place.run(from).stdout;
            let mut archive = tar::Archive::new(&tar[..]);
            let owners: Vec<String> = archive
                .entries()
                .unwrap()
                .map(|entry| {
                    let entry = entry.unwrap();
                    let name = entry.path().unwrap().display().to_string();
                    let header = entry.header();
                    format!("{name} {}:{}", header.uid().unwrap(), header.gid().unwrap())
                })
                .filter(|line| line.starts_with("own") || line.starts_with("kept"))
                .collect();
            assert_eq!(owners, ["kept 77:88", "own 0:0"], "{driver} {from:?}");
        }
        place.text(["cp", "--archive=false", "mapped:/kept", "h/back"]);
        let back = fs::metadata(place.path("h/back")).unwrap();
        assert_eq!((back.uid(), back.gid()), (77, 88), "{driver}");
        place.text(["commit", "mapped", "committed"]);
        place.text(["cp", "--archive=false", "committed:/kept", "h/back"]);
        let back = fs::metadata(place.path("h/back")).unwrap();
        assert_eq!((back.uid(), back.gid()), (77, 88), "{driver}");
    }
}

#[test]
fn root_an_interrupted_copy_leaves_nothing_mounted() {
    let Some(()) = require_root() else { return };
    let place = filled("overlay");
    let mut command = place.command();
    let mut child = command
        .args(["cp", "-", "box:/"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The input is read once signals are watched.
    let tar = TarBuilder::new()
        .file("file", 0o644, "y".repeat(3_000_000))
        .finish();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&tar[..2_000_000])
        .unwrap();
    run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()])).assert_success();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(143), "{err}");
    assert!(err.contains("interrupted, stopping"), "{err}");
    assert!(
        err.ends_with("the command was stopped, and what it had done stays\n"),
        "{err}"
    );
    assert_eq!(place.json(["mount"]), json!([]));
}
