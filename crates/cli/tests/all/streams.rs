//! Standard streams of the programs.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use layerhold_testkit::run;

use crate::support::{CONTAINERS_STORAGE, LAYERHOLD, Place, base_tar};

/// Runs a program whose reader goes away after the first bytes.
fn with_gone_reader(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 10];
    let _read = out.read(&mut first).unwrap();
    drop(out);
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    (child.wait().unwrap().code(), err)
}

#[test]
fn root_a_reader_that_goes_away_is_no_reason_to_complain() {
    let place = Place::new();
    let big = layerhold_testkit::TarBuilder::new()
        .file("big", 0o644, vec![b'x'; 4 << 20])
        .finish();
    let tar = place.path("big.tar");
    std::fs::write(&tar, big).unwrap();
    let import = ["import-layer", "--id", "big", "-f", tar.to_str().unwrap()];
    place.containers_storage(import).assert_success();
    let mut containers_storage = Command::new(CONTAINERS_STORAGE);
    containers_storage.arg("-g").arg(place.path("root"));
    containers_storage.arg("-R").arg(place.path("runroot"));
    containers_storage.args(["-s", "vfs", "diff", "-u", "big"]);
    let mut layerhold = place.command();
    layerhold.args(["diff", "--tar", "big"]);
    for command in [&mut containers_storage, &mut layerhold] {
        assert_eq!(with_gone_reader(command), (Some(1), String::new()));
    }
}

#[test]
fn root_a_full_device_is_an_error() {
    let place = Place::new();
    place
        .containers_storage(["create-layer", "--id", "x"])
        .assert_success();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut layerhold = place.command();
    let mut containers_storage = Command::new(CONTAINERS_STORAGE);
    containers_storage.arg("-g").arg(place.path("root"));
    containers_storage.arg("-R").arg(place.path("runroot"));
    containers_storage.args(["-s", "vfs", "layers"]);
    for command in [layerhold.arg("layers"), &mut containers_storage] {
        let output = command
            .stdout(full())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(
            err.to_lowercase().contains("no space left on device"),
            "{err}"
        );
    }
}

#[test]
fn root_archives_are_read_from_standard_input() {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    let mut load = place.command();
    load.arg("load").stdin(File::open(&archive).unwrap());
    let output = load.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.ends_with(" localhost/app:1 (2 new layers, 0 known layers)\n"),
        "{text}"
    );
    let mut import = Command::new(CONTAINERS_STORAGE);
    import.arg("-g").arg(place.path("root"));
    import.arg("-R").arg(place.path("runroot"));
    import.args(["-s", "vfs", "import-layer", "--id", "in"]);
    std::fs::write(place.path("in.tar"), base_tar()).unwrap();
    import.stdin(File::open(place.path("in.tar")).unwrap());
    assert!(import.output().unwrap().status.success());
    let diff = place.containers_storage(["diff", "in"]);
    assert!(diff.stdout == base_tar());
}

#[test]
fn help_and_versions_need_no_store() {
    for words in [
        &["--help"][..],
        &["help"],
        &["load", "--help"],
        &["--version"],
        &["help", "save"],
    ] {
        let ran = run(Command::new(LAYERHOLD).args(words));
        assert_eq!(ran.code, Some(0), "{words:?}");
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{words:?}");
    }
    let version = run(Command::new(LAYERHOLD).arg("--version")).text();
    assert_eq!(
        version,
        format!("layerhold {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn command_lines_that_make_no_sense_are_told_with_code_2() {
    for words in [
        &[][..],
        &["nosuch"],
        &["load", "--nosuch"],
        &["save"],
        &["rm"],
        &["create"],
        &["inspect"],
        &["save", "x", "--to", "zip"],
        &["diff", "x", "--output", "y"],
        &["--format", "yaml", "images"],
    ] {
        let ran = run(Command::new(LAYERHOLD).args(words));
        assert_eq!(ran.code, Some(2), "{words:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{words:?}");
    }
}
