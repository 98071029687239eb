//! Flags, help texts and exit codes, beside the Go tool.

use std::process::Command;

use crate::support::{CONTAINERS_STORAGE, Place};
use crate::twin::{Done, Twin};

/// Flags that 1.43 does not have.
const NEWER: [&str; 4] = ["--image-store", "--transient-store", "--unshare", "--quick"];

/// The lines of a help text without the newer flags; the width of the table depends on them.
fn table(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        // A newer spelling of an older flag.
        .map(|line| line.replace("--read-only, ", ""))
        .filter(|line| !NEWER.iter().any(|flag| line.starts_with(flag)))
        .collect()
}

#[track_caller]
fn assert_same(line: &str, go: &Done, ours: &Done) {
    assert_eq!((go.code, &go.out), (ours.code, &ours.out), "{line}");
    assert_eq!(table(&go.err), table(&ours.err), "{line}");
}

#[test]
fn root_peer_wrong_command_lines_are_told_alike() {
    let Some(twin) = Twin::new() else { return };
    for line in [
        "nosuch",
        "layers --bogus",
        "layers -h",
        "layers --help",
        "layers -jz",
        "layers -=x",
        "exists",
        "exists --json=maybe x",
        "exists --help",
        "exists -c",
        "create-layer -n",
        "create-layer --id",
        "create-layer a b",
        "create-layer --help",
        "create-layer --id x --name y --help",
        "import-layer --help",
        "create-image --help",
        "create-container",
        "create-container --id ctr",
        "delete",
        "delete-image --help",
        "changes",
        "changes a b c",
        "diff --help",
        "applydiff",
        "image",
        "container --help",
        "metadata",
        "set-metadata --help",
        "mount",
        "umount",
        "umount --help",
        "get-names",
        "get-names --help",
        "get-image-data img",
        "set-container-data --help",
        "get-container-dir",
        "shutdown --help",
        "status --help",
        "images-by-digest",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (go, ours) = twin.both(&words, b"");
        assert_same(line, &go, &ours);
    }
}

#[test]
fn root_peer_flags_stand_before_and_after_the_command() {
    let Some(twin) = Twin::new() else { return };
    twin.same("create-layer --id x");
    for line in [
        "layers -j -D=false",
        "layers --debug=false",
        "layers -j=false",
        "layers -j=1",
        "layers --json=F",
        "exists -lq x",
        "exists -l -- x",
        "create-layer --id=\"quoted\"",
    ] {
        twin.same(line);
    }
    let (go, ours) = twin.both(&["create-layer", "-jiy"], b"");
    assert_eq!((go.code, ours.code), (Some(125), Some(125)));
    // The store named after the command word wins.
    twin.same("-D=false layers -g %/other/root -R %/other/runroot");
    twin.same("layers -g %/root");
}

#[test]
fn root_peer_general_help_goes_where_the_go_tool_sends_it() {
    let Some(twin) = Twin::new() else { return };
    for words in [
        &[][..],
        &["--help"],
        &["-help"],
        &["-h"],
        &["--bogus"],
        &["-g"],
        &["--help", "layers"],
    ] {
        let (go, ours) = twin.bare(words);
        assert_eq!(go.code, ours.code, "{words:?}");
        // Ours has commands of newer ones too, and those of 1.43 in the same words.
        let lines: Vec<&str> = ours.out.lines().collect();
        for line in go.out.lines() {
            let line_of_flag = line.starts_with("  --");
            let found = if line_of_flag {
                table(&ours.out).contains(&table(line)[0])
            } else {
                lines.contains(&line)
            };
            assert!(found, "{words:?}: {line:?}");
        }
        assert_eq!(table(&go.err), table(&ours.err), "{words:?}");
    }
}

#[test]
fn root_peer_stores_that_cannot_be_opened_are_told_on_standard_output() {
    let Some(twin) = Twin::new() else { return };
    for (line, words) in [
        ("-s nosuch layers", "driver not supported"),
        (
            "--storage-opt bad layers",
            "unable to parse key/value option: bad",
        ),
        ("--storage-opt nosuch=1 layers", "nosuch"),
    ] {
        let all: Vec<&str> = line.split(' ').collect();
        let (go, ours) = twin.both(&all, b"");
        for done in [go, ours] {
            assert_eq!(done.code, Some(1), "{line}");
            assert!(
                done.out.starts_with("error initializing: "),
                "{line}: {done:?}"
            );
            assert!(done.out.contains(words), "{line}: {done:?}");
        }
    }
}

#[test]
fn root_newer_versions_refuse_what_1_43_ignores() {
    let Some(twin) = Twin::new() else { return };
    for line in ["layers x", "images x", "containers x", "status x"] {
        let words: Vec<&str> = line.split(' ').collect();
        let (go, ours) = twin.both(&words, b"");
        assert_eq!((go.code, ours.code), (Some(0), Some(1)), "{line}");
        let command = words[0];
        assert!(
            ours.out
                .starts_with(&format!("{command}: too many arguments ([x]).\n"))
        );
    }
}

#[test]
fn help_shows_the_store_that_counts() {
    let dir = layerhold_testkit::scratch();
    let conf = dir.path().join("storage.conf");
    let text = "[storage]\ndriver = 'vfs'\ngraphroot = '/g'\nrunroot = '/r'\n\
                [storage.options]\nignore_chown_errors = 'true'\nsize = '1G'\n";
    std::fs::write(&conf, text).unwrap();
    let help = |words: &[&str]| {
        let mut command = Command::new(CONTAINERS_STORAGE);
        command.env_clear().env("CONTAINERS_STORAGE_CONF", &conf);
        let ran = layerhold_testkit::run(command.args(words));
        assert_eq!(ran.code, Some(125));
        let text = String::from_utf8(ran.stderr).unwrap();
        let rows: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_once("    "))
            .map(|(flag, _)| flag.trim().to_owned())
            .collect();
        rows.join("\n")
    };
    assert_eq!(
        help(&["-D", "--image-store=/i", "status", "--help"]),
        "--debug, -D=true\n--graph, -g=/g\n--image-store\n--json, -j\n--run, -R=/r\n--storage-driver, -s=vfs\n\
         --storage-opt=[size=1G ignore_chown_errors=true]\n--transient-store\n--unshare, -U"
    );
    assert_eq!(
        help(&["-g", "/x", "status", "--help"]),
        "--debug, -D\n--graph, -g=/x\n--image-store\n--json, -j\n--run, -R\n--storage-driver, -s\n\
         --storage-opt=[]\n--transient-store\n--unshare, -U"
    );
}

#[test]
fn root_help_says_whether_commands_enter_a_namespace() {
    let place = Place::new();
    let help = place.containers_storage(["status", "--help"]);
    let text = String::from_utf8(help.stderr).unwrap();
    let default = !layerhold_testkit::run(&mut Command::new("id"))
        .text()
        .contains("uid=0");
    let line = format!("Run in a user namespace (default {default})");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn root_flags_that_are_not_given_show_what_they_are() {
    let place = Place::new();
    for (command, shown) in [("check", "--max, -m=24h "), ("dedup", "--hash-method=crc ")] {
        let ran = place.containers_storage([command, "--help"]);
        assert_eq!(ran.code, Some(125), "{command}");
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(err.contains(shown), "{err}");
    }
}
