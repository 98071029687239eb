//! `mount NAME -- COMMAND`: whatever happens to the command, nothing stays mounted.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use layerhold_testkit::{require_peer, run};
use serde_json::json;

use crate::support::{LAYERHOLD, Place};

const DRIVERS: [&str; 2] = ["vfs", "overlay"];

/// A store with an image of two layers, `app:1`, and a container, `box`.
fn filled(driver: &'static str) -> Place {
    let place = Place::with_driver(driver);
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    place.text(["create", "app:1", "--name", "box"]);
    place
}

#[track_caller]
fn assert_unmounted(place: &Place) {
    assert_eq!(place.json(["mount"]), json!([]));
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = format!("{}/root/overlay/", place.path("").display());
    assert!(!table.contains(&below.replace("//", "/")), "{table}");
}

#[test]
fn root_a_command_finds_the_mount_which_ends_with_it() {
    for driver in DRIVERS {
        let place = filled(driver);
        let script = r#"cat "$LAYERHOLD_MOUNT/c"; test "$1" = "$LAYERHOLD_MOUNT/dir:$LAYERHOLD_MOUNT" && cat "$1" "$LAYERHOLD_MOUNT/new" 2>/dev/null; pwd; echo new > "$LAYERHOLD_MOUNT/new"; exit 7"#;
        let ran = place.run(["mount", "box", "--", "sh", "-c", script, "sh", "{}/dir:{}"]);
        let here = place.path("").canonicalize().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(text, format!("world{}\n", here.display()), "{driver}");
        assert_eq!((ran.code, &ran.stderr[..]), (Some(7), &b""[..]), "{driver}");
        assert_unmounted(&place);
        assert_eq!(place.text(["diff", "box"]), "A /new\n");
        let image = place.run([
            "mount",
            "app:1",
            "--",
            "sh",
            "-c",
            "cat {}/c; echo x > {}/c",
        ]);
        assert_eq!(&image.stdout[..], b"world", "{driver}");
        if driver == "overlay" {
            assert_eq!(image.code, Some(2), "an image is mounted read-only");
        }
        assert_unmounted(&place);
    }
}

#[test]
fn root_other_uses_of_the_mount_stay() {
    for driver in DRIVERS {
        let place = filled(driver);
        let path = place.text(["mount", "box"]);
        let ran = place.run(["mount", "box", "--", "echo", "{}"]);
        assert_eq!(ran.text(), path);
        assert_eq!(place.json(["mount"])[0]["count"], json!(1));
        assert!(Path::new(path.trim_end()).join("c").exists());
        place.text(["unmount", "box"]);
        // A command may unmount by itself.
        let store = ["--root", "root", "--runroot", "runroot", "--driver", driver];
        let mut words = vec!["mount", "box", "--", LAYERHOLD];
        words.extend(store);
        words.extend(["unmount", "box"]);
        assert_eq!(place.text(words), "");
        assert_unmounted(&place);
    }
}

#[test]
fn root_a_command_that_cannot_run_leaves_nothing_mounted() {
    for driver in DRIVERS {
        let place = filled(driver);
        for (words, code, said) in [
            (
                &["box", "--", "/nosuch\n"][..],
                127,
                "cannot run \"/nosuch\\n\": no such file",
            ),
            (&["box", "--", "{}/c"], 126, "cannot run \"{}/c\": "),
            (&["nosuch", "--", "true"], 1, "layerhold: nosuch: "),
            (
                &["--", "true"],
                2,
                "name one layer, container or image before `--`",
            ),
            (
                &["box", "app:1", "--", "true"],
                2,
                "name one layer, container or image",
            ),
            (&["box", "--", "sh", "-c", "kill -9 $$"], 137, ""),
        ] {
            let ran = place.run([&["mount"][..], words].concat());
            let err = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.code, Some(code), "{words:?}: {err}");
            assert!(
                err.contains(said) && err.lines().count() <= 1,
                "{words:?}: {err}"
            );
            assert_unmounted(&place);
        }
    }
}

/// Starts a command in a process group of its own, and waits until it says that it runs.
fn started(place: &Place, script: &str) -> Child {
    let script = format!("{script}; echo ready; while :; do sleep 0.01; done");
    let mut command = place.command();
    command.args(["mount", "box", "--", "sh", "-c", &script]);
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    // One byte at a time, so that nothing behind the line is taken.
    while !line.ends_with('\n') {
        let mut byte = [0];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        line.push(char::from(byte[0]));
    }
    assert_eq!(line, "ready\n");
    child
}

fn kill(name: &str, target: &str) {
    run(Command::new("kill").args(["-s", name, "--", target])).assert_success();
}

fn rest(child: &mut Child) -> Vec<String> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map(Result::unwrap).collect()
}

#[test]
fn root_signals_reach_the_command_and_then_it_is_unmounted() {
    let place = filled("overlay");
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", 131)] {
        for to_group in [false, true] {
            let mut child = started(&place, "ulimit -c 0");
            let target = match to_group {
                true => format!("-{}", child.id()),
                false => child.id().to_string(),
            };
            kill(name, &target);
            assert_eq!(
                child.wait().unwrap().code(),
                Some(code),
                "{name} {to_group}"
            );
            assert_unmounted(&place);
        }
    }
}

#[test]
fn root_a_command_may_handle_signals() {
    let place = filled("overlay");
    for name in ["INT", "TERM"] {
        let mut child = started(&place, &format!("trap 'echo got {name}; exit 3' {name}"));
        kill(name, &child.id().to_string());
        assert_eq!(rest(&mut child), [format!("got {name}")]);
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_unmounted(&place);
        // One that does not end goes on.
        let trap = format!("trap 'echo got {name}' {name}; trap 'exit 4' USR1; echo $$ > pid");
        let mut child = started(&place, &trap);
        kill(name, &child.id().to_string());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, format!("got {name}\n"));
        assert_eq!(place.json(["mount"])[0]["count"], json!(1));
        let pid = fs::read_to_string(place.path("pid")).unwrap();
        kill("USR1", pid.trim());
        assert_eq!(child.wait().unwrap().code(), Some(4));
        assert_unmounted(&place);
    }
}

#[test]
fn root_signals_that_are_ignored_stay_ignored() {
    let place = filled("vfs");
    let command = place.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' INT; exec "$@""#, "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.args([
        "mount",
        "box",
        "--",
        "sh",
        "-c",
        "kill -INT $PPID; kill -INT $$; exit 5",
    ]);
    assert_eq!(run(&mut shell).code, Some(5));
    assert_unmounted(&place);
}

#[test]
fn root_peer_script_a_key_of_the_terminal_reaches_the_command_once() {
    let Some(()) = require_peer("script") else {
        return;
    };
    let place = filled("overlay");
    // A signal that the program passes on comes before one that it is sent afterwards.
    let inner = "trap 'echo int >> seen' INT; trap 'exit 6' TERM; touch ready; \
                 until test -e seen; do sleep 0.01; done; kill -TERM $PPID; while :; do sleep 0.01; done";
    fs::write(place.path("inner"), inner).unwrap();
    let key = "until test -e ready; do sleep 0.01; done; printf '\\003'; \
               until test -e seen; do sleep 0.01; done";
    let ran = place.at_a_terminal("mount box -- sh inner", key);
    let text = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.code, Some(6), "{text}");
    assert_eq!(fs::read_to_string(place.path("seen")).unwrap(), "int\n");
    assert_unmounted(&place);
}
