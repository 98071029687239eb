//! Mistakes that are easily made, and what comes of them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use layerhold_testkit::{require_peer, run};
use serde_json::json;

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD, Place};

/// A store with an image that has two names.
fn named_twice() -> (Place, String) {
    let place = Place::new();
    let archive = place.archive(&["app:1", "app:2"]);
    let loaded = place.json(["load".as_ref(), archive.as_os_str()]);
    let id = loaded[0]["id"].as_str().unwrap().to_owned();
    (place, id)
}

#[test]
fn root_removing_one_of_several_names_keeps_the_image() {
    let (place, id) = named_twice();
    assert_eq!(place.text(["rm", "app:2"]), "name localhost/app:2\n");
    assert_eq!(
        place.json(["images"])[0]["names"],
        json!(["localhost/app:1"])
    );
    assert_eq!(place.json(["layers"]).as_array().unwrap().len(), 2);
    let text = place.text(["rm", "localhost/app:1"]);
    assert!(text.starts_with(&format!("image {id}\nlayer ")), "{text}");
    assert_eq!(place.json(["layers"]), json!([]));
}

#[test]
fn root_an_id_or_force_removes_an_image_with_all_its_names() {
    for by_id in [true, false] {
        let (place, id) = named_twice();
        let gone = if by_id {
            place.json(["rm", &id[..12]])
        } else {
            place.json(["rm", "--force", "app:2"])
        };
        assert_eq!(gone[0], json!(format!("image {id}")));
        assert_eq!(place.json(["images"]), json!([]));
    }
}

#[test]
fn root_unmounting_tells_programs_what_is_still_mounted() {
    let (place, _) = named_twice();
    place.text(["create", "app:1", "--name", "box"]);
    place.text(["mount", "box"]);
    place.text(["mount", "box"]);
    for mounted in [true, false] {
        let told = place.json(["unmount", "box"]);
        assert_eq!(told, json!([{ "item": "box", "mounted": mounted }]));
    }
    let ran = run(place.command().args(["--format", "json", "unmount", "box"]));
    assert_eq!((ran.code, &ran.stdout[..]), (Some(1), &b"[]\n"[..]));
}

#[test]
fn root_a_mistyped_root_is_no_empty_store() {
    let place = Place::new();
    let typo = place.path("rot");
    let layerhold = |words: &[&str]| {
        let mut command = Command::new(LAYERHOLD);
        command.arg("--root").arg(&typo);
        command.arg("--runroot").arg(place.path("runroot"));
        run(command.args(["--driver", "vfs", "--quiet"]).args(words))
    };
    for words in [
        &["images"][..],
        &["check"],
        &["gc"],
        &["rm", "x"],
        &["mount"],
    ] {
        let ran = layerhold(words);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        let expected = format!(
            "layerhold: cannot find a store at {}: `pull`, `load`, `build` and `import` create one\n",
            typo.display()
        );
        assert_eq!((ran.code, err), (Some(1), expected), "{words:?}");
        assert!(!typo.exists(), "{words:?}");
    }
    let archive = place.archive(&["app:1"]);
    layerhold(&["load", archive.to_str().unwrap()]).assert_success();
    layerhold(&["images"]).assert_success();
}

#[test]
fn root_containers_have_names_that_podman_takes() {
    let (place, _) = named_twice();
    for name in ["", "a b", "../x", "-x", ".x"] {
        let ran = place.run(["create", &format!("--name={name}"), "app:1"]);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.code, Some(1), "{name}: {err}");
        assert!(
            err.contains(&format!("cannot call a container {name:?}: ")),
            "{err}"
        );
    }
    assert_eq!(place.json(["containers"]), json!([]));
    place.text(["create", "--name", "0a_B.c-d", "app:1"]);
}

#[test]
fn arguments_that_are_not_utf_8_are_refused() {
    let name = OsStr::from_bytes(b"im\xffage");
    for (program, first, code) in [(LAYERHOLD, "load", 2), (CONTAINERS_STORAGE, "layer", 1)] {
        let ran = run(Command::new(program).arg(first).arg(name));
        assert_eq!((ran.code, &ran.stdout[..]), (Some(code), &b""[..]));
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(
            err,
            "cannot use an argument that is not UTF-8: im\u{fffd}age\n"
        );
    }
}

#[test]
fn root_what_cannot_be_written_is_named() {
    let (place, id) = named_twice();
    let expected = "write /dev/full: no space left on device\n";
    let ran = place.run(["diff", "--tar", "--output", "/dev/full", "app:1"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        String::from_utf8_lossy(&ran.stderr),
        format!("layerhold: {expected}")
    );
    let ran = place.containers_storage(["get-image-data", "-f", "/dev/full", &id, "manifest"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(String::from_utf8_lossy(&ran.stderr), expected);
}

#[test]
fn root_peer_script_archives_neither_come_from_a_terminal_nor_go_to_one() {
    let Some(()) = require_peer("script") else {
        return;
    };
    let (place, _) = named_twice();
    for (command, said) in [
        ("diff --tar app:1", "cannot write an archive to a terminal"),
        ("save app:1", "cannot write an archive to a terminal"),
        ("load", "cannot read an archive from a terminal"),
    ] {
        let ran = place.at_a_terminal(command, "cat");
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(text.contains(said), "{command}: {text}");
        assert_eq!(ran.code, Some(1), "{command}");
    }
}

#[test]
fn help_tells_options_of_a_command_from_those_of_all_and_says_what_codes_mean() {
    let help = run(Command::new(LAYERHOLD).args(["repair", "-h"])).text();
    let (own, everywhere) = help.split_once("\nOptions of every command:\n").unwrap();
    for option in ["--depth", "--unused-hours", "--dry-run", "--containers"] {
        assert!(own.contains(option), "{help}");
    }
    for option in [
        "--root",
        "--runroot",
        "--driver",
        "--sync",
        "--format",
        "--quiet",
    ] {
        assert!(
            everywhere.contains(option) && !own.contains(option),
            "{help}"
        );
    }
    let help = run(Command::new(LAYERHOLD).arg("--help")).text();
    assert!(help.contains("Exit codes: 0 for success, 1 if"), "{help}");
}
