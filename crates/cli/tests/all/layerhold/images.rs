//! `layerhold load` and `save`.

use std::fs;
use std::process::Command;

use layerhold_testkit::{require_peer, run};
use serde_json::json;

use crate::support::{Place, base_tar, upper_tar};

#[test]
fn root_loading_tells_what_came_in() {
    let place = Place::new();
    let archive = place.archive(&["app:1", "example.com/app:2"]);
    let archive = archive.to_str().unwrap();
    let text = place.text(["load", archive]);
    let images = place.json(["images"]);
    let id = images[0]["id"].as_str().unwrap();
    assert_eq!(
        text,
        format!(
            "{} localhost/app:1 (2 new layers, 0 known layers)\n",
            &id[..12]
        )
    );
    let digest = images[0]["digests"][0].clone();
    assert_eq!(
        place.json(["load", archive, "--name", "other"]),
        json!([{
            "id": id,
            "names": ["localhost/other:latest"],
            "digest": digest,
            "layers": { "imported": 0, "reused": 2 },
        }])
    );
    assert_eq!(
        place.json(["images"])[0]["names"],
        json!([
            "localhost/other:latest",
            "example.com/app:2",
            "localhost/app:1"
        ])
    );
}

#[test]
fn root_what_cannot_be_loaded_is_said_in_one_line() {
    let place = Place::new();
    fs::write(place.path("junk"), "junk").unwrap();
    let archive = place.archive(&["app:1"]);
    let archive = archive.to_str().unwrap();
    for (words, text) in [
        (&["load", "nosuch"][..], "no such file or directory"),
        (&["load", "junk"], "cannot read junk as a tar archive"),
        (
            &["load", archive, "--image", "x"],
            "cannot find an image called \"x\": the source has app:1",
        ),
        (
            &["load", archive, "--name", "Bad"],
            "\"Bad\" is not an image name",
        ),
        (
            &["load", archive, "--platform", "x"],
            "\"x\" is not a platform",
        ),
        (&["save", "nosuch"], "nosuch: image not known"),
        (&["save", "nosuch", "-o", "x"], "nosuch: image not known"),
        (
            &["save", "x", "--to", "oci"],
            "cannot write a directory to standard output",
        ),
    ] {
        let ran = place.run(words);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(
            (ran.code, ran.stdout.as_slice()),
            (Some(1), &b""[..]),
            "{words:?}: {err}"
        );
        assert!(
            err.starts_with("layerhold: ") && err.contains(text),
            "{words:?}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{words:?}: {err}");
    }
    assert_eq!(place.json(["layers"]), json!([]));
}

#[test]
fn root_images_go_out_in_every_form_and_come_back() {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    let id = place.json(["images"])[0]["id"].as_str().unwrap().to_owned();
    for kind in ["oci", "oci-archive", "docker-archive"] {
        let all = ["keep", "none", "gzip", "zstd"];
        let built_in = |name: &&str| *name != "zstd" || cfg!(feature = "zstd");
        for compression in all.into_iter().filter(built_in) {
            let out = format!("{kind}-{compression}");
            let text = place.text([
                "save",
                "app:1",
                "-o",
                &out,
                "--to",
                kind,
                "--compression",
                compression,
            ]);
            assert_eq!(text, format!("{} localhost/app:1\n", &id[..12]));
            let other = Place::new();
            let back = other.json(["load".into(), place.path(&out)]);
            assert_eq!(back[0]["id"], json!(id), "{out}");
            let layers = other.json(["layers"]);
            let top = layers[1]["id"].as_str().unwrap();
            assert!(
                other.run(["diff", "--tar", top]).stdout == upper_tar(),
                "{out}"
            );
            let base = layers[0]["id"].as_str().unwrap();
            assert!(
                other.run(["diff", "--tar", base]).stdout == base_tar(),
                "{out}"
            );
        }
    }
    let stream = place.run(["save", &id[..8]]);
    assert!(stream.stdout == fs::read(place.path("oci-archive-keep")).unwrap());
    let saved = place.json(["save", "app:1", "-o", "last"]);
    assert_eq!(saved[0]["names"], json!(["localhost/app:1"]));
    assert!(saved[0]["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn root_peer_podman_takes_part() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    let podman = || {
        let mut podman = Command::new("podman");
        podman.arg("--root").arg(place.path("root"));
        podman.arg("--runroot").arg(place.path("runroot"));
        podman.args(["--storage-driver", "vfs"]);
        podman
    };
    let names = run(podman().args(["images", "--format", "{{.Repository}}:{{.Tag}}"]));
    assert_eq!(names.lines(), ["localhost/app:1"]);
    run(podman().args(["tag", "app:1", "example.com/by-podman:2"])).assert_success();
    assert!(place.text(["images"]).contains("example.com/by-podman:2"));
    place.text(["rm", "example.com/by-podman:2"]);
    let names = run(podman().args(["images", "--format", "{{.Repository}}:{{.Tag}}"]));
    assert_eq!(names.lines(), ["localhost/app:1"]);
    place.text(["rm", "app:1"]);
    assert_eq!(run(podman().args(["images", "-q"])).text(), "");
}

#[test]
fn root_an_archive_on_standard_output_has_nothing_else_in_it() {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    let plain = place.run(["save", "app:1"]);
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        for format in ["table", "json"] {
            let ran = place.run(["--format", format, "save", "app:1", "-o", path]);
            assert_eq!(ran.code, Some(0), "{path}");
            assert!(ran.stdout == plain.stdout, "{path}, {format}");
        }
    }
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
}

#[test]
fn root_what_helps_is_said_when_loading() {
    let place = Place::new();
    let archive = place.archive(&["Bad"]);
    let archive = archive.to_str().unwrap();
    let ran = place.run(["load", archive]);
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(err.ends_with(" (--name gives it another name)\n"), "{err}");
    place.text(["load", archive, "--name", "good"]);
    let ran = place.run(["load", archive, "--platform", "linux/none"]);
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(err.contains("--platform chooses another one"), "{err}");
    let nameless = place.archive(&[]);
    let ran = place.run(["load", nameless.to_str().unwrap()]);
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(err.contains("has no name: --name gives it one"), "{err}");
}

/// The image of a `dir:` and back: signatures go along, and elsewhere they are missed.
#[test]
fn root_signatures_go_out_and_come_in() {
    let place = Place::new();
    let archive = place.archive(&["a.example/app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    place.text(["save", "--to", "dir", "-o", "out", "a.example/app:1"]);
    fs::write(place.path("out/signature-1"), b"\x90signed").unwrap();
    place.text(["rm", "a.example/app:1"]);
    place.text(["load", "--name", "a.example/app:2", "out"]);
    place.text(["save", "--to", "dir", "-o", "again", "a.example/app:2"]);
    let signature = fs::read(place.path("again/signature-1")).unwrap();
    assert_eq!(signature, b"\x90signed");

    let save = |more: &[&str]| {
        let ran = place.run([&["save", "-o", "file", "a.example/app:2"], more].concat());
        ran.assert_success();
        String::from_utf8(ran.stderr).unwrap()
    };
    assert!(save(&[]).contains("1 signature of "), "{}", save(&[]));
    assert_eq!(save(&["--remove-signatures"]), "");
    let changed = place.run([
        "save",
        "--to",
        "dir",
        "--compression",
        "zstd",
        "-o",
        "again",
        "a.example/app:2",
    ]);
    assert_eq!(changed.code, Some(1));
    let said = String::from_utf8(changed.stderr).unwrap();
    assert!(said.contains("--remove-signatures"), "{said}");
    let refused = place.run(["save", "--to", "dir", "a.example/app:2"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("--output")
    );

    place.text([
        "load",
        "--remove-signatures",
        "--name",
        "a.example/app:3",
        "out",
    ]);
    place.text(["save", "--to", "dir", "-o", "third", "a.example/app:3"]);
}
